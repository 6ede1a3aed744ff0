/**
 * Scans: the tokens of each sequence are taken into the state of a head, or of a channel, one after the other. Heads
 * know nothing of each other: threads take heads, and a slice of work ends behind one. Tokens go in the order of the
 * batch, so the bits are those of one token a pass.
 */
import { enterState, linkOf, linkTokens } from "./recurrent";
import { shared, unitsWithinWork } from "./share";
import { Status } from "../memory/core";
import { Context, rowAt } from "../pass/context";
import { grainOf } from "../pass/threads";
import { HAS_DELTA_RULE, HAS_DUAL_SCAN, HAS_SELECTIVE_SCAN, HAS_WKV6, HAS_WKV7 } from "../parts";
import { Flag, Op, Program, Step } from "../program/program";
import { sigmoid } from "../kernels/float/ffn";
import { expf } from "../kernels/float/math";
import { l2Norm } from "../kernels/float/norm";
import { axpy, scale } from "../kernels/float/vector";
import { writeBehindBonus, writeDelta, writeState } from "../kernels/scan/matrix_state";
import { selectiveScan, softplus } from "../kernels/scan/selective";

/** Channels of a unit of the selective scan: a line of the cache. */
const CHANNELS: u32 = 16;
/** Multiply-adds that the decay of a value of state takes about as long as. */
const DECAY_COST: u64 = 8;
/** −e^−0.5: RWKV-7's decays lie above e to this power. */
const SLOWEST_DECAY: f32 = -0.6065306597126334;
/** ε under the root of RWKV-7's keys, which are divided by 1e-12 at least. */
const KEY_EPSILON: f32 = 1e-24;

/** Heads, or groups of channels. */
function unitsOf(p: Program, s: Step): u32 {
  const width = p.value(s.out).width;
  if (s.op == Op.SELECTIVE_SCAN) return (width + CHANNELS - 1) / CHANNELS;
  return s.op == Op.WKV6 || s.op == Op.WKV7 ? width / s.n0 : s.n0;
}

/** Values of state of a head, or of a group of channels. */
function unitValues(p: Program, s: Step): u32 {
  const width = p.value(s.out).width;
  switch (s.op) {
    case Op.SELECTIVE_SCAN: return s.n0 * CHANNELS;
    case Op.DUAL_SCAN: return (width / s.n0) * sizeOf(p, s);
    case Op.DELTA_RULE: return (width / s.n0) * (width / s.n0);
    default: return s.n0 * s.n0;
  }
}

/** Keys of a head of the dual scan: in0 has so many of B, and of C, for each group, behind x. */
@inline
function sizeOf(p: Program, s: Step): u32 {
  return (p.value(s.in0).width - p.value(s.out).width) / (2 * s.n2);
}

/** Bytes of a thread: at most six vectors of a head. */
export function scanScratch(p: Program, s: Step): u64 {
  if (s.op == Op.SELECTIVE_SCAN) return 0;
  const keys = s.op == Op.DUAL_SCAN ? max(sizeOf(p, s), p.value(s.out).width / s.n0) : 0;
  return <u64>max(keys, s.op == Op.DELTA_RULE ? p.value(s.out).width / s.n0 : s.n0) * 6 * 4;
}

/** Runs the scan of a step: what it computes stands beside its op (program/program.ts). */
export function scan(c: Context, s: Step): i32 {
  const total = unitsOf(c.program, s);
  const cost = <u64>c.active * unitValues(c.program, s) * (s.op == Op.SELECTIVE_SCAN ? DECAY_COST : 3);
  linkTokens(c, s);
  const units = unitsWithinWork(c, total, cost, 1);
  if (!shared(c, s, jobOf(s.op), units, grainOf(c.threads, units, cost))) return Status.MORE;
  c.cursor += units;
  return c.cursor < total ? Status.MORE : Status.DONE;
}

function jobOf(op: u32): u32 {
  switch (op) {
    case Op.SELECTIVE_SCAN: return HAS_SELECTIVE_SCAN ? scanChannels.index : 0;
    case Op.DUAL_SCAN: return HAS_DUAL_SCAN ? scanDual.index : 0;
    case Op.DELTA_RULE: return HAS_DELTA_RULE ? scanDelta.index : 0;
    case Op.WKV6: return HAS_WKV6 ? scanWkv6.index : 0;
    default: return HAS_WKV7 ? scanWkv7.index : 0;
  }
}

@inline
function at(base: usize, index: u32): usize {
  return base + ((<usize>index) << 2);
}

function scanChannels(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  const n = s.n0;
  const width = c.program.value(s.out).width;
  const bytes = (<usize>n) << 2;
  const a = c.weight(s.weight).data;
  const d = c.weight(s.weight2).data;
  for (let unit = c.cursor + begin; unit < c.cursor + end; unit++) {
    const first = unit * CHANNELS;
    const last = min(first + CHANNELS, width);
    for (let i: u32 = 0; i < c.active; i++) {
      const x = rowAt(c.at(s.in0), i, c.stride(s.in0));
      const steps = rowAt(c.at(s.in1), i, c.stride(s.in1));
      const out = rowAt(c.at(s.out), i, c.stride(s.out));
      const b = at(steps, width);
      const state = enterState(linkOf(c, i), <usize>first * bytes, <usize>(last - first) * bytes);
      for (let channel = first; channel < last; channel++) {
        const own = <usize>(channel - first) * bytes;
        const input = load<f32>(at(x, channel));
        const y = selectiveScan(
          state + own, a + <usize>channel * bytes, b, b + bytes, n, softplus(load<f32>(at(steps, channel))), input,
        );
        store<f32>(at(out, channel), y + load<f32>(at(d, channel)) * input);
      }
    }
  }
}

function scanDual(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const heads = s.n0;
  const inner = c.program.value(s.out).width;
  const size = sizeOf(c.program, s);
  const values = inner / heads;
  const bytes = (<usize>(size * values)) << 2;
  const w = c.ofThread(c.scratch, thread);
  const v = at(w, size);
  for (let head = c.cursor + begin; head < c.cursor + end; head++) {
    const slope = load<f32>(at(c.weight(s.weight).data, head));
    const through = load<f32>(at(c.weight(s.weight2).data, head));
    const bias = load<f32>(at(c.weight(s.bias).data, head));
    const group = head / (heads / s.n2);
    for (let i: u32 = 0; i < c.active; i++) {
      const row = rowAt(c.at(s.in0), i, c.stride(s.in0));
      const x = at(row, head * values);
      const b = at(row, inner + group * size);
      const out = at(rowAt(c.at(s.out), i, c.stride(s.out)), head * values);
      const delta = softplus(load<f32>(at(rowAt(c.at(s.in1), i, c.stride(s.in1)), head)) + bias);
      const state = enterState(linkOf(c, i), <usize>head * bytes, bytes);
      fill(w, expf(delta * slope), size);
      memory.copy(v, x, (<usize>values) << 2);
      scale(v, delta, values);
      writeState(state, size, values, w, b, v, at(b, s.n2 * size), out);
      axpy(out, through, x, values);
    }
  }
}

function fill(target: usize, value: f32, n: u32): void {
  for (let i: u32 = 0; i < n; i++) store<f32>(at(target, i), value);
}

function scanDelta(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const heads = s.n0;
  const size = c.program.value(s.out).width / heads;
  const keyHeads = s.n2;
  const bytes = (<usize>(size * size)) << 2;
  const vector = (<usize>size) << 2;
  const w = c.ofThread(c.scratch, thread);
  const q = w + vector;
  const k = q + vector;
  const v = k + vector;
  const a = v + vector;
  // β and α of a head: one behind the other, or key head by key head.
  const together = s.has(Flag.GROUPED) ? heads / keyHeads : heads;
  const rest: f32 = <f32>(1.0 / sqrt<f64>(<f64>size));
  for (let head = c.cursor + begin; head < c.cursor + end; head++) {
    const slope = load<f32>(at(c.weight(s.weight).data, head));
    const bias = load<f32>(at(c.weight(s.bias).data, head));
    const keyHead = s.has(Flag.GROUPED) ? head / together : head % keyHeads;
    const gate = (head / together) * 2 * together + (head % together);
    for (let i: u32 = 0; i < c.active; i++) {
      const row = rowAt(c.at(s.in0), i, c.stride(s.in0));
      const gates = rowAt(c.at(s.in1), i, c.stride(s.in1));
      const beta = sigmoid(load<f32>(at(gates, gate)));
      const decay = expf(softplus(load<f32>(at(gates, gate + together)) + bias) * slope);
      l2Norm(at(row, keyHead * size), size, s.f, q);
      scale(q, rest, size);
      l2Norm(at(row, (keyHeads + keyHead) * size), size, s.f, k);
      memory.copy(v, at(row, (2 * keyHeads + head) * size), vector);
      scale(v, beta, size);
      memory.copy(a, k, vector);
      scale(a, -(beta * decay), size);
      fill(w, decay, size);
      const state = enterState(linkOf(c, i), <usize>head * bytes, bytes);
      writeDelta(state, size, size, w, k, v, a, k, q, at(rowAt(c.at(s.out), i, c.stride(s.out)), head * size));
    }
  }
}

function scanWkv6(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const size = s.n0;
  const width = c.program.value(s.out).width;
  const bytes = (<usize>(size * size)) << 2;
  const w = c.ofThread(c.scratch, thread);
  for (let head = c.cursor + begin; head < c.cursor + end; head++) {
    const u = at(c.weight(s.weight).data, head * size);
    for (let i: u32 = 0; i < c.active; i++) {
      const r = at(rowAt(c.at(s.in0), i, c.stride(s.in0)), head * size);
      const decay = at(r, 3 * width);
      for (let j: u32 = 0; j < size; j++) store<f32>(at(w, j), expf(-expf(load<f32>(at(decay, j)))));
      const state = enterState(linkOf(c, i), <usize>head * bytes, bytes);
      const out = at(rowAt(c.at(s.out), i, c.stride(s.out)), head * size);
      writeBehindBonus(state, size, size, w, at(r, width), at(r, 2 * width), u, r, out);
    }
  }
}

function scanWkv7(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const size = s.n0;
  const width = c.program.value(s.out).width;
  const bytes = (<usize>(size * size)) << 2;
  const vector = (<usize>size) << 2;
  const w = c.ofThread(c.scratch, thread);
  const k = w + vector;
  const a = k + vector;
  const b = a + vector;
  for (let head = c.cursor + begin; head < c.cursor + end; head++) {
    const from = head * size;
    const kk = at(c.weight(s.weight).data, from);
    const ka = at(c.weight(s.bias).data, from);
    const rk = at(c.weight(s.weight2).data, from);
    for (let i: u32 = 0; i < c.active; i++) {
      const r = at(rowAt(c.at(s.in0), i, c.stride(s.in0)), from);
      const key = at(r, width);
      const v = at(r, 2 * width);
      const decay = at(r, 3 * width);
      const rate = at(r, 4 * width);
      let bonus: f32 = 0;
      for (let j: u32 = 0; j < size; j++) store<f32>(at(a, j), load<f32>(at(key, j)) * load<f32>(at(kk, j)));
      l2Norm(a, size, KEY_EPSILON, a);
      for (let j: u32 = 0; j < size; j++) {
        const open = sigmoid(load<f32>(at(rate, j)));
        const plain = load<f32>(at(key, j));
        const part = plain * load<f32>(at(ka, j));
        const kept = plain + (open * part - part);
        const removed = load<f32>(at(a, j));
        store<f32>(at(w, j), expf(SLOWEST_DECAY * sigmoid(load<f32>(at(decay, j)))));
        store<f32>(at(k, j), kept);
        store<f32>(at(a, j), -removed);
        store<f32>(at(b, j), removed * open);
        bonus += load<f32>(at(r, j)) * kept * load<f32>(at(rk, j));
      }
      const state = enterState(linkOf(c, i), <usize>head * bytes, bytes);
      writeDelta(state, size, size, w, k, v, a, b, r, at(rowAt(c.at(s.out), i, c.stride(s.out)), from));
      const out = at(rowAt(c.at(s.out2), i, c.stride(s.out2)), from);
      memory.copy(out, v, vector);
      scale(out, bonus, size);
    }
  }
}
