/**
 * Core neurons of a session that has its context to itself (program/core_neurons.ts): which tokens are its prompt, when
 * a pass is sparse, and what of it is saved.
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { allocate, release } from "../memory/arena";
import { HAS_CORE_NEURONS } from "../parts";
import { Context, POSITION_LIMIT } from "../pass/context";
import { threadSlots } from "../pass/threads";
import { CoreNeurons, LEAST_TOKENS, coreNeuronBytes, initCoreNeurons } from "../program/core_neurons";

/** Bytes in front of what is saved of layers, and of each in front of its counts and sums. */
const HEADER: usize = 32;
const LAYER: usize = 4;

@inline
export function hasNeurons(c: Context): bool {
  return HAS_CORE_NEURONS && changetype<usize>(c.neurons) != 0;
}

/**
 * The session's answers use a share of the neurons of layers `first` … `end` − 1 (the last there is at most), those
 * that stood most often among the share `alpha` of a token's largest while the prompt was read.
 */
export function setNeurons(c: Context, hasTokens: bool, share: f64, alpha: f64, first: u32, end: u32): i32 {
  const core = c.core;
  if (!HAS_CORE_NEURONS) return fail(core, ErrorCode.UNSUPPORTED, "this build uses all neurons; take limpet.wasm");
  if (!(share > 0 && share <= 1) || !(alpha > 0 && alpha <= 1)) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "a share of neurons is above 0 and at most 1");
  }
  end = min(end, c.program.layerCount);
  if (first >= end) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "the layers of core neurons are a range of the model's that is not empty",
    );
  }
  if (c.sequences != 1 || c.isForTexts || c.program.decoderLayer != 0) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "core neurons are of a session that shares its context with no other, of a model without an encoder",
    );
  }
  if (c.adapterSets != 0 && c.adapterSet(0).count != 0) return withAdapters(core);
  if (hasTokens || c.running) {
    return fail(core, ErrorCode.WRONG_STATE, "core neurons are asked for before a session has tokens");
  }
  const threads = threadSlots(core);
  const bytes = coreNeuronBytes(c.program, share, first, end, threads);
  if (bytes == 0) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "this model has no core neurons: none of these layers has a feed-forward network of SwiGLU or ReLU² whose \
matrices are in memory, have no biases, and come before the last rows of its cache",
    );
  }
  dropNeurons(c);
  c.neurons = changetype<CoreNeurons>(allocate(core, bytes, "core neurons"));
  if (!hasNeurons(c)) return core.errorCode;
  initCoreNeurons(c.neurons, c.program, share, alpha, first, end, threads);
  return 0;
}

/** Both change what up and gate make, each as if it were alone. */
export function withAdapters(core: Core): i32 {
  return fail(core, ErrorCode.UNSUPPORTED, "a session has adapters or core neurons, not both");
}

/** What both together are worth nobody has measured. */
export function withPolicy(core: Core): i32 {
  return fail(core, ErrorCode.UNSUPPORTED, "a session has a policy of its cache (kv) or core neurons, not both");
}

export function dropNeurons(c: Context): void {
  if (!hasNeurons(c)) return;
  release(c.core, changetype<usize>(c.neurons));
  c.neurons = changetype<CoreNeurons>(0);
  c.isSparse = 0;
}

/** The session's tokens, `count` in all, are a prompt up to here. */
export function readPrompt(c: Context, count: u32): void {
  if (hasNeurons(c)) c.neurons.promptEnd = count;
}

/** Tokens from number `count` on are forgotten: others there are counted. Where none is left, nothing was counted. */
export function forgetCounts(c: Context, count: u32): void {
  if (!hasNeurons(c)) return;
  const n = c.neurons;
  n.promptEnd = min(n.promptEnd, count);
  if (count == 0) n.tokens = 0;
  for (let i: u32 = 0; i < n.layerCount; i++) {
    const l = n.layer(i);
    l.counted = min(l.counted, count);
    if (count != 0 || l.counts == 0) continue;
    memory.fill(l.counts, 0, (<usize>l.width) << 2);
    memory.fill(l.sums, 0, (<usize>l.width) << 2);
  }
}

/** Tokens from `keep` + `count` on move up by `count`. */
export function shiftCounts(c: Context, keep: u32, count: u32): void {
  if (!hasNeurons(c)) return;
  const n = c.neurons;
  n.promptEnd = shifted(n.promptEnd, keep, count);
  for (let i: u32 = 0; i < n.layerCount; i++) n.layer(i).counted = shifted(n.layer(i).counted, keep, count);
}

@inline
function shifted(position: u32, keep: u32, count: u32): u32 {
  return position <= keep ? position : max(keep, position - min(position, count));
}

/** The pass that has begun is sparse if it has one token, which was generated, and enough were counted. */
export function useNeurons(c: Context): void {
  if (!hasNeurons(c) || c.tokens != 1) return;
  const n = c.neurons;
  if (<u32>c.position(0) < n.promptEnd || n.tokens < LEAST_TOKENS) return;
  if (n.chosen != n.tokens) {
    n.chosen = n.tokens;
    n.choice += 1;
  }
  c.isSparse = 1;
}

/** Bytes of the section of a saved session: the options and what was counted; the neurons follow from it. 0: none. */
export function neuronSection(c: Context): usize {
  if (!hasNeurons(c)) return 0;
  const n = c.neurons;
  let bytes = HEADER;
  for (let i: u32 = 0; i < n.layerCount; i++) {
    const l = n.layer(i);
    if (l.counts != 0) bytes += LAYER + ((<usize>l.width) << 3);
  }
  return bytes;
}

export function saveNeurons(c: Context, at: usize): void {
  const n = c.neurons;
  store<f64>(at, n.share);
  store<f64>(at, n.alpha, 8);
  store<u32>(at, n.first, 16);
  store<u32>(at, n.end, 20);
  store<u32>(at, n.promptEnd, 24);
  store<u32>(at, n.tokens, 28);
  at += HEADER;
  for (let i: u32 = 0; i < n.layerCount; i++) {
    const l = n.layer(i);
    if (l.counts == 0) continue;
    const bytes = (<usize>l.width) << 2;
    store<u32>(at, l.counted);
    memory.copy(at + LAYER, l.counts, bytes);
    memory.copy(at + LAYER + bytes, l.sums, bytes);
    at += LAYER + 2 * bytes;
  }
}

/**
 * Whether a saved session's core neurons are those that this one was made with. Of one that has none (`at` 0) the rows
 * are the model's own, and any may go on from them.
 */
export function checkNeurons(c: Context, at: usize, bytes: usize): i32 {
  if (at == 0) return 0;
  const isSame =
    hasNeurons(c) &&
    bytes == neuronSection(c) &&
    load<f64>(at) == c.neurons.share &&
    load<f64>(at, 8) == c.neurons.alpha &&
    load<u32>(at, 16) == c.neurons.first &&
    load<u32>(at, 20) == c.neurons.end;
  if (isSame && load<u32>(at, 24) <= <u32>POSITION_LIMIT) return 0;
  return fail(
    c.core, ErrorCode.BAD_FILE,
    "this session was saved with core neurons, so that its rows are not the model's own: give the same `neurons` to \
the one that it is restored in",
  );
}

/** Takes what was saved; of a session without core neurons (`at` 0) all tokens are a prompt that nobody counted. */
export function restoreNeurons(c: Context, at: usize, count: u32): void {
  if (!hasNeurons(c)) return;
  forgetCounts(c, 0);
  const n = c.neurons;
  n.choice += 1;
  n.chosen = 0;
  n.promptEnd = at == 0 ? count : load<u32>(at, 24);
  if (at == 0) return;
  n.tokens = load<u32>(at, 28);
  at += HEADER;
  for (let i: u32 = 0; i < n.layerCount; i++) {
    const l = n.layer(i);
    if (l.counts == 0) continue;
    const bytes = (<usize>l.width) << 2;
    l.counted = load<u32>(at);
    memory.copy(l.counts, at + LAYER, bytes);
    memory.copy(l.sums, at + LAYER + bytes, bytes);
    at += LAYER + 2 * bytes;
  }
}
