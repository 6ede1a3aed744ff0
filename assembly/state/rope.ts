/**
 * How the positions of a group of layers become angles (kernels/float/rope.ts): a base, a scaling, and factors that may
 * depend on how long the context is.
 */
import { ropeAngles, scaledAngles } from "../kernels/float/rope";

@unmanaged
export class Rope {
  /** Pairs of dimensions that turn. */
  pairs: u32;
  base: f32;
  /** What angles are multiplied with: 1 divided by the factor of the scaling. */
  scale: f32;
  /** YaRN: 1, and pairs up to `low` keep their angles, those from `high` on are scaled; else 0. */
  yarn: f32;
  low: f32;
  high: f32;
  /** What cosines and sines are multiplied with. */
  magnitude: f32;
  /** 1: the factors of the file are not for it. */
  isPlain: u32;
  /** 1: the file says that it has lists of factors. */
  needsLists: u32;
  /** Weights that hold factors of the angles, plus 1; 0: none. The long ones serve contexts above `original` rows. */
  factors: u32;
  longFactors: u32;
  original: u32;
  /** While a program is built: the value of its angles. */
  angles: u32;
}

/** Whether a context of so many rows takes the long factors. */
export function isLong(r: Rope, rows: u32): bool {
  return r.longFactors != 0 && rows > r.original;
}

/** The cosines and sines f32[2 · pairs] of a position. `factors`: 0, or f32[pairs] that divide the angles. */
export function anglesOf(r: Rope, position: i32, factors: usize, target: usize): void {
  turnOf(r, position, factors, r.magnitude, target);
}

/** As `anglesOf`, times `magnitude`: 1 for rows that are turned once more, since they have the other one already. */
export function turnOf(r: Rope, position: i32, factors: usize, magnitude: f32, target: usize): void {
  if (r.scale == 1 && magnitude == 1) ropeAngles(position, r.pairs, r.base, factors, target);
  else scaledAngles(position, r.pairs, r.base, factors, r.scale, r.yarn, r.low, r.high, magnitude, target);
}
