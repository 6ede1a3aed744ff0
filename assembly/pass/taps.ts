/**
 * Taps: what a host asks of a pass beside the logits.
 */
import { Context } from "./context";
import { Tap } from "../program/program";

/** Whether somebody asked what is attended to. */
@inline
export function isAsked(c: Context): bool {
  return c.mass != 0 || c.tap(Tap.ATTENTION) != 0;
}
