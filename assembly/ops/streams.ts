/**
 * Streams of a model that lie side by side in a row (AltUp).
 */
import { rowToChange } from "./elementwise";
import { Status } from "../memory/core";
import { Context, rowAt, rowOf } from "../pass/context";
import { NOTHING, Step } from "../program/program";
import { STREAMS, level, mixStreams } from "../kernels/float/streams";
import { copy, scale } from "../kernels/float/vector";

/** out ← in0, each of whose parts has the sum of all added, by the numbers of in1. */
export function mixRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  for (let i: u32 = 0; i < c.active; i++) {
    mixStreams(rowToChange(c, s, i, width), rowAt(c.at(s.in1), i, c.stride(s.in1)), width / STREAMS);
  }
  return Status.DONE;
}

/** out ← n0 times in0: 0 in the first n1, and each times 1 + its number in in1 where there is one. */
export function spreadRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.in0).width;
  for (let i: u32 = 0; i < c.active; i++) {
    const x = rowAt(c.at(s.in0), i, c.stride(s.in0));
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    memory.fill(out, 0, (<usize>s.n1 * width) << 2);
    for (let part = s.n1; part < s.n0; part++) {
      copy(rowOf(out, part, width), x, width);
      if (s.in1 == NOTHING) continue;
      const factor = load<f32>(rowAt(c.at(s.in1), i, c.stride(s.in1)) + ((<usize>part) << 2));
      scale(rowOf(out, part, width), <f32>1.0 + factor, width);
    }
  }
  return Status.DONE;
}

/** out ← in0, made as long as in1 is. */
export function levelRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.out).width;
  for (let i: u32 = 0; i < c.active; i++) {
    const model = rowAt(c.at(s.in1), i, c.stride(s.in1));
    level(rowAt(c.at(s.in0), i, c.stride(s.in0)), model, width, s.f, rowAt(c.at(s.out), i, c.stride(s.out)));
  }
  return Status.DONE;
}

/** out ← in0, and in1 beside it. */
export function joinRows(c: Context, s: Step): i32 {
  const width = c.program.value(s.in0).width;
  for (let i: u32 = 0; i < c.active; i++) {
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    copy(out, rowAt(c.at(s.in0), i, c.stride(s.in0)), width);
    copy(rowOf(out, 1, width), rowAt(c.at(s.in1), i, c.stride(s.in1)), c.program.value(s.in1).width);
  }
  return Status.DONE;
}
