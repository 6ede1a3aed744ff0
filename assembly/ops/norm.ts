/**
 * Norms: RMSNorm of rows or of the heads in them, LayerNorm. Threads share what is not written in place.
 */
import { shared } from "./share";
import { Status } from "../memory/core";
import { Context, rowAt } from "../pass/context";
import { grainOf } from "../pass/threads";
import { Flag, NOTHING, Step } from "../program/program";
import { layerNorm, rmsNorm, rmsNormOutside } from "../kernels/float/norm";

/** out ← RMSNorm(in0) · weight */
export function normalize(c: Context, s: Step): i32 {
  return shareRows(c, s, rmsRows.index);
}

/** out ← LayerNorm(in0) · weight + bias */
export function normalizeLayer(c: Context, s: Step): i32 {
  return shareRows(c, s, layerRows.index);
}

function shareRows(c: Context, s: Step, job: u32): i32 {
  // A value takes about as long as four multiply-adds.
  const cost = (<u64>c.program.value(s.out).width) << 2;
  const grain = s.has(Flag.IN_PLACE) ? c.active : grainOf(c.threads, c.active, cost);
  return shared(c, s, job, c.active, grain) ? Status.DONE : Status.MORE;
}

function rmsRows(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  const weight: usize = s.weight == NOTHING ? 0 : c.weight(s.weight).data;
  const width = c.program.value(s.out).width / s.n0;
  const bytes = (<usize>width) << 2;
  // Vectors side by side share a weight (heads), or have their own (groups).
  const step: usize = weight != 0 && c.weight(s.weight).rows > 1 ? bytes : 0;
  for (let i = begin; i < end; i++) {
    let x = rowAt(c.at(s.in0), i, c.stride(s.in0));
    let y = rowAt(c.at(s.out), i, c.stride(s.out));
    let w = weight;
    for (let part: u32 = 0; part < s.n0; part++, x += bytes, y += bytes, w += step) {
      if (s.has(Flag.EPSILON_OUTSIDE)) rmsNormOutside(x, w, width, s.f, y);
      else rmsNorm(x, w, width, s.f, y);
    }
  }
}

function layerRows(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  const bias: usize = s.bias == NOTHING ? 0 : c.weight(s.bias).data;
  const width = c.program.value(s.out).width / s.n0;
  const bytes = (<usize>width) << 2;
  for (let i = begin; i < end; i++) {
    // Vectors side by side (heads) have weights of their own.
    let weight: usize = s.weight == NOTHING ? 0 : c.weight(s.weight).data;
    let shift = bias;
    let x = rowAt(c.at(s.in0), i, c.stride(s.in0));
    let y = rowAt(c.at(s.out), i, c.stride(s.out));
    for (let part: u32 = 0; part < s.n0; part++, x += bytes, y += bytes) {
      layerNorm(x, weight, shift, width, s.f, y);
      if (weight != 0) weight += bytes;
      if (bias != 0) shift += bytes;
    }
  }
}
