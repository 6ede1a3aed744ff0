/**
 * Sessions that keep fewer rows than they have tokens, by a policy of their cache: H2O (arXiv:2306.14048) keeps those
 * that were attended to most and the last ones, D2O (arXiv:2406.13035) merges what goes into what is like it, and sinks
 * and recent (arXiv:2309.17453) ask for no scores. How a layer lets rows go is evict.ts; here is when.
 *
 *     before a pass   a layer that has as many rows as it may keep lets `every` of them go at once, and a pass has no
 *                     more tokens than every layer has room for
 *     behind it       scores += what its tokens attended to
 *
 * Where layers share their rows (D2O), each has as many until the first go. Then V, the variance of its scores, says
 * how unevenly a layer attends, and one that does so evenly has more rows from there on:
 *
 *     F = (V − least V) / (largest V − least V)        budget = ⌊ rows of all layers · e^−F / Σ e^−F ⌋
 *
 * So a layer never has more rows than its budget, however long the prompt is, and what a session is behind n tokens
 * depends on these alone: not on how passes were cut, on drafts, or on where a prompt ended and an answer began. Rows
 * that went do not come back: who goes back behind the last time that some did begins anew.
 *
 *     scores   │ of tokens that stand fast │ of the last │ of a draft │ …        f32[layers][rows] each, by place
 *                                           └ added when the next one is read, dropped with the token ┘
 */
import { Merge, evictInLayer } from "./evict";
import { allocate, blockBytes, release } from "../memory/arena";
import { Core, ErrorCode, Status, fail } from "../memory/core";
import { HAS_SAMPLERS } from "../parts";
import { Context, choosesRows, mostHeld, rowsSeen } from "../pass/context";
import { exp } from "../kernels/float/math";
import { massBytes } from "../pass/taps";
import { Program } from "../program/program";
import { List, Rows, compactLayer } from "../state/rows";

/** What a session keeps of its rows. Without one it keeps all of them. */
@unmanaged
export class Policy {
  context: Context;
  /** Rows that a layer keeps at most; where layers share them, on average. */
  rows: u32;
  /** 1: rows are chosen by what was attended to, 2: and shared among the layers; else sinks and the last ones stay. */
  scored: u32;
  /** The share of kept rows that are the last ones, of scored ones. */
  recent: f32;
  sinks: u32;
  merge: u32;
  /** Rows that go at once. */
  every: u32;
  /** How fast the threshold of likeness follows. */
  beta: f32;

  /** Tokens behind which rows went for the last time, and those whose attention is in the scores. */
  evictedAt: u32;
  counted: u32;
  /** f32[layers]: thresholds of likeness, NaN at first. */
  thresholds: usize;
  /** u32[layers]: rows that each keeps at most. */
  budgets: usize;
  /** f32[layers][rows]: the scores; behind them those of tokens that may be taken back, and at `before` of a pass. */
  scores: usize;
  before: usize;
}

/** Bytes of linear memory that it takes beside such a context. */
export function policyBytes(p: Program, tokens: u32, rows: u32, batch: u32, logitRows: u32, scored: bool): u64 {
  return blockBytes(recordBytes(p, rowsSeen(p, tokens, rows, batch, 1), logitRows, scored));
}

function recordBytes(p: Program, rows: u32, logitRows: u32, scored: bool): u64 {
  const scores: u64 = scored ? <u64>(logitRows + 2) * p.layerCount * rows * 4 : 0;
  return <u64>offsetof<Policy>() + <u64>p.layerCount * 8 + 16 + scores;
}

/** A policy for the one sequence of a context that was made for it. Null: see the error. */
export function createPolicy(
  core: Core, c: Context, scored: bool, recent: f32, sinks: u32, merge: u32, every: u32, beta: f32,
): Policy {
  const none = changetype<Policy>(0);
  const isRule = merge <= Merge.SOFTMAX && beta >= 0 && beta <= 1 && recent > 0 && recent <= 1;
  // What a layer keeps at least.
  const least = c.isShared ? leastShare(c.keptRows) : c.keptRows;
  const kept = least - min(every, least);
  if (!isRule || every == 0 || kept == 0 || (merge != Merge.NONE && !scored)) {
    fail(
      core, ErrorCode.BAD_ARGUMENT,
      "a policy lets at least one row go at once and keeps at least one, its share of recent rows is above 0 and at \
most 1, it merges scored rows by rule 0, 1 or 2, and beta is from 0 to 1",
    );
    return none;
  }
  const last = scored ? recentOf(kept, recent) : 1;
  if (<u64>sinks + last > kept) {
    fail(
      core, ErrorCode.BAD_ARGUMENT, "of {} rows, {} of which go at once, {} recent ones leave no room for {} sinks",
      least, every, last, sinks,
    );
    return none;
  }
  const program = c.program;
  const bytes = recordBytes(program, c.rowCapacity, c.logitCapacity, scored);
  const memory = allocate(core, bytes, "a policy of the cache");
  if (memory == 0) return none;
  const p = changetype<Policy>(memory);
  p.context = c;
  p.rows = c.keptRows;
  p.scored = scored ? (c.isShared ? 2 : 1) : 0;
  p.recent = recent;
  p.sinks = sinks;
  p.merge = merge;
  p.every = every;
  p.beta = beta;
  p.thresholds = memory + offsetof<Policy>();
  p.budgets = p.thresholds + ((<usize>program.layerCount) << 2);
  if (scored) {
    p.scores = (p.budgets + ((<usize>program.layerCount) << 2) + 15) & ~(<usize>15);
    p.before = p.scores + <usize>(c.logitCapacity + 1) * massBytes(c);
    c.mass = p.scores;
  }
  restartPolicy(p);
  return p;
}

/** Gives it back; its context, unless that went before, scores no rows any more. */
export function releasePolicy(core: Core, p: Policy, hasContext: bool): void {
  if (!isPolicy(p)) return;
  if (hasContext) {
    p.context.mass = 0;
    p.context.massFrom = u32.MAX_VALUE;
  }
  release(core, changetype<usize>(p));
}

@inline
export function isPolicy(p: Policy): bool {
  return HAS_SAMPLERS && changetype<usize>(p) != 0;
}

@inline
function isScored(p: Policy): bool {
  return isPolicy(p) && p.scored != 0;
}

/** The session has no rows any more. */
export function restartPolicy(p: Policy): void {
  if (!isPolicy(p)) return;
  p.evictedAt = 0;
  p.counted = 0;
  for (let layer: u32 = 0; layer < p.context.program.layerCount; layer++) {
    store<f32>(thresholdAt(p, layer), NaN);
    store<u32>(budgetAt(p, layer), p.rows);
  }
}

@inline
function budgetAt(p: Policy, layer: u32): usize {
  return p.budgets + ((<usize>layer) << 2);
}

/** Rows that a layer keeps at most. */
@inline
export function budgetOf(p: Policy, layer: u32): u32 {
  return load<u32>(budgetAt(p, layer));
}

/** Of rows that are shared, what a layer has at least and at most of `rows` a layer: e apart from what is even. */
export function leastShare(rows: u32): u32 {
  return <u32>(<f64>rows / Math.E);
}

export function mostShare(p: Policy): u32 {
  return p.scored == 2 ? mostHeld(p.context.tokenCapacity, p.rows, true) : p.rows;
}

@inline
export function thresholdAt(p: Policy, layer: u32): usize {
  return p.thresholds + ((<usize>layer) << 2);
}

/**
 * Of `count` tokens that a session would go back to, those that it can: none where rows went, or scores were added,
 * since.
 */
export function keptBy(p: Policy, count: u32): u32 {
  return !isPolicy(p) || count >= max(p.evictedAt, p.counted) ? count : 0;
}

/** The rows of a layer that the policy chooses from; null: it keeps none, or forgets by itself. */
export function rowsBy(p: Policy, layer: u32): Rows {
  const l = p.context.program.layer(layer);
  if (!l.keeps) return changetype<Rows>(0);
  const rows = p.context.rows(l.state);
  return choosesRows(rows.shape) ? rows : changetype<Rows>(0);
}

/** Their list. */
export function listBy(p: Policy, layer: u32): List {
  return rowsBy(p, layer).list(0, p.context.program.layer(layer).stateLayer);
}

/** Tokens that the session's next pass may have: as many as each layer has room for. */
export function roomBy(p: Policy): u32 {
  let room: u32 = u32.MAX_VALUE;
  if (!isPolicy(p)) return room;
  for (let layer: u32 = 0; layer < p.context.program.layerCount; layer++) {
    if (changetype<usize>(rowsBy(p, layer)) == 0) continue;
    const budget = budgetOf(p, layer);
    room = min(room, budget - min(listBy(p, layer).count, budget));
  }
  return room;
}

/**
 * Where a layer is full, in front of the next pass of a session whose first `evaluated` tokens have rows, the next one
 * lets rows go that has too many: MORE, a slice of work. DONE: all have room. Below 0: an error.
 */
export function makeRoomBy(p: Policy, evaluated: u32): i32 {
  if (!isPolicy(p) || evaluated == 0) return Status.DONE;
  if (roomBy(p) == 0) {
    countScores(p, evaluated);
    if (p.evictedAt == 0 && p.scored == 2) shareOut(p);
    p.evictedAt = evaluated;
  }
  if (p.evictedAt != evaluated) return Status.DONE;
  const c = p.context;
  for (let layer: u32 = 0; layer < c.program.layerCount; layer++) {
    const kept = budgetOf(p, layer) - p.every;
    if (changetype<usize>(rowsBy(p, layer)) == 0 || listBy(p, layer).count <= kept) continue;
    const last = p.scored ? recentOf(kept, p.recent) : kept - p.sinks;
    const scores = p.scored ? p.scores + layerAt(c, layer) : 0;
    const threshold = thresholdAt(p, layer);
    const status = evictInLayer(c, 0, layer, scores, kept - last, last, p.sinks, p.merge, threshold, p.beta);
    if (status < 0) return status;
    if (p.scored == 2) compactLayer(rowsBy(p, layer), c.program.layer(layer).stateLayer, listBy(p, layer), scores);
    return Status.MORE;
  }
  return Status.DONE;
}

/** The rows of all layers of a state are shared out among them. */
function shareOut(p: Policy): void {
  const program = p.context.program;
  for (let state: u32 = 0; state < program.stateCount; state++) {
    if (!choosesRows(program.state(state))) continue;
    let least = f64.MAX_VALUE;
    let most: f64 = 0;
    let layers: u32 = 0;
    for (let layer: u32 = 0; layer < program.layerCount; layer++) {
      if (!isOf(p, layer, state)) continue;
      const variance = <f64>varianceOf(p, layer);
      least = min(least, variance);
      most = max(most, variance);
      layers += 1;
    }
    let sum: f64 = 0;
    for (let turn = 0; turn < 2; turn++) {
      for (let layer: u32 = 0; layer < program.layerCount; layer++) {
        if (!isOf(p, layer, state)) continue;
        const share = exp((least - varianceOf(p, layer)) / (most - least + 1e-6));
        if (turn == 0) sum += share;
        // Where all are equal, rounding takes none of a row.
        else store<u32>(budgetAt(p, layer), <u32>min<f64>((share / sum) * layers * p.rows + 1e-6, mostShare(p)));
      }
    }
  }
}

@inline
function isOf(p: Policy, layer: u32, state: u32): bool {
  return changetype<usize>(rowsBy(p, layer)) != 0 && p.context.program.layer(layer).state == state;
}

/** The variance of the scores of a layer's rows. */
function varianceOf(p: Policy, layer: u32): f64 {
  const list = listBy(p, layer);
  let sum: f64 = 0;
  let squares: f64 = 0;
  for (let i: u32 = 0; i < list.count; i++) {
    const score = <f64>load<f32>(scoreAt(p, layer, i));
    sum += score;
    squares += score * score;
  }
  return (squares - (sum * sum) / list.count) / (<f64>list.count - 1);
}

/** Where the score of an entry of a layer's list stands. */
export function scoreAt(p: Policy, layer: u32, index: u32): usize {
  const place = rowsBy(p, layer).placeInLayer(listBy(p, layer).row(index));
  return p.scores + layerAt(p.context, layer) + ((<usize>place) << 2);
}

/** At least the last row. */
@inline
function recentOf(kept: u32, share: f32): u32 {
  return max<u32>(1, <u32>(<f64>kept * <f64>share));
}

@inline
function layerAt(c: Context, layer: u32): usize {
  return (<usize>layer * c.rowCapacity) << 2;
}

/** A pass is about to begin, of `tokens` tokens behind the first `evaluated` and of drafts behind these. */
export function beginScores(p: Policy, evaluated: u32, tokens: u32): void {
  if (!isScored(p)) return;
  countScores(p, evaluated);
  p.context.mass = p.scores;
  p.context.massFrom = tokens - 1;
  if (tokens > 1) memory.copy(p.before, p.scores, massBytes(p.context));
}

/** The pass of `tokens` tokens was given up. */
export function undoScores(p: Policy, tokens: u32): void {
  if (!isScored(p)) return;
  p.context.massFrom = u32.MAX_VALUE;
  if (tokens > 1) memory.copy(p.scores, p.before, massBytes(p.context));
}

/** The pass is through, and `evaluated` tokens have rows: the last of them may be taken back, as may the drafts. */
export function endScores(p: Policy, evaluated: u32): void {
  if (!isScored(p)) return;
  p.context.massFrom = u32.MAX_VALUE;
  p.counted = evaluated - 1;
}

/** Scores += what the tokens up to the first `count` attended to. */
export function countScores(p: Policy, count: u32): void {
  if (!isScored(p) || count <= p.counted) return;
  const c = p.context;
  for (let i: u32 = 0, n = count - p.counted; i < n; i++) {
    const own = p.scores + <usize>(i + 1) * massBytes(c);
    for (let layer: u32 = 0; layer < c.program.layerCount; layer++) {
      if (changetype<usize>(rowsBy(p, layer)) != 0) addScores(p, layer, <i32>(p.counted + i), own);
    }
  }
  p.counted = count;
}

/** The same, but for the last of `evaluated` tokens: its scores come to lie behind the others. */
export function settleScores(p: Policy, evaluated: u32): void {
  if (!isScored(p) || evaluated <= p.counted + 1) return;
  const bytes = massBytes(p.context);
  const last = p.scores + <usize>(evaluated - p.counted) * bytes;
  countScores(p, evaluated - 1);
  memory.copy(p.scores + bytes, last, bytes);
}

/** Scores of the rows that the token at `position` saw += what it attended to. */
function addScores(p: Policy, layer: u32, position: i32, own: usize): void {
  const rows = rowsBy(p, layer);
  const list = listBy(p, layer);
  for (let i: u32 = 0; i < list.count && list.position(i) <= position; i++) {
    const at = layerAt(p.context, layer) + ((<usize>rows.placeInLayer(list.row(i))) << 2);
    store<f32>(p.scores + at, load<f32>(p.scores + at) + load<f32>(own + at));
  }
}
