/**
 * Sets of adapters: which ones a sequence's tokens use, with which weights, and of an aLoRA from which position on. A
 * set is changed between passes; rows that another one has made are made anew, unless they are to be kept.
 */
import { lastInvocation } from "./adapter_load";
import { Model, ModelState, isModel, modelOf } from "./model";
import { f32At, u32At } from "../memory/bytes";
import { ErrorCode, fail } from "../memory/core";
import { allocate } from "../memory/arena";
import { HAS_ADAPTERS } from "../parts";
import { Context, adapterBytes, clearAdapters } from "../pass/context";
import { AdapterSet, NOT_YET, SET_BYTES, SET_LIMIT } from "../weights/low_rank";

/**
 * The tokens of a sequence use u32[count] adapters with f32[count] weights; u32[tokens] are those of the sequence, in
 * which an aLoRA finds where it begins. For who steps passes without a session.
 */
export function setOfSequence(
  c: Context, sequence: u32, adapters: usize, weights: usize, count: u32, ids: usize, tokens: u32,
): i32 {
  if (sequence >= c.sequences) return fail(c.core, ErrorCode.BAD_ARGUMENT, "the context has not that many sequences");
  if (c.running) return fail(c.core, ErrorCode.WRONG_STATE, "adapters are changed between passes: end this one first");
  const status = readSet(c, adapters, weights, count);
  if (status != 0) return status;
  if (c.adapterSets == 0) return 0;
  take(c, sequence);
  place(c.adapterSet(sequence), ids, tokens);
  return 0;
}

/**
 * Looks for each aLoRA of a sequence in its u32[count] tokens; gives the first position from which on they use others
 * than before.
 */
export function placeAdapters(c: Context, sequence: u32, ids: usize, count: u32): i32 {
  return HAS_ADAPTERS && c.adapterSets != 0 ? place(c.adapterSet(sequence), ids, count) : NOT_YET;
}

/** A sequence goes on behind the rows of another one, which it shares: with the same adapters. */
export function shareAdapters(c: Context, from: u32, to: u32): void {
  if (!HAS_ADAPTERS || c.adapterSets == 0) return;
  memory.copy(changetype<usize>(c.adapterSet(c.sequences)), changetype<usize>(c.adapterSet(from)), SET_BYTES);
  take(c, to);
}

/** Tokens from `keep` on move up by `count`: so does where an aLoRA begins. */
export function shiftAdapters(c: Context, sequence: u32, keep: u32, count: u32): void {
  if (!HAS_ADAPTERS || c.adapterSets == 0) return;
  const set = c.adapterSet(sequence);
  for (let i: u32 = 0; i < set.count; i++) {
    const member = set.member(i);
    if (member.from == NOT_YET || <u32>member.from <= keep) continue;
    member.from = max(<i32>keep, member.from - <i32>count);
  }
}

/** Reads a set into the room behind those of sequences, which the first one takes; weights of 0 are none. */
export function readSet(c: Context, adapters: usize, weights: usize, count: u32): i32 {
  const core = c.core;
  if (count > SET_LIMIT) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "a set has up to {} adapters, not {}", SET_LIMIT, count);
  }
  for (let i: u32 = 0; i < count; i++) {
    const model = changetype<Model>(<usize>u32At(adapters, i));
    const isInMemory = <u64>changetype<usize>(model) + offsetof<Model>() <= (<u64>memory.size()) << 16;
    if (!isInMemory || !isModel(model) || changetype<usize>(model.base) == 0 || model.state != ModelState.READY) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "that handle is not a loaded adapter");
    }
    if (model.base != modelOf(c)) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "this adapter was loaded for another model");
    }
    const weight = f32At(weights, i);
    if (weight - weight != 0) return fail(core, ErrorCode.BAD_ARGUMENT, "the weight of an adapter is a finite number");
    for (let j: u32 = 0; j < i; j++) {
      if (u32At(adapters, j) != u32At(adapters, i)) continue;
      return fail(core, ErrorCode.BAD_ARGUMENT, "an adapter is in a set once: add its weights up");
    }
  }
  if (count == 0 && c.adapterSets == 0) return 0;
  const status = openSets(c);
  if (status != 0) return status;
  const next = c.adapterSet(c.sequences);
  next.count = 0;
  next.isMixed = 0;
  for (let i: u32 = 0; i < count; i++) {
    const weight = f32At(weights, i);
    if (weight == 0) continue;
    const member = next.member(next.count);
    next.count += 1;
    member.adapter = changetype<Model>(<usize>u32At(adapters, i)).adapter;
    member.weight = weight;
    member.from = member.adapter.invocationCount ? NOT_YET : 0;
  }
  return 0;
}

/** The context has room for sets from now on. */
export function openSets(c: Context): i32 {
  if (c.adapterSets != 0) return 0;
  c.adapterSets = allocate(c.core, adapterBytes(c.program, c.sequences), "the adapters of a context");
  return c.adapterSets == 0 ? c.core.errorCode : 0;
}

/** The sequence has the set that was read. */
export function take(c: Context, sequence: u32): void {
  const next = c.adapterSet(c.sequences);
  for (let i: u32 = 0; i < next.count; i++) next.member(i).adapter.users += 1;
  clearAdapters(c, sequence);
  memory.copy(changetype<usize>(c.adapterSet(sequence)), changetype<usize>(next), SET_BYTES);
}

/** Each aLoRA begins where its invocation stands last; the first position from which on that changes anything. */
function place(set: AdapterSet, ids: usize, count: u32): i32 {
  let first: i32 = NOT_YET;
  for (let i: u32 = 0; i < set.count; i++) {
    const member = set.member(i);
    if (member.adapter.invocationCount == 0) continue;
    const at = lastInvocation(member.adapter, ids, count);
    const from = at < 0 ? NOT_YET : at;
    if (from == member.from) continue;
    first = min(first, min(from, member.from));
    member.from = from;
  }
  return first;
}

/** The first position that any adapter is used at. */
export function firstUse(set: AdapterSet): i32 {
  let first: i32 = NOT_YET;
  for (let i: u32 = 0; i < set.count; i++) first = min(first, set.member(i).from);
  return first;
}

/** Whether two sets have the same adapters, with the same weights, in the same order. */
export function areEqual(x: AdapterSet, y: AdapterSet): bool {
  if (x.count != y.count) return false;
  for (let i: u32 = 0; i < x.count; i++) {
    if (x.member(i).adapter != y.member(i).adapter || x.member(i).weight != y.member(i).weight) return false;
  }
  return true;
}
