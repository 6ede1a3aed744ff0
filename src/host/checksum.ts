/** FNV-1a of bytes, behind those that made `state`. It finds accidents, not forgers. */
export function fnv(bytes: Uint8Array, state = 0x811c9dc5): number {
  for (const byte of bytes) state = Math.imul(state ^ byte, 0x01000193);
  return state >>> 0;
}
