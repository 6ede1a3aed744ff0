/**
 * Plan: where the values of a program lie in a context, by how long they live. Greedy by size, as tflite-micro's
 * planner does it: the largest first, each at the lowest place that is free while it lives. What a step needs for
 * itself lives as long as the step. The plan is the memory: the same walk counts and lays out.
 *
 *     steps ──►  0   1   2   3   4   5                 a value lives from its first to its last step, both included: so
 *     stream    ████████████████████████               what a step writes lies on nothing that it reads, and a job that
 *     normed        ████                               threads share may be done twice
 *     q, k, v       ▓▓▓▓████                           (▓: made while `normed` is still read)
 *     gate, up              ▒▒▒▒████                   takes the place of normed, q, k, v
 */
import { Extent, Flag, NOTHING, Op, Program, Step } from "./program";
import { operandRowBytes } from "../kernels/quant/activations/precision";
import { Weight } from "../weights/weight";

/** Places begin at such a boundary. */
const ALIGNMENT: u64 = 64;

/**
 * Plans a program for passes of `batch` tokens that give `logitRows` rows of logits, what steps need for themselves
 * being in `step.scratch`: sets `offset` of bases and steps, and returns the bytes that all take together.
 */
export function plan(p: Program, batch: u32, logitRows: u32): u64 {
  measure(p, batch, logitRows);
  let end: u64 = 0;
  let head: u32 = NOTHING;
  for (let item = largest(p); item != NOTHING; item = largest(p)) {
    const bytes = bytesOf(p, item);
    let place: u64 = 0;
    let before: u32 = NOTHING;
    for (let other = head; other != NOTHING; other = nextOf(p, other)) {
      const begin = offsetOf(p, other);
      if (meet(p, item, other)) {
        if (begin >= place + bytes) break;
        place = max(place, begin + bytesOf(p, other));
      }
    }
    for (let other = head; other != NOTHING && offsetOf(p, other) <= place; other = nextOf(p, other)) before = other;
    if (before == NOTHING) {
      setNext(p, item, head);
      head = item;
    } else {
      setNext(p, item, nextOf(p, before));
      setNext(p, before, item);
    }
    setOffset(p, item, place);
    end = max(end, place + bytes);
  }
  return end;
}

/** Bytes of every base and of every step, in whole lines; what is not placed yet has the offset `UNPLACED`. */
const UNPLACED: u64 = u64.MAX_VALUE;

function measure(p: Program, batch: u32, logitRows: u32): void {
  for (let id: u32 = 0; id < p.valueCount; id++) {
    const value = p.value(id);
    const rows: u64 = value.extent == Extent.TOKENS ? batch : value.extent == Extent.LOGITS ? logitRows : value.count;
    value.offset = UNPLACED;
    value.bytes = value.base == id && value.first != NOTHING ? lines(rows * value.width * 4) : 0;
  }
  for (let i: u32 = 0; i < p.stepCount; i++) {
    const step = p.step(i);
    step.offset = UNPLACED;
    step.scratch = lines(step.scratch);
    if (step.op != Op.LINEAR && step.has(Flag.OPERAND)) p.value(step.out).bytes = lines(batch * operandOf(p, i, step));
  }
}

/** Bytes of a row of the operand that a step makes for its linear: of the layer that wants most. */
function operandOf(p: Program, index: u32, step: Step): u64 {
  let most: u64 = 0;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const kind = p.kind(p.layer(layer).kind);
    if (index < kind.firstStep || index >= kind.firstStep + kind.steps) continue;
    most = max(most, operandBytes(p.weight(layer, step.weight)));
  }
  return most;
}

/** Bytes of a row of what the kernel of a weight multiplies with. */
export function operandBytes(weight: Weight): u64 {
  return weight.isFloat ? (<u64>weight.columns) << 2 : <u64>operandRowBytes(weight.precision, weight.columns);
}

/** Bytes in whole lines of 64. */
@inline
export function lines(bytes: u64): u64 {
  return (bytes + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1);
}

// An item is a value, or behind the values a step with what it needs for itself.

/** The largest item that has no place yet; NOTHING: all have. */
function largest(p: Program): u32 {
  let found: u32 = NOTHING;
  let most: u64 = 0;
  for (let item: u32 = 0, n = p.valueCount + p.stepCount; item < n; item++) {
    if (offsetOf(p, item) != UNPLACED || bytesOf(p, item) <= most) continue;
    found = item;
    most = bytesOf(p, item);
  }
  return found;
}

function bytesOf(p: Program, item: u32): u64 {
  return item < p.valueCount ? p.value(item).bytes : p.step(item - p.valueCount).scratch;
}

function offsetOf(p: Program, item: u32): u64 {
  return item < p.valueCount ? p.value(item).offset : p.step(item - p.valueCount).offset;
}

function setOffset(p: Program, item: u32, offset: u64): void {
  if (item < p.valueCount) p.value(item).offset = offset;
  else p.step(item - p.valueCount).offset = offset;
}

function nextOf(p: Program, item: u32): u32 {
  return item < p.valueCount ? p.value(item).next : p.step(item - p.valueCount).next;
}

function setNext(p: Program, item: u32, next: u32): void {
  if (item < p.valueCount) p.value(item).next = next;
  else p.step(item - p.valueCount).next = next;
}

/** Whether two items live at one time. */
function meet(p: Program, x: u32, y: u32): bool {
  return firstOf(p, x) <= lastOf(p, y) && firstOf(p, y) <= lastOf(p, x);
}

function firstOf(p: Program, item: u32): u32 {
  return item < p.valueCount ? p.value(item).first : item - p.valueCount;
}

function lastOf(p: Program, item: u32): u32 {
  return item < p.valueCount ? p.value(item).last : item - p.valueCount;
}
