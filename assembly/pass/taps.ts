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

/** Bytes of what is attended to in all layers, f32[layers][rows]. */
@inline
export function massBytes(c: Context): usize {
  return (<usize>c.program.layerCount * c.rowCapacity) << 2;
}
