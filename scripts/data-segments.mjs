/**
 * Joins the data segments of the module that asc makes. asc writes one for each piece of static data, and each takes
 * some seven bytes besides: flags, address, length. The core has half a thousand literals that lie side by side. Memory that
 * is all zeros is in no piece: a host's memory is zeros before, and a thread that comes late must not make it so again.
 */
import { MemorySegment, Module } from "assemblyscript";

/** Segments that lie no further apart become one [bytes]. */
const LARGEST_GAP = 6;

/** From now on, what asc hands to Binaryen is joined. */
export function joinSegments() {
  const { setMemory } = Module.prototype;
  Module.prototype.setMemory = function (initial, maximum, segments, ...others) {
    return setMemory.call(this, initial, maximum, joined(segments), ...others);
  };
}

/** The segments, which come in the order of their addresses, in fewer pieces. */
function joined(segments) {
  const pieces = [];
  for (const { buffer, offset } of segments) {
    // asc has 64-bit integers as objects, and helpers for them as globals.
    const start = globalThis.i64_low(offset);
    const last = pieces.at(-1);
    const gap = last ? start - last.end : -1;
    if (buffer.length > LARGEST_GAP && buffer.every((byte) => byte === 0)) continue;
    if (gap < 0 || gap > LARGEST_GAP) pieces.push({ offset, buffers: [buffer], end: start + buffer.length });
    else {
      last.buffers.push(new Uint8Array(gap), buffer);
      last.end = start + buffer.length;
    }
  }
  return pieces.map(({ buffers, offset }) => new MemorySegment(new Uint8Array(Buffer.concat(buffers)), offset));
}
