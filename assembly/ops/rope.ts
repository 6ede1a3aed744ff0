/**
 * RoPE: the angles of each token's position, and heads turned by them.
 */
import { Status } from "../memory/core";
import { Context, ropeFactors, rowAt } from "../pass/context";
import { Flag, Step } from "../program/program";
import { anglesOf } from "../state/rope";
import { rotateHalves, rotateInterleaved } from "../kernels/float/rope";

/** out [active, 2 · pairs] ← cosines and sines. */
export function prepareAngles(c: Context, s: Step): i32 {
  const rope = c.program.rope(s.n1);
  const factors = ropeFactors(c, rope);
  for (let i: u32 = 0; i < c.active; i++) {
    anglesOf(rope, c.position(c.token(i)), factors, rowAt(c.at(s.out), i, c.stride(s.out)));
  }
  return Status.DONE;
}

/** out ← in0, of each of n0 heads 2 · n2 dimensions from n1 on turned by the angles in1. */
export function rotate(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  const head = (<usize>(width / s.n0)) << 2;
  for (let i: u32 = 0; i < c.active; i++) {
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    if (!s.has(Flag.IN_PLACE)) memory.copy(out, rowAt(c.at(s.in0), i, c.stride(s.in0)), (<usize>width) << 2);
    const angles = rowAt(c.at(s.in1), i, c.stride(s.in1));
    let x = out + ((<usize>s.n1) << 2);
    for (let h: u32 = 0; h < s.n0; h++, x += head) {
      if (s.has(Flag.NEIGHBOURS)) rotateInterleaved(x, angles, s.n2);
      else rotateHalves(x, angles, s.n2);
    }
  }
  return Status.DONE;
}
