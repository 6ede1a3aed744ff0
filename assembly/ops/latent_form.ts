/**
 * The two forms of latent attention, and which one a layer of a pass takes (ops/latent.ts).
 *
 * Multiply-adds a layer: absorbed n(2r + rope) a query and row; expanded n(nope + rope + value) a query and row, and
 * r·n(nope + value) a row seen: so expanded pays for chunks of more than about 171 queries in PLM-1.8B.
 */
import { Context, Form, Visibility } from "../pass/context";
import { isAsked } from "../pass/taps";
import { listOf } from "../pass/visible";
import { StateShape } from "../state/shape";

/** Chunks of fewer tokens run absorbed whatever it costs: a prompt of a few words has the bits of decoding. */
const LONG_CHUNK: u32 = 64;

/**
 * Expanded needs one sequence whose rows are seen as prefixes, and nobody who asks what is attended to; unless asked
 * for, it must pay too. `nope` and `value` are the dimensions of a head that are made of a latent.
 */
export function choosesExpanded(c: Context, shape: StateShape, nope: u32, value: u32): bool {
  if (c.form == Form.ABSORBED || c.active == 0 || c.visibility != Visibility.CAUSAL || isAsked(c)) return false;
  const sequence = c.sequence(c.token(0));
  for (let i: u32 = 1; i < c.active; i++) if (c.sequence(c.token(i)) != sequence) return false;
  const list = listOf(c, 0);
  if (!list.sorted) return false;
  if (c.form == Form.EXPANDED) return true;
  if (c.active < LONG_CHUNK) return false;
  const rank = <u64>shape.first;
  const made = <u64>nope + value;
  if (2 * rank <= made) return false;
  // A row is expanded once and seen by every query of the chunk, those of the chunk itself by half of them.
  const saved = (2 * rank - made) * c.active * (list.count - (c.active >> 1));
  return saved > rank * made * (list.count - c.active);
}
