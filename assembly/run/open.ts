/**
 * Contexts are opened: what the steps of a program want is asked of the ops, the plan is made, and the memory taken.
 * Counting and making are one walk, so the memory that is planned is the memory that is used, to the byte.
 */
import { kernelScratch, stepScratch } from "../ops/ops";
import { Core, ErrorCode, fail } from "../memory/core";
import { allocate, allocateRaw } from "../memory/arena";
import {
  BATCH_LIMIT, Context, POSITION_LIMIT, STEP_WORK, contextRecordBytes, contextTotal, initState, layOut, listBytes,
  mostHeld, releaseBlocks, rowsSeen, stateBytes, tagContext,
} from "../pass/context";
import { Threads } from "../pass/threads";
import { HAS_SAMPLERS } from "../parts";
import { plan } from "../program/plan";
import { Program } from "../program/program";
import { isKvType } from "../kernels/attention/kv_codec";

/** Rows that a layer keeps of `tokens` tokens, of which `asked` are asked for; 0: all. */
@inline
function keptOf(tokens: u32, asked: u32): u32 {
  return HAS_SAMPLERS && asked != 0 ? asked : tokens;
}

/** Bytes of linear memory that a context of this shape takes, without making it. */
export function contextBytes(
  p: Program, tokens: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32, isForTexts: bool = false,
  asked: u32 = 0, isShared: bool = false,
): u64 {
  const kept = keptOf(tokens, asked);
  const none = changetype<Context>(0);
  const rows = rowsSeen(p, tokens, mostHeld(tokens, kept, isShared), batch, sequences);
  const buffers = layOut(
    none, p, 0, rows, batch, sequences, planFor(p, rows, batch, logitRows, isForTexts), threadScratch(p, rows, batch),
  );
  return contextTotal(p, tokens, kept, batch, sequences, kvType, buffers, isShared);
}

/**
 * Makes a context: `tokens` tokens, of which each layer keeps `asked` rows of state (0: all; `isShared`: on
 * average), at most `batch` tokens a pass and `logitRows` rows of logits. `openContexts` is where the model counts its
 * contexts. 0: see the error.
 */
export function createContext(
  core: Core, p: Program, openContexts: usize, tokens: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32,
  isForTexts: bool = false, asked: u32 = 0, isShared: bool = false,
): Context {
  const none = changetype<Context>(0);
  const kept = keptOf(tokens, asked);
  if (
    tokens < 1 ||
    tokens > <u32>POSITION_LIMIT ||
    batch < 1 ||
    batch > BATCH_LIMIT ||
    sequences < 1 ||
    sequences > 256
  ) {
    fail(
      core, ErrorCode.BAD_ARGUMENT, "a context takes 1 to 1000000 rows, 1 to 8192 tokens a batch, 1 to 256 sequences",
    );
    return none;
  }
  if (logitRows < 1 || logitRows > batch) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a context gives logits of at least one token and at most a batch");
    return none;
  }
  if (!isKvType(kvType)) {
    fail(
      core, ErrorCode.UNSUPPORTED, "the cache holds F32 (type 0), F16 (type 1) or Q8_0 (type 8), not type {}", kvType,
    );
    return none;
  }
  const block = allocate(core, contextRecordBytes(p), "a context");
  if (block == 0) return none;
  const c = changetype<Context>(block);
  c.core = core;
  c.threads = changetype<Threads>(core.threads);
  c.program = p;
  c.openContexts = openContexts;
  c.kvType = kvType;
  c.batchCapacity = batch;
  c.logitCapacity = logitRows;
  const rows = rowsSeen(p, tokens, mostHeld(tokens, kept, isShared), batch, sequences);
  if (HAS_SAMPLERS && kept < tokens) {
    c.mostTokens = tokens;
    c.mostKept = kept;
  }
  c.rowCapacity = rows;
  c.sequences = sequences;
  c.stepWork = STEP_WORK;
  if (HAS_SAMPLERS) c.massFrom = u32.MAX_VALUE;
  c.isForTexts = isForTexts ? 1 : 0;
  const planned = planFor(p, rows, batch, logitRows, isForTexts);
  const scratch = threadScratch(p, rows, batch);
  c.poolBlock = allocateRaw(core, stateBytes(p, tokens, kept, batch, sequences, kvType, isShared), "the KV cache");
  if (c.poolBlock != 0)
    c.listBlock = allocateRaw(core, listBytes(p, tokens, kept, batch, sequences, isShared), "the cache's lists");
  if (c.listBlock != 0) {
    const bytes = layOut(none, p, 0, rows, batch, sequences, planned, scratch);
    c.bufferBlock = allocate(core, bytes, "activations");
  }
  if (c.bufferBlock == 0) {
    releaseBlocks(c);
    return none;
  }
  layOut(c, p, c.bufferBlock, rows, batch, sequences, planned, scratch);
  initState(c, isShared);
  tagContext(c);
  store<u32>(openContexts, load<u32>(openContexts) + 1);
  return c;
}

/**
 * Plans the program for such passes: bytes of all values, and of what steps need for themselves. Of passes for texts
 * the output has as many rows as the batch, and no head.
 */
export function planFor(p: Program, rows: u32, batch: u32, logitRows: u32, isForTexts: bool = false): u64 {
  for (let i: u32 = 0; i < p.stepCount; i++) p.step(i).scratch = 0;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const kind = p.kind(p.layer(layer).kind);
    measure(p, layer, kind.firstStep, kind.firstStep + kind.steps, rows, batch);
  }
  measure(p, 0, 0, p.inputSteps, rows, batch);
  measure(p, 0, p.outputStep, p.vectorStep, rows, isForTexts ? batch : logitRows);
  measure(p, 0, p.vectorStep, p.stepCount, rows, logitRows);
  return plan(p, batch, logitRows);
}

/** Steps [first, end) want as much as the layer that wants most. */
function measure(p: Program, layer: u32, first: u32, end: u32, rows: u32, batch: u32): void {
  for (let i = first; i < end; i += 1 + p.step(i).members) {
    const step = p.step(i);
    step.scratch = max(step.scratch, stepScratch(p, layer, step, rows, batch));
  }
}

/** The largest scratch that any kernel of a pass asks for, a thread. */
function threadScratch(p: Program, rows: u32, batch: u32): u64 {
  let most: u64 = 0;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const kind = p.kind(p.layer(layer).kind);
    most = max(most, mostScratch(p, layer, kind.firstStep, kind.firstStep + kind.steps, rows, batch));
  }
  most = max(most, mostScratch(p, 0, 0, p.inputSteps, rows, batch));
  return max(most, mostScratch(p, 0, p.outputStep, p.stepCount, rows, batch));
}

function mostScratch(p: Program, layer: u32, first: u32, end: u32, rows: u32, batch: u32): u64 {
  let most: u64 = 0;
  for (let i = first; i < end; i++) most = max(most, kernelScratch(p, layer, p.step(i), rows, batch));
  return most;
}
