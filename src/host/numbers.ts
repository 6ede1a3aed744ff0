/** Numbers that a caller gives, checked before the core sees them. */
import { LimpetError } from "./errors.ts";

/** An option that is a whole number in a range; the core would take it modulo 2^32. */
export function wholeNumber(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new LimpetError("BAD_ARGUMENT", `${name} is a whole number from ${least} to ${most}, not ${value}`);
}
