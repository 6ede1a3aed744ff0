/**
 * Recurrent states: what a pass makes of them, and the ops that keep some tokens of before: convolutions and shifts.
 *
 *     scratch of the step   ┌ Link of token 0 ┐┌ Link of token 1 ┐ …     where its sequence comes from and goes to
 *
 * A step reads the state as it was before the pass and writes the new one (state/recurrent.ts), so it may be done
 * twice. All tokens of the batch are still in the pass: narrowing stands behind the last state that is written.
 */
import { shared } from "./share";
import { Status } from "../memory/core";
import { Context, rowAt } from "../pass/context";
import { grainOf } from "../pass/threads";
import { NOTHING, Step } from "../program/program";
import { List, Rows, appendRow } from "../state/rows";
import { markRow } from "../state/recurrent";
import { causalConvolution } from "../kernels/scan/convolution";

/** How a token follows another one of its sequence. */
@unmanaged
export class Link {
  /** The state of its sequence before the pass, 0: it begins with zeros; and the one that the pass writes. */
  source: usize;
  target: usize;
  /** The token of the batch before it, plus 1; 0: it is the first of its sequence. */
  before: u32;
  isLast: u32;
}

/** Bytes of the links of a batch. */
export function linkBytes(batch: u32): u64 {
  return <u64>batch * offsetof<Link>();
}

@inline
export function linkOf(c: Context, token: u32): Link {
  return changetype<Link>(c.stepScratch + <usize>token * offsetof<Link>());
}

/** Each sequence of the batch gets a row of the layer at work, at the position of its last token. */
export function advance(c: Context, _s: Step): i32 {
  const rows = recurrentRows(c);
  const layer: u32 = c.program.layer(c.layer).recurrentLayer;
  for (let sequence: u32 = 0; sequence < c.sequences; sequence++) {
    let count: u32 = 0;
    let last: u32 = 0;
    for (let i: u32 = 0; i < c.tokens; i++) {
      if (c.sequence(i) != sequence) continue;
      count += 1;
      last = i;
    }
    if (count == 0) continue;
    const index = appendRow(rows, layer, sequence, c.position(last));
    const row = rows.row(rows.list(sequence, layer).row(index));
    markRow(rows.shape, row, count > 1 && load<u8>(c.wanted + last) != 0);
  }
  return Status.DONE;
}

function recurrentRows(c: Context): Rows {
  return c.rows(<u32>c.program.layer(c.layer).recurrent - 1);
}

/** Writes the links of the batch for a step whose part of the state begins at its value n1. */
export function linkTokens(c: Context, s: Step): void {
  const rows = recurrentRows(c);
  const layer: u32 = c.program.layer(c.layer).recurrentLayer;
  const part = (<usize>s.n1) << 2;
  for (let i: u32 = 0; i < c.tokens; i++) {
    const sequence = c.sequence(i);
    const list = rows.list(sequence, layer);
    const link = linkOf(c, i);
    let before = i;
    while (before > 0 && c.sequence(before - 1) != sequence) before -= 1;
    if (before != 0) linkOf(c, before - 1).isLast = 0;
    link.before = before;
    link.isLast = 1;
    link.source = list.count > 1 ? stateAt(rows, list, list.count - 2) + part : 0;
    link.target = stateAt(rows, list, list.count - 1) + part;
  }
}

@inline
function stateAt(rows: Rows, list: List, index: u32): usize {
  return rows.row(list.row(index));
}

/**
 * Where `bytes` of state at `from` of the step's part are as a token finds them: the first of its sequence copies what
 * was there before the pass.
 */
export function enterState(link: Link, from: usize, bytes: usize): usize {
  const state = link.target + from;
  if (link.before != 0) return state;
  if (link.source == 0) memory.fill(state, 0, bytes);
  else memory.copy(state, link.source + from, bytes);
  return state;
}

/** out ← causal convolution of in0 over n0 tokens. */
export function convolve(c: Context, s: Step): i32 {
  linkTokens(c, s);
  const cost = <u64>s.n0 * c.program.value(s.out).width * 2;
  return shared(c, s, convolveTokens.index, c.active, grainOf(c.threads, c.active, cost)) ? Status.DONE : Status.MORE;
}

function convolveTokens(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const width = c.program.value(s.out).width;
  const bytes = (<usize>width) << 2;
  const taps = s.n0;
  const inputs = c.ofThread(c.scratch, thread);
  const zeros = inputs + <usize>taps * sizeof<usize>();
  memory.fill(zeros, 0, bytes);
  const bias: usize = s.bias == NOTHING ? 0 : c.weight(s.bias).data;
  for (let i = begin; i < end; i++) {
    // From the newest input back: tokens of the batch, then the tail that was kept, then nothing.
    let token = i + 1;
    let tail: u32 = taps - 1;
    let source: usize = 0;
    for (let j = taps; j-- > 0; ) {
      let input = zeros;
      if (token != 0) {
        const link = linkOf(c, token - 1);
        input = rowAt(c.at(s.in0), token - 1, c.stride(s.in0));
        source = link.source;
        token = link.before;
      } else {
        tail -= 1;
        if (source != 0) input = source + <usize>tail * bytes;
      }
      store<usize>(inputs + <usize>j * sizeof<usize>(), input);
    }
    causalConvolution(inputs, taps, c.weight(s.weight).data, bias, width, rowAt(c.at(s.out), i, c.stride(s.out)));
    const link = linkOf(c, i);
    for (let j: u32 = 1; j < taps && link.isLast != 0; j++) {
      memory.copy(link.target + <usize>(j - 1) * bytes, load<usize>(inputs + <usize>j * sizeof<usize>()), bytes);
    }
  }
}

/** Bytes of a thread for the addresses of a convolution's inputs, and for a row of zeros. */
export function convolutionScratch(taps: u32, width: u32): u64 {
  return <u64>taps * sizeof<usize>() + <u64>width * 4;
}

/** out ← in0 of the token before, less in0. */
export function shiftTokens(c: Context, s: Step): i32 {
  linkTokens(c, s);
  const width = c.program.value(s.out).width;
  const bytes = (<usize>width) << 2;
  for (let i: u32 = 0; i < c.active; i++) {
    const link = linkOf(c, i);
    const x = rowAt(c.at(s.in0), i, c.stride(s.in0));
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    const before = link.before == 0 ? link.source : rowAt(c.at(s.in0), link.before - 1, c.stride(s.in0));
    for (let at: usize = 0; at < bytes; at += 4) {
      store<f32>(out + at, (before == 0 ? 0 : load<f32>(before + at)) - load<f32>(x + at));
    }
    if (link.isLast) memory.copy(link.target, x, bytes);
  }
  return Status.DONE;
}
