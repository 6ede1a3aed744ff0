/**
 * Element by element: sums, and what stands between the matrices of a feed-forward network.
 */
import { shared } from "./share";
import { Status } from "../memory/core";
import { Context, rowAt } from "../pass/context";
import { grainOf } from "../pass/threads";
import { HAS_GELU, HAS_SWIGLU } from "../parts";
import { operandBytes } from "../program/plan";
import { Flag, Op, Step } from "../program/program";
import { gelu, reluSquared, siluMultiply } from "../kernels/float/ffn";
import { add } from "../kernels/float/vector";
import { quantizeAs } from "../kernels/quant/activations/precision";

/** A value of SwiGLU or GELU takes about as long as so many multiply-adds, and so does its rounding. */
const ACTIVATION_COST: u64 = 16;

/** out ← in0 + in1 */
export function sum(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  for (let i: u32 = 0; i < c.active; i++) {
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    if (!s.has(Flag.IN_PLACE)) memory.copy(out, rowAt(c.at(s.in0), i, c.stride(s.in0)), (<usize>width) << 2);
    add(out, rowAt(c.at(s.in1), i, c.stride(s.in1)), width);
  }
  return Status.DONE;
}

/** out ← silu(in0) ⊙ in1, or gelu(in0), as f32 or as the operand of the linear behind it. */
export function activate(c: Context, s: Step): i32 {
  const width = c.program.value(s.in0).width;
  const grain = grainOf(c.threads, c.active, <u64>width * ACTIVATION_COST);
  return shared(c, s, activateRows.index, c.active, grain) ? Status.DONE : Status.MORE;
}

function activateRows(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const width = c.program.value(s.in0).width;
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
  const x = rowAt(c.at(s.in0), i, c.stride(s.in0));
  if (HAS_GELU && s.op == Op.GELU) gelu(x, width, target);
  else if (HAS_SWIGLU) siluMultiply(x, rowAt(c.at(s.in1), i, c.stride(s.in1)), width, target);
}

/** out ← relu(in0)²; counts the exact zeros, which the linear behind it leaves out. */
export function squareRelu(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  const at = (<usize>c.layer) << 3;
  for (let i: u32 = 0; i < c.active; i++) {
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    if (!s.has(Flag.IN_PLACE)) memory.copy(out, rowAt(c.at(s.in0), i, c.stride(s.in0)), (<usize>width) << 2);
    store<u64>(c.zeros + at, load<u64>(c.zeros + at) + reluSquared(out, width));
  }
  store<u64>(c.activations + at, load<u64>(c.activations + at) + <u64>c.active * width);
  return Status.DONE;
}
