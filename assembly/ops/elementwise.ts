/**
 * Element by element: sums, and what stands between the matrices of a feed-forward network.
 */
import { countToken, findThreshold, heldRow, isCounting, isSparse, spreadNeurons } from "./core_neurons";
import { shared } from "./share";
import { Status } from "../memory/core";
import { Context, rowAt } from "../pass/context";
import { grainOf } from "../pass/threads";
import {
  HAS_CLAMP, HAS_CLAMPED_SILU, HAS_CORE_NEURONS, HAS_GELU, HAS_GELU_ERF, HAS_PRODUCT, HAS_RELU, HAS_SIGMOID, HAS_SILU,
  HAS_TANH, HAS_XIELU,
} from "../parts";
import { operandBytes } from "../program/plan";
import { COUNTED_AT_ONCE } from "../program/core_neurons";
import { Activation, Flag, NOTHING, Step } from "../program/program";
import {
  clamp, clampedSiluMultiply, gelu, geluErf, relu, reluSquared, sigmoid, sigmoidMultiply, sigmoidOf, silu, siluMultiply,
  softcap, sparsify, xielu,
} from "../kernels/float/ffn";
import { log } from "../kernels/float/math";
import { add, copy, multiply, scale } from "../kernels/float/vector";
import { quantizeAs } from "../kernels/quant/activations/precision";

/** A value of an activation takes about as long as so many multiply-adds, and so does its rounding. */
const ACTIVATION_COST: u64 = 16;

/** out ← in0 + in1 */
export function sum(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  for (let i: u32 = 0; i < c.active; i++) {
    add(rowToChange(c, s, i, width), rowAt(c.at(s.in1), i, c.stride(s.in1)), width);
  }
  return Status.DONE;
}

/** out ← a(in0), or a(in0) ⊙ in1, as f32 or as the operand of the linear behind it. */
export function activate(c: Context, s: Step): i32 {
  const width = c.program.value(s.in0).width;
  if (HAS_CORE_NEURONS && isCounting(c, s)) return activateAndCount(c, s, width);
  const grain = grainOf(c.threads, c.active, <u64>width * ACTIVATION_COST);
  return shared(c, s, activateRows.index, c.active, grain) ? Status.DONE : Status.MORE;
}

/** The same, some tokens at a time, whose activations are counted when the threads are through with them. */
function activateAndCount(c: Context, s: Step, width: u32): i32 {
  while (c.cursor < c.active) {
    const tokens = min(COUNTED_AT_ONCE, c.active - c.cursor);
    const grain = grainOf(c.threads, tokens, <u64>width * ACTIVATION_COST);
    if (!shared(c, s, activateHeldRows.index, tokens, grain)) return Status.MORE;
    for (let end = c.cursor + tokens; c.cursor < end; c.cursor++) countToken(c, c.cursor, heldRow(c, c.cursor));
  }
  return Status.DONE;
}

function activateHeldRows(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  const width = c.program.value(s.out).width;
  for (let i = c.cursor + begin; i < c.cursor + end; i++) {
    const row = heldRow(c, i);
    activateRow(c, s, i, width, row);
    findThreshold(c, i, row);
    if (s.has(Flag.OPERAND)) putOperand(c, s, i, row, width);
    else copy(rowAt(c.at(s.out), i, c.stride(s.out)), row, width);
  }
}

/** What an activation has made of token i is the operand of the linear behind it. */
function putOperand(c: Context, s: Step, i: u32, row: usize, width: u32): void {
  const weight = c.weight(s.weight);
  const target = c.at(s.out) + <usize>i * <usize>operandBytes(weight);
  if (weight.isFloat) copy(target, row, width);
  else quantizeAs(weight.precision, row, width, target);
}

function activateRows(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const width = c.program.value(s.out).width;
  for (let i = begin; i < end; i++) {
    if (!s.has(Flag.OPERAND)) {
      activateRow(c, s, i, width, rowAt(c.at(s.out), i, c.stride(s.out)));
      continue;
    }
    const weight = c.weight(s.weight);
    const target = c.at(s.out) + <usize>i * <usize>operandBytes(weight);
    if (weight.isFloat) {
      activateRow(c, s, i, width, target);
      continue;
    }
    const row = c.ofThread(c.scratch, thread);
    activateRow(c, s, i, width, row);
    quantizeAs(weight.precision, row, width, target);
  }
}

function activateRow(c: Context, s: Step, i: u32, width: u32, target: usize): void {
  let x = rowAt(c.at(s.in0), i, c.stride(s.in0));
  if (s.n1 == 0) {
    const up: usize = s.in1 == NOTHING ? 0 : rowAt(c.at(s.in1), i, c.stride(s.in1));
    const sparse = HAS_CORE_NEURONS && isSparse(c, s);
    apply(s, x, up, sparse ? c.neurons.layer(c.layer).kept : width, target);
    if (sparse) spreadNeurons(c, target);
    return;
  }
  const half = width / s.n1;
  const bytes = (<usize>half) << 2;
  for (let part: u32 = 0; part < s.n1; part++, x += 2 * bytes, target += bytes) {
    apply(s, x, x + bytes, half, target);
  }
}

/** target = f(x), or f(x) ⊙ up unless `up` is 0. */
function apply(s: Step, x: usize, up: usize, width: u32, target: usize): void {
  switch (s.n0) {
    case Activation.SILU: {
      if (!HAS_SILU) return;
      if (up == 0) silu(x, width, target);
      else siluMultiply(x, up, width, target);
      return;
    }
    case Activation.CLAMPED_SILU: {
      if (HAS_CLAMPED_SILU) clampedSiluMultiply(x, up, width, target);
      return;
    }
    case Activation.XIELU: {
      if (HAS_XIELU) xielu(x, width, s.f, s.g, s.h, s.k, target);
      break;
    }
    case Activation.GELU_ERF: {
      if (HAS_GELU_ERF) geluErf(x, width, target);
      break;
    }
    case Activation.RELU: {
      if (HAS_RELU) relu(x, width, target);
      break;
    }
    case Activation.IDENTITY: {
      if (HAS_PRODUCT) copy(target, x, width);
      break;
    }
    case Activation.SIGMOID: {
      if (HAS_SIGMOID) sigmoidOf(x, width, target);
      break;
    }
    case Activation.CLAMP: {
      if (HAS_CLAMP) clamp(x, s.f, width, target);
      break;
    }
    case Activation.TANH: {
      if (!HAS_TANH) break;
      copy(target, x, width);
      softcap(target, 1, width);
      break;
    }
    default: {
      if (HAS_GELU) gelu(x, width, target);
    }
  }
  if (up != 0) multiply(target, up, width);
}

/** out ← in0 · f, and times `weight`: its one number, or value by value; or by the token's position. */
export function scaleRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  const factors: usize = s.weight == NOTHING ? 0 : c.weight(s.weight).data;
  const isVector = factors != 0 && c.weight(s.weight).columns != 1;
  let factor: f32 = factors == 0 || isVector ? s.f : s.f * load<f32>(factors);
  for (let i: u32 = 0; i < c.active; i++) {
    if (s.has(Flag.BY_POSITION)) {
      const span = (<u32>c.position(c.token(i)) + s.n1) / s.n0;
      factor = <f32>(1.0 + <f64>s.f * log(<f64>span + 1.0));
    }
    const row = rowToChange(c, s, i, width);
    if (isVector) multiply(row, factors, width);
    else scale(row, factor, width);
  }
  return Status.DONE;
}

/** out ← max(in0 − (mean + f · deviation), 0) */
export function sparsifyRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  for (let i: u32 = 0; i < c.active; i++) sparsify(rowToChange(c, s, i, width), width, s.f);
  return Status.DONE;
}

/** out ← f · tanh(in0 / f) */
export function capRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  for (let i: u32 = 0; i < c.active; i++) softcap(rowToChange(c, s, i, width), s.f, width);
  return Status.DONE;
}

/** out ← in0 ⊙ sigmoid(in1), a gate for each value or for each of n0 parts. */
export function gateRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  const part = width / s.n0;
  for (let i: u32 = 0; i < c.active; i++) {
    let x = rowToChange(c, s, i, width);
    const gates = rowAt(c.at(s.in1), i, c.stride(s.in1));
    if (part == 1) sigmoidMultiply(x, gates, width);
    else {
      for (let p: u32 = 0; p < s.n0; p++, x += (<usize>part) << 2) {
        scale(x, sigmoid(load<f32>(gates + ((<usize>p) << 2))), part);
      }
    }
  }
  return Status.DONE;
}

/** out ← the columns of in0 that are the layer's. */
export function sliceRows(c: Context, s: Step): i32 {
  const bytes = (<usize>c.program.value(s.out).width) << 2;
  for (let i: u32 = 0; i < c.active; i++) {
    const source = rowAt(c.at(s.in0), i, c.stride(s.in0)) + <usize>c.layer * bytes;
    memory.copy(rowAt(c.at(s.out), i, c.stride(s.out)), source, bytes);
  }
  return Status.DONE;
}

/** out ← the first half, or the second, of each part of in0. */
export function halveRows(c: Context, s: Step): i32 {
  const bytes = (<usize>(c.program.value(s.out).width / s.n0)) << 2;
  for (let i: u32 = 0; i < c.active; i++) {
    let source = rowAt(c.at(s.in0), i, c.stride(s.in0)) + <usize>s.n1 * bytes;
    let target = rowAt(c.at(s.out), i, c.stride(s.out));
    for (let part: u32 = 0; part < s.n0; part++, source += 2 * bytes, target += bytes) {
      memory.copy(target, source, bytes);
    }
  }
  return Status.DONE;
}

/** Row i of `out`, which holds that of in0: to be changed where it lies. */
export function rowToChange(c: Context, s: Step, i: u32, width: u32): usize {
  const out = rowAt(c.at(s.out), i, c.stride(s.out));
  if (!s.has(Flag.IN_PLACE)) memory.copy(out, rowAt(c.at(s.in0), i, c.stride(s.in0)), (<usize>width) << 2);
  return out;
}

/** out ← relu(in0)²; counts the exact zeros, which the linear behind it leaves out. */
export function squareRelu(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  const at = (<usize>c.layer) << 3;
  const counts = HAS_CORE_NEURONS && isCounting(c, s);
  for (let i: u32 = 0; i < c.active; i++) {
    const out = rowToChange(c, s, i, width);
    if (HAS_CORE_NEURONS && isSparse(c, s)) {
      const kept = c.neurons.layer(c.layer).kept;
      store<u64>(c.zeros + at, load<u64>(c.zeros + at) + reluSquared(out, kept) + (width - kept));
      spreadNeurons(c, out);
      continue;
    }
    store<u64>(c.zeros + at, load<u64>(c.zeros + at) + reluSquared(out, width));
    if (HAS_CORE_NEURONS && counts) {
      findThreshold(c, i, out);
      countToken(c, i, out);
    }
  }
  store<u64>(c.activations + at, load<u64>(c.activations + at) + <u64>c.active * width);
  return Status.DONE;
}
