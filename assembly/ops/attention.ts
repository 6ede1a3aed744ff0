/**
 * Rows of state are written, and attention over keys and values: each token over the rows that it sees.
 */
import { shared } from "./share";
import { choosesExpanded } from "./latent_form";
import { Status } from "../memory/core";
import { u32At } from "../memory/bytes";
import { Context, POSITION_LIMIT, rowAt } from "../pass/context";
import { grainOf, threadsOf } from "../pass/threads";
import { HAS_DISTANCE_BIAS, HAS_LATENT_ATTENTION, HAS_SAMPLERS } from "../parts";
import { ownRow } from "../pass/replace";
import { isAsked, massBytes } from "../pass/taps";
import { listOf, seenCount, seenPlaces, seenRows } from "../pass/visible";
import { NOTHING, Step, Tap } from "../program/program";
import { writeRow } from "../state/kinds";
import { StateKind } from "../state/shape";
import { Rows, appendRow } from "../state/rows";
import { attendHeads, attendScratchBytes } from "../kernels/attention/grouped";
import { tiled } from "../kernels/attention/grouped_tile";

/** Gives each active token a row of state: in0 and in1. */
export function keep(c: Context, s: Step): i32 {
  const rows = c.state;
  const layer = c.stateLayer;
  for (let i: u32 = 0; i < c.active; i++) {
    const row = rowOfToken(c, rows, layer, c.token(i));
    writeRow(rows.shape, c.kvType, rowAt(c.at(s.in0), i, c.stride(s.in0)), rowAt(c.at(s.in1), i, c.stride(s.in1)), row);
  }
  const isLatent = HAS_LATENT_ATTENTION && rows.shape.kind == StateKind.LATENT;
  c.expanded = isLatent && choosesExpanded(c, rows.shape, s.n1, s.n2) ? 1 : 0;
  return Status.DONE;
}

/** The address of the row that a token writes: a new one, or the one that is there. */
@inline
function rowOfToken(c: Context, rows: Rows, layer: u32, token: u32): usize {
  const sequence = c.sequence(token);
  if (HAS_SAMPLERS && c.replaces) return ownRow(rows, layer, sequence, c.position(token));
  // A source stands before all that the decoder writes.
  const position = c.isSource ? c.position(token) - POSITION_LIMIT : c.position(token);
  const row = rows.list(sequence, layer).row(appendRow(rows, layer, sequence, position));
  // Nobody has attended to a new row, whoever had its place before.
  if (HAS_SAMPLERS && c.mass) store<f32>(massOf(c) + ((<usize>rows.placeInLayer(row)) << 2), 0);
  return rows.row(row);
}

/** out ← softmax(in0 · keysᵀ · f) · values, token by token, each over the rows that it sees. */
export function attend(c: Context, s: Step): i32 {
  const shape = c.state.shape;
  const cost = <u64>s.n0 * (shape.first + shape.second);
  while (c.cursor < c.active) {
    const tokens = tokensWithinWork(c, cost);
    if (!shareTokens(c, s, attendTokens.index, tokens, shape.heads, cost)) return Status.MORE;
    c.cursor += tokens;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  return Status.DONE;
}

/** Tokens, or where they are few parts of their heads: unit u is part u mod `headParts` of token u / `headParts`. */
function attendTokens(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const rows = c.state;
  const shape = rows.shape;
  const parts = c.headParts;
  const scratch = c.ofThread(c.scratch, thread);
  const sinks: usize = s.weight == NOTHING ? 0 : c.weight(s.weight).data;
  const biasWidth: u32 = !HAS_DISTANCE_BIAS || s.in2 == NOTHING ? 0 : c.program.value(s.in2).width;
  const bias: usize = biasWidth ? c.at(s.in2) : 0;
  // Behind what the kernel itself wants.
  const places = scratch + <usize>attendScratchBytes(s.n0, c.rowCapacity, shape.first, shape.second);
  for (let unit = begin; unit < end; unit++) {
    const i = c.cursor + unit / parts;
    const part = unit % parts;
    const count = seenCount(c, i, thread);
    if (HAS_DISTANCE_BIAS && biasWidth) seenPlaces(c, i, (biasWidth + 1) >> 1, places);
    attendHeads(
      rowAt(c.at(s.in0), i, c.stride(s.in0)), seenRows(c, i, thread), count, rows.pool, rows.rowBytes, c.kvType, s.n0,
      shape.heads, shape.first, shape.second, s.f, scratch, rowAt(c.at(s.out), i, c.stride(s.out)), beginMass(c, count),
      (shape.heads * part) / parts, (shape.heads * (part + 1)) / parts, s.g, sinks, bias, biasWidth, places,
    );
    endMass(c, i, count, s.n0, scratch);
  }
}

/**
 * How many of the tokens left may attend now, a row that a token sees being `cost` multiply-adds; charged to `work`.
 */
export function tokensWithinWork(c: Context, cost: u64): u32 {
  let tokens: u32 = 0;
  do {
    // The list is at most a chunk longer than what the token sees.
    c.work -= <i64>(cost * listOf(c, c.cursor + tokens).count);
    tokens += 1;
  } while (c.work > 0 && c.cursor + tokens < c.active);
  return tokens;
}

/**
 * Shares the next `tokens` tokens among the threads: whole, or in as many parts of their `heads` as there are threads
 * when there are too few. What is attended to is one buffer, so whoever asks for it has it made by the main thread
 * alone.
 */
export function shareTokens(c: Context, s: Step, job: u32, tokens: u32, heads: u32, cost: u64): bool {
  const threads = isAsked(c) ? 1 : threadsOf(c.threads);
  const perToken = cost * listOf(c, c.cursor).count;
  const parts = tokens < 2 * threads ? min(threads, heads) : 1;
  const grain = grainOf(c.threads, tokens * parts, perToken / parts);
  const split = threads > 1 && grain < tokens * parts;
  c.headParts = split ? parts : 1;
  return shared(c, s, job, tokens * c.headParts, split ? grain : tokens);
}

/** Where the kernel adds attention, summed over heads, row by row, or 0 when nobody asked. */
export function beginMass(c: Context, count: u32): usize {
  if (!c.mass) return 0;
  memory.fill(c.massScratch, 0, (<usize>count) << 2);
  return c.massScratch;
}

/**
 * Adds what the token attended to, to the rows of the layer: f32[layers][rows] summed over heads, and by head
 * f32[layers][heads][rows]. The weights of `heads` heads still lie in the kernel's scratch, each in whole tiles.
 */
export function endMass(c: Context, activeIndex: u32, count: u32, heads: u32, scratch: usize): void {
  if (!isAsked(c)) return;
  const rows = c.state;
  const seen = seenRows(c, activeIndex, 0);
  const byHead = c.tap(Tap.ATTENTION);
  const token = c.token(activeIndex);
  const isOwn = HAS_SAMPLERS && token >= c.massFrom;
  const mass = massOf(c) + (isOwn ? <usize>(token - c.massFrom + 1) * massBytes(c) : 0);
  for (let i: u32 = 0; i < count; i++) {
    const place = rows.placeInLayer(u32At(seen, i));
    const attended = load<f32>(c.massScratch + ((<usize>i) << 2));
    if (isOwn) store<f32>(mass + ((<usize>place) << 2), attended);
    else if (c.mass) addF32(mass, place, attended);
    if (!byHead) continue;
    for (let head: u32 = 0; head < heads; head++) {
      const weight = load<f32>(scratch + ((<usize>head * tiled(count) + i) << 2));
      addF32(byHead, (c.layer * c.program.fullHeads + head) * c.rowCapacity + place, weight);
    }
  }
}

/** That of the rows of the layer at work. */
@inline
function massOf(c: Context): usize {
  return c.mass + ((<usize>c.layer * c.rowCapacity) << 2);
}

function addF32(base: usize, index: u32, value: f32): void {
  const at = base + ((<usize>index) << 2);
  store<f32>(at, load<f32>(at) + value);
}
