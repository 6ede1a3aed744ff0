/** Compositions of small models that the numpy oracle has seen too (test/golden/composed.json). */
import { spread } from "./engine.ts";

export interface ComposedCase {
  kind: string;
  lead: number[];
  pieces: number[][];
  /** The ids before each piece, and behind the last. */
  texts: number[][];
  share: number;
}

const PIECES = [spread(24, 3), spread(31, 11), spread(27, 29)];

export const COMPOSED_CASES: readonly ComposedCase[] = ["llama-tiny", "plm-1m"].flatMap((kind) => [
  { kind, lead: [1], pieces: PIECES, texts: [[], [], [], spread(7, 41)], share: 0.16 },
  { kind, lead: [1, 7], pieces: PIECES, texts: [spread(3, 51), [], spread(5, 61), [9]], share: 0.4 },
  { kind, lead: [1], pieces: PIECES.slice(0, 2), texts: [[], spread(4, 71), spread(6, 81)], share: 0 },
  { kind, lead: [1], pieces: PIECES.slice(1), texts: [[], [], spread(6, 91)], share: 1 },
]);
