/**
 * The section of a saved session that keeps fewer rows than it has tokens (session_file.ts): its policy, and what that
 * has counted of the rows in the section `state`.
 *
 *     rows u32 │ scored u32 │ recent f32 │ sinks u32 │ merge u32 │ every u32 │ beta f32
 *     tokens behind which rows went u32 │ tokens whose attention is in the scores u32 │ thresholds f32[layers]
 *     where layers share rows: budgets u32[layers]
 *     of each layer that it chooses rows of, where they are scored: scores f32[rows] │ of the last token f32[rows]
 */
import { Policy, isPolicy, leastShare, listBy, mostShare, rowsBy, scoreAt, settleScores } from "./cache_policy";
import { Core, ErrorCode, fail } from "../memory/core";
import { massBytes } from "../pass/taps";
import { wantBlocks } from "../state/rows";

const OPTIONS: usize = offsetof<Policy>("evictedAt") - offsetof<Policy>("rows");
const HEAD: usize = OPTIONS + 8;

@inline
function optionsOf(p: Policy): usize {
  return changetype<usize>(p) + offsetof<Policy>("rows");
}

@inline
function thresholdBytes(p: Policy): usize {
  return (<usize>p.context.program.layerCount) << 2;
}

/** Budgets lie behind the thresholds, in memory as here. */
@inline
function layerBytes(p: Policy): usize {
  return thresholdBytes(p) << (p.scored == 2 ? 1 : 0);
}

/** Bytes of the section; 0: the session has no policy. */
export function policySection(p: Policy): usize {
  if (!isPolicy(p)) return 0;
  let bytes = HEAD + layerBytes(p);
  for (let layer: u32 = 0; layer < p.context.program.layerCount; layer++) {
    if (p.scored && changetype<usize>(rowsBy(p, layer)) != 0) bytes += (<usize>listBy(p, layer).count) << 3;
  }
  return bytes;
}

/** Writes it, of a session of which `evaluated` tokens have rows. Returns where it ends. */
export function savePolicy(p: Policy, evaluated: u32, at: usize): usize {
  settleScores(p, evaluated);
  memory.copy(at, optionsOf(p), HEAD);
  memory.copy(at + HEAD, p.thresholds, layerBytes(p));
  at += HEAD + layerBytes(p);
  if (!p.scored) return at;
  for (let layer: u32 = 0; layer < p.context.program.layerCount; layer++) {
    if (changetype<usize>(rowsBy(p, layer)) == 0) continue;
    const list = listBy(p, layer);
    for (let i: u32 = 0; i < list.count; i++, at += 4) memory.copy(at, scoreAt(p, layer, i), 4);
    for (let i: u32 = 0; i < list.count; i++, at += 4) {
      if (p.counted < evaluated) memory.copy(at, scoreAt(p, layer, i) + massBytes(p.context), 4);
      else store<f32>(at, 0);
    }
  }
  return at;
}

/** The rows of the layers have been restored. */
export function restorePolicy(p: Policy, at: usize): void {
  memory.copy(optionsOf(p), at, HEAD);
  memory.copy(p.thresholds, at + HEAD, layerBytes(p));
  at += HEAD + layerBytes(p);
  if (!p.scored) return;
  for (let layer: u32 = 0; layer < p.context.program.layerCount; layer++) {
    if (changetype<usize>(rowsBy(p, layer)) == 0) continue;
    const list = listBy(p, layer);
    for (let i: u32 = 0; i < list.count; i++, at += 4) memory.copy(scoreAt(p, layer, i), at, 4);
    for (let i: u32 = 0; i < list.count; i++, at += 4) memory.copy(scoreAt(p, layer, i) + massBytes(p.context), at, 4);
  }
}

/** Whether the section is that of the session's own policy. */
export function checkPolicy(core: Core, p: Policy, at: usize, bytes: usize): i32 {
  if (!isPolicy(p) || bytes < HEAD || memory.compare(at, optionsOf(p), OPTIONS) != 0) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "this session was saved with another policy of its cache: give the same one (kv) to the one that takes it",
    );
  }
  return 0;
}

/**
 * Whether the section is that of the rows of the section `state` at `rows`, which are of `evaluated` tokens: those from
 * the last time on that some went are all there, and nothing stands where a policy would not have left it.
 */
export function checkPolicyRows(core: Core, p: Policy, at: usize, state: usize, evaluated: u32): i32 {
  const bytes = <usize>load<u64>(at - sizeof<u64>());
  const evictedAt = load<u32>(at, OPTIONS);
  const counted = load<u32>(at, OPTIONS + 4);
  const end = at + bytes;
  let isRight = bytes >= HEAD + layerBytes(p) && evictedAt <= evaluated;
  isRight = isRight && (p.scored ? counted <= evaluated && counted + 1 >= evaluated : counted == 0);
  at += HEAD;
  state += 8;
  let scores = at + layerBytes(p);
  let budgets: u64 = 0;
  for (let i: u32 = 0; i < p.context.program.stateCount; i++) p.context.rows(i).wantedBlocks = 0;
  for (let layer: u32 = 0; layer < p.context.program.layerCount && isRight; layer++, at += 4) {
    // A likeness is a cosine, but for rounding.
    const threshold = load<f32>(at);
    const count = load<u32>(state, 16);
    const isChosen = changetype<usize>(rowsBy(p, layer)) != 0;
    isRight = !(abs(threshold) > 2);
    const budget = p.scored == 2 && isRight ? load<u32>(at + thresholdBytes(p)) : p.rows;
    if (isChosen && isRight) {
      budgets += <u64>budget - p.rows;
      // Where rows have not gone yet that are about to, a layer may have more than its budget.
      const most = evictedAt == evaluated ? max(budget, p.rows) : budget;
      isRight = count <= most && budget >= leastShare(p.rows) && budget <= mostShare(p);
      isRight = isRight && arePositions(state + 20, count, evictedAt, evaluated);
      isRight = isRight && (p.scored != 2 || wantBlocks(rowsBy(p, layer), count));
    }
    state += 20 + <usize>count * (4 + <usize>load<u32>(state, 12));
    if (!isRight || !isChosen || !p.scored) continue;
    isRight = end >= scores && end - scores >= (<usize>count) << 3;
    for (let i: u32 = 0; i < 2 * count && isRight; i++, scores += 4) {
      const score = load<f32>(scores);
      isRight = score >= 0 && score <= f32.MAX_VALUE;
    }
  }
  // No more are shared out than there are.
  if (isRight && scores == end && <i64>budgets <= 0) return 0;
  return fail(core, ErrorCode.BAD_FILE, "this session's rows are not those that its policy keeps; save it again");
}

/** i32[count] ascend to the last token, and leave none out from `evictedAt` on. */
function arePositions(positions: usize, count: u32, evictedAt: u32, evaluated: u32): bool {
  let last: i32 = -1;
  let late: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const position = load<i32>(positions + ((<usize>i) << 2));
    if (position <= last || <u32>position >= evaluated) return false;
    if (<u32>position >= evictedAt) late += 1;
    last = position;
  }
  return late == evaluated - evictedAt;
}
