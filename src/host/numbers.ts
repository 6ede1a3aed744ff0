/** Numbers that a caller gives, checked before the core sees them. */
import { whole } from "./arguments.ts";

/** An option that is a whole number in a range; the core would take it modulo 2^32. */
export function wholeNumber(name: string, value: number, least: number, most: number): number {
  return whole(least, most)(name, value);
}
