/**
 * Element by element: sums, and what stands between the matrices of a feed-forward network.
 */
import { shared } from "./share";
import { Status } from "../memory/core";
import { Context, rowAt } from "../pass/context";
import { grainOf } from "../pass/threads";
import { operandBytes } from "../program/plan";
import { Flag, Step } from "../program/program";
import { reluSquared, siluMultiply } from "../kernels/float/ffn";
import { add } from "../kernels/float/vector";
import { quantizeAs } from "../kernels/quant/activations/precision";

/** A value of SwiGLU takes about as long as so many multiply-adds, and so do its rounding and that of others. */
const SILU_COST: u64 = 16;

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

/** out ← silu(in0) ⊙ in1, as f32 or as the operand of the linear behind it. */
export function swiglu(c: Context, s: Step): i32 {
  const width = c.program.value(s.in0).width;
  const grain = grainOf(c.threads, c.active, <u64>width * SILU_COST);
  return shared(c, s, swigluRows.index, c.active, grain) ? Status.DONE : Status.MORE;
}

function swigluRows(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const width = c.program.value(s.in0).width;
  for (let i = begin; i < end; i++) {
    const gate = rowAt(c.at(s.in0), i, c.stride(s.in0));
    const up = rowAt(c.at(s.in1), i, c.stride(s.in1));
    if (!s.has(Flag.OPERAND)) {
      siluMultiply(gate, up, width, rowAt(c.at(s.out), i, c.stride(s.out)));
      continue;
    }
    const weight = c.weight(s.weight);
    const target = c.at(s.out) + <usize>i * <usize>operandBytes(weight);
    if (weight.isFloat) {
      siluMultiply(gate, up, width, target);
      continue;
    }
    const product = c.ofThread(c.scratch, thread);
    siluMultiply(gate, up, width, product);
    quantizeAs(weight.precision, product, width, target);
  }
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
