/**
 * Experts that stay in the file: which slabs a pass asks for, and when. The choice is known before the first product of
 * a layer's experts, so that product asks for what all of them want, in one list:
 *
 *     gate: all there? ──no──► its slabs, then those of up and down ──► NEED_DATA ──► kept (slab_cache.ts) ──┐
 *            │ yes                                                                                           │
 *            └──► multiply ──► up: all there, unless the list was full or others took the places ──► … ◄─────┘
 *
 * Where tokens go to more experts than the list or the cache holds, a product goes from expert to expert as in memory,
 * and asks for the next ones when it lacks one. A step that asks has changed nothing but the cache and its own scratch.
 */
import { Status } from "../memory/core";
import { u32At } from "../memory/bytes";
import { Context, rowAt } from "../pass/context";
import { NOTHING, Op, Step } from "../program/program";
import { askSlab, beginSlabs, findSlab, hitSlab, slabsAtOnce } from "../weights/slab_cache";
import { Weight, WeightState } from "../weights/weight";
import { packedGroupBytes } from "../kernels/quant/index";

/** The packed matrix of an expert. */
@inline
export function matrixOf(weight: Weight, expert: u32): usize {
  if (weight.state == WeightState.STREAMED) return findSlab(weight, expert);
  return weight.data + <usize>expert * packedGroupBytes(weight.type, weight.columns) * weight.slabGroups;
}

/** Of the experts of one token those from `begin` on are hit, up to one that lacks: which one that is. */
export function hitExperts(c: Context, s: Step, weight: Weight, begin: u32): u32 {
  while (begin < s.n0 && hitSlab(c.program.weights, weight, u32At(c.at(s.in1), begin))) begin += 1;
  return begin;
}

/** Counts what a step wants: `slabs` for the first time that it comes to `place`. */
export function countWanted(c: Context, place: u32, slabs: u32): void {
  if (c.part >= place) return;
  c.part = place;
  c.program.weights.slabClock += 1;
  c.program.weights.slabsWanted += slabs;
}

/**
 * Asks for the slab of an expert, for those that the pass wants of the weight from `from` on, and for those of the
 * products behind it that have the same choice, as many as the list and the cache hold.
 */
export function askSlabs(c: Context, s: Step, weight: Weight, expert: u32, from: u32): i32 {
  const p = c.program;
  beginSlabs(p.weights, c.requests);
  askSlab(p.weights, c.requests, weight, expert);
  let room = askWanted(c, s, weight, from, expert, slabsAtOnce(weight) - 1);
  for (let i = c.step + 1 + s.members; i < c.endStep && room != 0; i += 1 + p.step(i).members) {
    const other = p.step(i);
    if (other.op != Op.EXPERTS || other.in1 != s.in1) continue;
    const its = c.weight(other.weight);
    room = askWanted(c, other, its, 0, NOTHING, min(room, slabsAtOnce(its)));
  }
  return Status.NEED_DATA;
}

/**
 * Hits the slabs that the pass wants from `from` on, or asks for them, at most `room`; how many more there is room for.
 */
function askWanted(c: Context, s: Step, weight: Weight, from: u32, asked: u32, room: u32): u32 {
  const weights = c.program.weights;
  for (let e = from; e < weight.slabs && room != 0; e++) {
    if (e == asked || !isWanted(c, s, e)) continue;
    if (!hitSlab(weights, weight, e) && !askSlab(weights, c.requests, weight, e)) return 0;
    room -= 1;
  }
  return room;
}

/** Whether any token goes to the expert. */
function isWanted(c: Context, s: Step, expert: u32): bool {
  for (let i: u32 = 0; i < c.active; i++) {
    const chosen = rowAt(c.at(s.in1), i, c.stride(s.in1));
    for (let j: u32 = 0; j < s.n0; j++) if (u32At(chosen, j) == expert) return true;
  }
  return false;
}
