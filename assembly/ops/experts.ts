/**
 * Experts (Shazeer et al. 2017, arXiv:1701.06538): each token goes to a few of many matrices. Tokens of an expert are
 * gathered, so that its matrix is read once a pass; what experts give is added up token by token in the order of the
 * token's choice, so that its bits do not depend on its neighbours. A token by itself needs no gathering: its experts
 * are one job, whose rows go where they belong.
 *
 *     scratch of the step   ┌ operand: the input's rows (or parts of rows), quantised [tokens · parts] │ gathered
 *                             [tokens · used] │ product [tokens · used, rows] │ places u32[tokens · used] ┐
 */
import { askSlabs, countWanted, hitExperts, matrixOf } from "./expert_slabs";
import { UNIT_ROWS, rowGrain, shared, unitsWithinWork } from "./share";
import { HAS_NVFP4 } from "../parts";
import { Status } from "../memory/core";
import { setU32, u32At } from "../memory/bytes";
import { Context, rowAt, rowOf } from "../pass/context";
import { grainOf } from "../pass/threads";
import { lines, operandBytes } from "../program/plan";
import { Flag, NOTHING, Program, Step } from "../program/program";
import { hitSlab, keepSlabs } from "../weights/slab_cache";
import { GROUP_ROWS, Weight, WeightState } from "../weights/weight";
import { add, axpy, copy, scale } from "../kernels/float/vector";
import { routeRow } from "../kernels/float/route";
import { quantizeAs } from "../kernels/quant/activations/precision";
import { matmulRows } from "../kernels/quant/matmul";

/** out, out2 ← the experts that each token goes to, and their weights. */
export function route(c: Context, s: Step): i32 {
  const experts = c.program.value(s.in0).width;
  const bias: usize = s.bias == NOTHING ? 0 : c.weight(s.bias).data;
  for (let i: u32 = 0; i < c.active; i++) {
    routeRow(
      rowAt(c.at(s.in0), i, c.stride(s.in0)), experts, s.n0, s.n1, bias, s.n2 & 0xffff, s.n2 >> 16,
      s.has(Flag.NORMALISED), s.f, c.scratch, rowAt(c.at(s.out), i, c.stride(s.out)),
      rowAt(c.at(s.out2), i, c.stride(s.out2)),
    );
    if (s.weight2 != NOTHING) scaleChosen(c, s, i);
  }
  return Status.DONE;
}

/** The weight of each expert that token i goes to, times the expert's own number. */
function scaleChosen(c: Context, s: Step, i: u32): void {
  const chosen = rowAt(c.at(s.out), i, c.stride(s.out));
  const weights = rowAt(c.at(s.out2), i, c.stride(s.out2));
  const own = c.weight(s.weight2).data;
  for (let j: u32 = 0; j < s.n0; j++) {
    const at = weights + ((<usize>j) << 2);
    store<f32>(at, load<f32>(at) * load<f32>(own + ((<usize>u32At(chosen, j)) << 2)));
  }
}

/** Bytes that the choice needs, a thread. */
export function routeScratch(p: Program, s: Step): u64 {
  return <u64>p.value(s.in0).width * 8;
}

/** Bytes that `multiplyExperts` needs for itself. */
export function expertScratch(p: Program, layer: u32, s: Step, batch: u32): u64 {
  const weight = p.weight(layer, s.weight);
  const chosen = <u64>batch * s.n0;
  return 2 * lines(chosen * operandBytes(weight)) + lines(chosen * weight.slabRows * 4) + lines(chosen * 4 + 4);
}

/** out ← the products of a row with the matrices of its experts, one behind the other. */
export function multiplyExperts(c: Context, s: Step): i32 {
  const weight = c.weight(s.weight);
  if (!c.operandReady) makeOperands(c, s, weight);
  c.operandReady = 1;
  const isStreamed = weight.state == WeightState.STREAMED;
  const isAnswered = isStreamed && c.requests.tileRows != 0;
  if (isAnswered) {
    const status = keepSlabs(c.program.weights, c.requests);
    if (status != Status.DONE) return status;
  }
  if (c.active == 1) return multiplyAlone(c, s, weight, isAnswered);
  // `cursor` counts rows of all experts: those of expert e from e · slabRows on.
  while (c.cursor < weight.rows) {
    const expert = c.cursor / weight.slabRows;
    const end = (expert + 1) * weight.slabRows;
    const tokens = gather(c, s, weight, expert);
    const cost = <u64>weight.columns * tokens;
    if (isStreamed && tokens != 0) {
      countWanted(c, expert + 1, 1);
      if (!hitSlab(c.program.weights, weight, expert)) return askSlabs(c, s, weight, expert, expert + 1);
    }
    while (tokens != 0 && c.cursor < end) {
      const rows = unitsWithinWork(c, end, cost, GROUP_ROWS);
      if (!shared(c, s, multiplyRows.index, rows, rowGrain(c, rows, cost))) return Status.MORE;
      c.cursor += rows;
      if (c.cursor < end && c.work <= 0) return Status.MORE;
    }
    scatter(c, s, weight, expert);
    c.cursor = end;
    if (c.cursor < weight.rows && c.work <= 0) return Status.MORE;
  }
  return Status.DONE;
}

/**
 * The experts of one token: units of rows, those of an expert behind those of the one chosen before it. Once what was
 * asked for `isAnswered`, those that are there are multiplied, whatever others have thrown out meanwhile.
 */
function multiplyAlone(c: Context, s: Step, weight: Weight, isAnswered: bool): i32 {
  const perSlab = unitsOfSlab(weight);
  const total = s.n0 * perSlab;
  const isStreamed = weight.state == WeightState.STREAMED;
  if (isStreamed) countWanted(c, 1, s.n0);
  const cost = <u64>weight.columns * UNIT_ROWS;
  while (c.cursor < total) {
    let ready = total;
    if (isStreamed) {
      const first = c.cursor / perSlab;
      ready = hitExperts(c, s, weight, first) * perSlab;
      const goesOn = ready == total || (isAnswered && c.cursor < ready);
      if (!goesOn) return askSlabs(c, s, weight, u32At(c.at(s.in1), first), 0);
    }
    const units = unitsWithinWork(c, ready, cost, 1);
    if (!shared(c, s, multiplyUnits.index, units, grainOf(c.threads, units, cost))) return Status.MORE;
    c.cursor += units;
    if (c.cursor < total && c.work <= 0) return Status.MORE;
  }
  for (let j: u32 = 0; j < s.n0; j++) {
    scaleAndBias(c, s, weight, u32At(c.at(s.in1), j), rowOf(c.at(s.out), j, weight.slabRows));
  }
  return Status.DONE;
}

/** What an expert gave for a token, times the expert's number, and its bias. */
function scaleAndBias(c: Context, s: Step, weight: Weight, expert: u32, product: usize): void {
  const rows = weight.slabRows;
  if (HAS_NVFP4 && s.weight2 != NOTHING) {
    scale(product, load<f32>(c.weight(s.weight2).data + ((<usize>expert) << 2)), rows);
  }
  if (s.bias != NOTHING) add(product, rowOf(c.weight(s.bias).data, expert, rows), rows);
}

@inline
function unitsOfSlab(weight: Weight): u32 {
  return (weight.slabRows + (UNIT_ROWS - 1)) / UNIT_ROWS;
}

/** Units from the cursor on, of one token. */
function multiplyUnits(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const weight = c.weight(s.weight);
  const rows = weight.slabRows;
  const units = unitsOfSlab(weight);
  const bytes = <usize>operandBytes(weight);
  for (let unit = c.cursor + begin, last = c.cursor + end; unit < last; ) {
    const j = unit / units;
    const stop = min(last, (j + 1) * units);
    const first = (unit - j * units) * UNIT_ROWS;
    matmulRows(
      weight.kernelKey, matrixOf(weight, u32At(c.at(s.in1), j)), rows, weight.columns, first,
      min((stop - j * units) * UNIT_ROWS, rows), c.stepScratch + (s.has(Flag.PARTS) ? <usize>j * bytes : 0), bytes, 1,
      rowOf(c.at(s.out), j, rows) + ((<usize>first) << 2), (<usize>rows) << 2, c.ofThread(c.scratch, thread),
    );
    unit = stop;
  }
}

/** Rows, or parts of rows, that the input has for each token. */
@inline
function partsOf(s: Step): u32 {
  return s.has(Flag.PARTS) ? s.n0 : 1;
}

function makeOperands(c: Context, s: Step, weight: Weight): void {
  const parts = partsOf(s);
  const bytes = <usize>operandBytes(weight);
  let target = c.stepScratch;
  for (let i: u32 = 0; i < c.active; i++) {
    let x = rowAt(c.at(s.in0), i, c.stride(s.in0));
    for (let part: u32 = 0; part < parts; part++, x += (<usize>weight.columns) << 2, target += bytes) {
      if (weight.isFloat) copy(target, x, weight.columns);
      else quantizeAs(weight.precision, x, weight.columns, target);
    }
  }
}

@inline
function gatheredOf(c: Context, s: Step, weight: Weight): usize {
  return c.stepScratch + <usize>lines(<u64>c.batchCapacity * s.n0 * operandBytes(weight));
}

@inline
function productOf(c: Context, s: Step, weight: Weight): usize {
  return gatheredOf(c, s, weight) + <usize>lines(<u64>c.batchCapacity * s.n0 * operandBytes(weight));
}

/** How many tokens go to the expert at work, then u32[tokens]: i · used + j, the token i and which expert of it. */
@inline
function placesOf(c: Context, s: Step, weight: Weight): usize {
  return productOf(c, s, weight) + <usize>lines(<u64>c.batchCapacity * s.n0 * weight.slabRows * 4);
}

/** Gathers the operands of the tokens that go to an expert; returns how many there are. */
function gather(c: Context, s: Step, weight: Weight, expert: u32): u32 {
  const places = placesOf(c, s, weight);
  const gathered = gatheredOf(c, s, weight);
  const parts = partsOf(s);
  const bytes = <usize>operandBytes(weight);
  let count: u32 = 0;
  for (let i: u32 = 0; i < c.active; i++) {
    const chosen = rowAt(c.at(s.in1), i, c.stride(s.in1));
    for (let j: u32 = 0; j < s.n0; j++) {
      if (u32At(chosen, j) != expert) continue;
      const source = c.stepScratch + <usize>(parts == 1 ? i : i * parts + j) * bytes;
      memory.copy(gathered + <usize>count * bytes, source, bytes);
      setU32(places, ++count, i * s.n0 + j);
    }
  }
  setU32(places, 0, count);
  return count;
}

/** Rows of the matrix of the expert at work, from the cursor on: the tokens that were gathered for it. */
function multiplyRows(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const weight = c.weight(s.weight);
  const rows = weight.slabRows;
  const expert = c.cursor / rows;
  const first = c.cursor - expert * rows + begin;
  matmulRows(
    weight.kernelKey, matrixOf(weight, expert), rows, weight.columns, first, first + (end - begin),
    gatheredOf(c, s, weight), <usize>operandBytes(weight), u32At(placesOf(c, s, weight), 0),
    productOf(c, s, weight) + ((<usize>first) << 2), (<usize>rows) << 2, c.ofThread(c.scratch, thread),
  );
}

/** What an expert gave, scaled and with its bias, goes to the tokens that it came from. */
function scatter(c: Context, s: Step, weight: Weight, expert: u32): void {
  const places = placesOf(c, s, weight);
  const product = productOf(c, s, weight);
  const rows = weight.slabRows;
  for (let t: u32 = 0, count = u32At(places, 0); t < count; t++) {
    const place = u32At(places, t + 1);
    const i = place / s.n0;
    const out = rowOf(rowAt(c.at(s.out), i, c.stride(s.out)), place - i * s.n0, rows);
    copy(out, rowOf(product, t, rows), rows);
    scaleAndBias(c, s, weight, expert, out);
  }
}

/** out ← Σ in0's parts, each times its weight, in the order of the choice. */
export function mixExperts(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  for (let i: u32 = 0; i < c.active; i++) {
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    const parts = rowAt(c.at(s.in0), i, c.stride(s.in0));
    const weights = rowAt(c.at(s.in1), i, c.stride(s.in1));
    copy(out, parts, width);
    scale(out, load<f32>(weights), width);
    for (let j: u32 = 1; j < s.n0; j++) {
      axpy(out, load<f32>(weights + ((<usize>j) << 2)), rowOf(parts, j, width), width);
    }
  }
  return Status.DONE;
}
