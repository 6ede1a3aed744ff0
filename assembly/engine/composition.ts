/**
 * What a session knows of rows that are joined and not made good yet (compose.ts).
 */
import { allocate, release } from "../memory/arena";
import { Core } from "../memory/core";

/** Where a composition is. */
export namespace Phase {
  /** Pieces are joined. */
  export const JOINING: u32 = 0;
  export const TEXTS: u32 = 1;
  export const LOOK: u32 = 2;
  export const REPAIR: u32 = 3;
}

@unmanaged
export class Composition {
  core: Core;
  /** Tokens up to here have rows, those of text between the pieces blank ones. */
  joined: u32;
  phase: u32;
  /** How far the phase has come. */
  done: u32;
  /** Tokens that look, [lookFrom, lookEnd). */
  lookFrom: u32;
  lookEnd: u32;
  /** f32[layers, rows]: what they attend to; 0: nobody looks. */
  mass: usize;
  /** u8[capacity]: 1 where a token is computed anew. */
  marks: usize;
  /** f32[capacity], then u32[capacity]: what of that a token has, and that as a number that sorts like it. */
  attended: usize;
}

/** One of no pieces yet, in a session of `capacity` tokens, `exact` of which have rows; null with the error set. */
export function createComposition(core: Core, capacity: u32, exact: u32): Composition {
  const memory = allocate(core, offsetof<Composition>() + <usize>capacity * 5, "a composition");
  const k = changetype<Composition>(memory);
  if (memory == 0) return k;
  k.core = core;
  k.joined = exact;
  k.attended = memory + offsetof<Composition>();
  k.marks = k.attended + ((<usize>capacity) << 2);
  return k;
}

export function releaseComposition(k: Composition): void {
  release(k.core, k.mass);
  release(k.core, changetype<usize>(k));
}
