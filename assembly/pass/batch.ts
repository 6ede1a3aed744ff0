/**
 * The batch of a pass: everything that can be wrong with it is found before anything changes; a pass that is given up
 * leaves the state as it was.
 */
import { Context, POSITION_LIMIT, Running, Visibility } from "./context";
import { ErrorCode, fail } from "../memory/core";
import { setI32, setU32, u32At } from "../memory/bytes";
import { checkReplaced } from "./replace";
import { checkTexts } from "./texts";
import { List, Rows, clearRows, dropRows, freeRows, hasBlocks, truncateList } from "../state/rows";
import { dropMark } from "../state/recurrent";
import { StateKind } from "../state/shape";
import { HAS_ATTENTION_WITHIN, HAS_CORE_NEURONS, HAS_RECURRENT, HAS_SAMPLERS, HAS_VECTORS } from "../parts";
import { NOTHING } from "../program/program";

/**
 * Begins a pass over the batch that the host wrote: `tokens` tokens through layers [firstLayer, endLayer). Entered at a
 * later layer, the residual stream is what the host put there, unless that is the first of a decoder: its passes begin
 * there, and those of a source (`isSource`) with the encoder; stopped before the last, no logits are made and the
 * stream stays there. With `replaces` the rows of its tokens are there already, and are written anew: an aborted pass
 * leaves them as they come.
 */
export function beginPass(
  c: Context, tokens: u32, firstLayer: u32, endLayer: u32, isSource: u32 = 0, replaces: u32 = 0,
): i32 {
  const core = c.core;
  const p = c.program;
  if (c.running) {
    return fail(core, ErrorCode.WRONG_STATE, "the context is in the middle of a pass: step it to its end or abort it");
  }
  if (tokens < 1 || tokens > c.batchCapacity) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "a batch of this context has 1 to {} tokens, not {}", c.batchCapacity, tokens,
    );
  }
  if (firstLayer >= endLayer || endLayer > p.layerCount) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "the layers of a pass are a range of the model's layers that is not empty",
    );
  }
  // What a decoder reads is not the encoder's.
  if (!isSource) firstLayer = max(firstLayer, p.decoderLayer);
  takeBatch(c, tokens);
  c.isSource = isSource;
  if (HAS_CORE_NEURONS) c.isSparse = 0;
  let rowsAsked: u32 = 0;
  for (let i: u32 = 0; i < tokens; i++) {
    const id = u32At(c.ids, i);
    if (id >= p.vocabulary) {
      return fail(
        core, ErrorCode.BAD_ARGUMENT, "the token {i} is not in the vocabulary of {}", <u64>(<i64>(<i32>id)),
        p.vocabulary,
      );
    }
    if (c.sequence(i) >= c.sequences) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "a token of the batch names a sequence that the context has not");
    }
    if (c.position(i) < 0 || c.position(i) >= POSITION_LIMIT) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "a token's position must lie between 0 and 999999");
    }
    if (p.positionCount != 0 && <u32>c.position(i) >= p.positionCount) {
      return fail(
        core, ErrorCode.CONTEXT_FULL,
        "the model has learned {} positions, and a token stands behind the last; begin a new session", p.positionCount,
      );
    }
    if (load<u8>(c.wanted + i)) rowsAsked += 1;
  }
  if (HAS_ATTENTION_WITHIN && p.decoderLayer) {
    const status = checkSources(c, tokens, isSource != 0);
    if (status) return status;
  }
  if (HAS_VECTORS && (c.isForTexts || (p.isWithin && (isSource || p.decoderLayer == 0)))) {
    const status = checkTexts(c, tokens);
    if (status) return status;
  }
  if (!c.isForTexts && rowsAsked > c.logitCapacity) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "this context gives logits of at most {} tokens a batch, and {} are asked for",
      c.logitCapacity, rowsAsked,
    );
  }
  if (HAS_RECURRENT) {
    const status = checkOrder(c, tokens, firstLayer, endLayer);
    if (status != 0) return status;
  }
  for (let state: u32 = 0; state < p.stateCount; state++) {
    const rows = c.rows(state);
    const isRecurrent = HAS_RECURRENT && rows.shape.kind == StateKind.RECURRENT;
    const areThere = HAS_SAMPLERS && replaces != 0;
    const status = isRecurrent ? 0 : areThere ? checkReplaced(c, rows, tokens) : makeRoom(c, rows, tokens);
    if (status != 0) return status;
  }
  if (HAS_RECURRENT) makeRoomForStates(c, tokens);
  if (HAS_SAMPLERS) c.replaces = replaces;
  rememberLengths(c);
  for (let i: u32 = 0; i < tokens; i++) setU32(c.activeToken, i, i);
  memory.fill(c.zeros, 0, <usize>p.layerCount * 8);
  memory.fill(c.activations, 0, <usize>p.layerCount * 8);
  c.tokens = tokens;
  c.active = tokens;
  c.layer = firstLayer;
  c.firstLayer = firstLayer;
  c.endLayer = endLayer;
  c.step = 0;
  c.endStep = p.inputSteps;
  c.cursor = 0;
  c.part = 0;
  c.operandReady = 0;
  c.requests.clear();
  c.logitRows = rowsAsked;
  c.passes += 1;
  c.running = Running.INPUT;
  return 0;
}

/** A decoder answers a source that its encoder has read, and a sequence has one. */
function checkSources(c: Context, tokens: u32, isSource: bool): i32 {
  // The first layer of a decoder attends to its own tokens, the next to the source.
  const cross = c.program.decoderLayer + 1;
  for (let i: u32 = 0; i < tokens; i++) {
    const count = listLength(c, c.sequence(i), cross);
    if (isSource && count != 0) {
      return fail(c.core, ErrorCode.WRONG_STATE, "the sequence has a source already: drop its rows before another");
    }
    if (!isSource && count == 0) {
      return fail(
        c.core, ErrorCode.WRONG_STATE,
        "this model answers a text that its encoder reads, and has read none: generate begins with it, logits and \
perplexity are of models without an encoder",
      );
    }
  }
  return 0;
}

/**
 * Room for the batch's tokens in all layers of a state. Where layers have a window, rows that no later token sees are
 * dropped as soon as their room is wanted, and not before: so a sequence can go back some way.
 */
function makeRoom(c: Context, rows: Rows, tokens: u32): i32 {
  if (hasRoom(c, rows, tokens)) return 0;
  if (rows.shape.window == 0) return contextFull(c, tokens);
  for (let sequence: u32 = 0; sequence < c.sequences; sequence++) {
    for (let layer: u32 = 0; layer < rows.layers; layer++) {
      const next = nextPosition(c, rows.list(sequence, layer), sequence, tokens);
      dropRows(rows, sequence, layer, i32.MIN_VALUE, next - <i32>rows.shape.window + 1);
    }
  }
  return hasRoom(c, rows, tokens) ? 0 : contextFull(c, tokens);
}

/**
 * A recurrent state has taken in all tokens before: a batch goes on behind them, in the order of positions, and each of
 * its tokens sees all before it.
 */
function checkOrder(c: Context, tokens: u32, firstLayer: u32, endLayer: u32): i32 {
  const p = c.program;
  for (let layer = firstLayer; layer < endLayer; layer++) {
    const l = p.layer(layer);
    if (l.recurrent == 0) continue;
    if (c.visibility != Visibility.CAUSAL) {
      return fail(
        c.core, ErrorCode.UNSUPPORTED,
        "layers with a recurrent state take tokens in one after the other: a token sees those before it, and no other",
      );
    }
    for (let i: u32 = 0; i < tokens; i++) {
      const last = lastPosition(c.rows(<u32>l.recurrent - 1).list(c.sequence(i), l.recurrentLayer), c, i);
      if (c.position(i) > last) continue;
      return fail(
        c.core, ErrorCode.BAD_ARGUMENT,
        "a token stands at position {}, and the recurrent state of its sequence has taken in position {} already; drop \
the sequence's rows from there on first", c.position(i), last,
      );
    }
  }
  return 0;
}

/** The position of the token before token `index` of the batch, there or in the list; −1: there is none. */
function lastPosition(list: List, c: Context, index: u32): i32 {
  for (let i = index; i-- > 0; ) if (c.sequence(i) == c.sequence(index)) return c.position(i);
  return list.count ? list.position(list.count - 1) : -1;
}

/** A free row for each sequence of the batch in all layers of recurrent states: marks make place. */
function makeRoomForStates(c: Context, tokens: u32): void {
  let wanted: u32 = 0;
  for (let sequence: u32 = 0; sequence < c.sequences; sequence++) {
    for (let i: u32 = 0; i < tokens; i++) {
      if (c.sequence(i) != sequence) continue;
      wanted += 1;
      break;
    }
  }
  for (let state: u32 = 0; state < c.program.stateCount; state++) {
    const rows = c.rows(state);
    if (rows.shape.kind != StateKind.RECURRENT) continue;
    for (let layer: u32 = 0; layer < rows.layers; layer++) {
      while (rows.room(layer) < wanted && dropMark(rows, layer));
    }
  }
}

/** Whether each layer has rows for the batch, and each sequence's list a place for its tokens. */
function hasRoom(c: Context, rows: Rows, tokens: u32): bool {
  // A source has rows where the decoder's tokens have none.
  if ((rows.shape.kind == StateKind.CROSS) != (c.isSource != 0)) return true;
  if (freeRows(rows) < tokens || !hasBlocks(rows, tokens)) return false;
  for (let sequence: u32 = 0; sequence < c.sequences; sequence++) {
    let mine: u32 = 0;
    for (let i: u32 = 0; i < tokens; i++) if (c.sequence(i) == sequence) mine += 1;
    for (let layer: u32 = 0; layer < rows.layers; layer++) {
      if (mine > rows.capacity - rows.list(sequence, layer).count) return false;
    }
  }
  return true;
}

/** The first position of a sequence's tokens in the batch; of one that has none, the one behind its last row. */
function nextPosition(c: Context, list: List, sequence: u32, tokens: u32): i32 {
  let next: i32 = i32.MAX_VALUE;
  for (let i: u32 = 0; i < tokens; i++) if (c.sequence(i) == sequence) next = min(next, c.position(i));
  if (next != i32.MAX_VALUE) return next;
  next = 0;
  for (let i: u32 = 0; i < list.count; i++) next = max(next, list.position(i) + 1);
  return next;
}

/** Writes token `index` of the next pass, as a host does. */
export function putToken(c: Context, index: u32, id: u32, sequence: u32, position: i32, isWanted: bool): void {
  setU32(c.nextIds, index, id);
  setU32(c.nextSequences, index, sequence);
  setI32(c.nextPositions, index, position);
  store<u8>(c.nextWanted + index, isWanted ? 1 : 0);
}

/** The pass has a copy of what the host wrote: what is checked here stays as it is. */
function takeBatch(c: Context, tokens: u32): void {
  const bytes = (<usize>tokens) << 2;
  memory.copy(c.ids, c.nextIds, bytes);
  memory.copy(c.sequenceOf, c.nextSequences, bytes);
  memory.copy(c.positions, c.nextPositions, bytes);
  memory.copy(c.wanted, c.nextWanted, tokens);
}

/** Rows of a sequence in a layer: 0 where the layer keeps none. */
export function listLength(c: Context, sequence: u32, layer: u32): u32 {
  const l = c.program.layer(layer);
  return l.state == NOTHING ? 0 : c.rows(l.state).list(sequence, l.stateLayer).count;
}

/** Keeps the length of each list, by which a pass is undone. */
function rememberLengths(c: Context): void {
  let at: u32 = 0;
  for (let state: u32 = 0; state < c.program.stateCount; state++) {
    const rows = c.rows(state);
    for (let sequence: u32 = 0; sequence < c.sequences; sequence++) {
      for (let layer: u32 = 0; layer < rows.layers; layer++) {
        setU32(c.lengthsBefore, at++, rows.list(sequence, layer).count);
      }
    }
  }
}

/** Gives up a pass: the rows that it wrote are dropped, and the context is as it was before. */
export function abortPass(c: Context): void {
  if (!c.running) return;
  let at: u32 = 0;
  for (let state: u32 = 0; state < c.program.stateCount; state++) {
    const rows = c.rows(state);
    for (let sequence: u32 = 0; sequence < c.sequences; sequence++) {
      for (let layer: u32 = 0; layer < rows.layers; layer++) {
        truncateList(rows, sequence, layer, u32At(c.lengthsBefore, at++));
      }
    }
  }
  c.running = Running.IDLE;
}

/** Forgets every sequence. */
export function resetContext(c: Context): void {
  c.running = Running.IDLE;
  for (let state: u32 = 0; state < c.program.stateCount; state++) clearRows(c.rows(state));
}

function contextFull(c: Context, tokens: u32): i32 {
  return fail(
    c.core, ErrorCode.CONTEXT_FULL,
    "the context of {} tokens is full: {} more do not fit; make it longer (--ctx N, { context: N }) or begin a new \
session", c.tokenCapacity, tokens,
  );
}
