/**
 * A tapped program: a second one beside the model's own, planned apart and written when somebody asks for it. What
 * exists only inside a fused step (the product of SwiGLU) becomes a value again, and TAP steps stand behind what was
 * asked for. The sums are the same, and so are the bits; a program that nobody taps costs nothing.
 */
import { cutOutput, findLifetimes, layOutProgram } from "./finish";
import { Element, Flag, Kind, Layer, NOTHING, Op, Program, Step, Tap, Value, isRecurrent } from "./program";
import { allocate } from "../memory/arena";
import { Core } from "../memory/core";
import { Rope } from "../state/rope";
import { StateShape } from "../state/shape";

/** The program with `taps` (a sum of 1 << Tap); null with the error set. */
export function tapProgram(core: Core, p: Program, taps: u32): Program | null {
  let extra: u32 = p.kindCount;
  for (let i: u32 = 0; i < p.stepCount; i++) extra += isActivity(p, i) ? 1 : 0;
  const bytes = <u64>(p.weights.table - changetype<usize>(p)) + <u64>extra * offsetof<Step>() + 64;
  const block = allocate(core, bytes, "the tapped program of a model");
  if (block == 0) return null;
  const t = changetype<Program>(block);
  memory.copy(block, changetype<usize>(p), offsetof<Program>());
  t.taps = taps;
  t.stepCount = p.stepCount + extra;
  layOutProgram(t);
  memory.copy(t.layers, p.layers, <usize>p.layerCount * offsetof<Layer>());
  memory.copy(t.kinds, p.kinds, <usize>p.kindCount * offsetof<Kind>());
  memory.copy(t.values, p.values, <usize>p.valueCount * offsetof<Value>());
  memory.copy(t.states, p.states, <usize>p.stateCount * offsetof<StateShape>());
  memory.copy(t.ropes, p.ropes, <usize>p.ropeCount * offsetof<Rope>());
  // What lives from before the first layer to behind the last is shared by segments.
  for (let id: u32 = 0; id < t.valueCount; id++) {
    const value = t.value(id);
    value.next = value.first <= p.inputSteps && value.last >= p.outputStep - 1 ? 1 : 0;
  }
  copySteps(p, t, taps);
  for (let name: u32 = 0; name < Tap.COUNT; name++) setRows(t, name);
  findLifetimes(t);
  return t;
}

/**
 * Whether a step makes what enters the last linear of a feed-forward network. What enters experts is none, nor what
 * lets a layer's own input in, nor what a mixer makes: that stands right behind a scan, or another one comes later.
 */
function isActivity(p: Program, index: u32): bool {
  const s = p.step(index);
  if (!makesOperands(s) || (index > 0 && isRecurrent(p.step(index - 1).op))) return false;
  if (index > 0 && p.step(index - 1).op == Op.SLICE && p.step(index - 1).out == s.in1) return false;
  for (let i = index + 1; i < p.stepCount; i++) {
    if (p.step(i).in0 == s.out) return p.step(i).op == Op.LINEAR && !isBeforeActivity(p, index);
  }
  return false;
}

/** Whether another step of the kind behind this one is an activity. */
function isBeforeActivity(p: Program, index: u32): bool {
  for (let k: u32 = 0; k < p.kindCount; k++) {
    const end = p.kind(k).firstStep + p.kind(k).steps;
    if (index < p.kind(k).firstStep || index >= end) continue;
    for (let i = index + 1; i < end; i++) if (isActivity(p, i)) return true;
  }
  return false;
}

@inline
function makesOperands(s: Step): bool {
  return s.op == Op.ACTIVATION || s.op == Op.SQUARED_RELU;
}

/** Layers of different widths write rows that are as long as the widest. */
function setRows(t: Program, name: u32): void {
  let widest: u32 = 0;
  for (let i: u32 = 0; i < t.stepCount; i++) if (isTap(t.step(i), name)) widest = max(widest, widthOf(t, i));
  for (let i: u32 = 0; i < t.stepCount; i++) if (isTap(t.step(i), name)) t.step(i).n1 = widest;
}

@inline
function isTap(s: Step, name: u32): bool {
  return s.op == Op.TAP && s.n0 == name;
}

@inline
function widthOf(t: Program, index: u32): u32 {
  return t.value(t.step(index).in0).width;
}

function copySteps(p: Program, t: Program, taps: u32): void {
  let at: u32 = 0;
  for (let i: u32 = 0; i < p.inputSteps; i++) copyStep(p, i, t, at++);
  for (let k: u32 = 0; k < p.kindCount; k++) {
    const old = p.kind(k);
    const first = at;
    for (let i = old.firstStep; i < old.firstStep + old.steps; i++) {
      if (isNarrowing(p, k, i)) t.narrowStep = at - first;
      const step = copyStep(p, i, t, at++);
      if (step.op == Op.LINEAR && (taps >> Tap.FFN) & 1) step.flags &= ~Flag.OPERAND;
      if (!makesOperands(step) || !((taps >> Tap.FFN) & 1)) continue;
      step.flags &= ~Flag.OPERAND;
      step.weight = NOTHING;
      t.value(step.out).element = Element.F32;
      if (isActivity(p, i)) writeTap(t, at++, Tap.FFN, step.out);
    }
    if ((taps >> Tap.HIDDEN) & 1) writeTap(t, at++, Tap.HIDDEN, t.stream);
    t.kind(k).firstStep = first;
    t.kind(k).steps = at - first;
  }
  t.outputStep = at;
  for (let i = p.outputStep; i < p.stepCount; i++) copyStep(p, i, t, at++);
  t.stepCount = at;
  cutOutput(t);
}

function copyStep(p: Program, from: u32, t: Program, to: u32): Step {
  memory.copy(changetype<usize>(t.step(to)), changetype<usize>(p.step(from)), offsetof<Step>());
  return t.step(to);
}

function isNarrowing(p: Program, kind: u32, step: u32): bool {
  if (p.narrowLayer == NOTHING || p.layer(p.narrowLayer).kind != kind) return false;
  return step - p.kind(kind).firstStep == p.narrowStep;
}

function writeTap(t: Program, at: u32, name: u32, value: u32): void {
  const step = t.step(at);
  step.op = Op.TAP;
  step.flags = 0;
  step.out = NOTHING;
  step.out2 = NOTHING;
  step.in0 = value;
  step.in1 = NOTHING;
  step.in2 = NOTHING;
  step.weight = NOTHING;
  step.bias = NOTHING;
  step.weight2 = NOTHING;
  step.n0 = name;
}
