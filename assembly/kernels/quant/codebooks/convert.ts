/** Words of codebooks between file and memory: dequantise, pack, unpack. */
import { EXPANDED_BYTES, INTEGERS, SCALES } from "./format";
import { expandBlock, fillTables } from "./formats";
import { rowBytes } from "../types";

/** GGUF blocks → f32, exactly or with all scales finite (layout.ts); `count` a multiple of 256. */
export function dequantizeWords(type: u32, source: usize, target: usize, count: usize, isFinite: bool): void {
  fillTables(type);
  for (; count >= 256; count -= 256) {
    // The integers wait where the last values go, and no value reaches one that is still to come; it does reach scales.
    const expanded = target + (1024 - EXPANDED_BYTES);
    const d = expandBlock(type, source, expanded, isFinite);
    let scales = load<u64>(expanded, SCALES);
    const more = load<u64>(expanded, SCALES + 8);
    const end = target + 1024;
    for (let integer = expanded + INTEGERS; target != end; ) {
      const scale = d * <f32>(<u8>scales);
      for (const next = target + 64; target != next; target += 4) {
        store<f32>(target, scale * <f32>load<i8>(integer));
        integer++;
      }
      scales >>= 8;
      if (target + 512 == end) scales = more;
    }
    source += <usize>rowBytes(type, 256);
  }
}

/** Up to eight rows, `rowStride` apart → one group; rows that are missing are zero bytes, and so zeros. */
export function packWords(type: u32, source: usize, rowStride: usize, rows: u32, columns: u32, target: usize): void {
  const bytes = <usize>rowBytes(type, columns);
  fillTables(type);
  if (rows < 8) memory.fill(target, 0, bytes << 3);
  for (; rows > 0; rows--) {
    memory.copy(target, source, bytes);
    source += rowStride;
    target += bytes;
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackWords(type: u32, group: usize, lane: u32, columns: u32, target: usize): void {
  const bytes = <usize>rowBytes(type, columns);
  memory.copy(target, group + <usize>lane * bytes, bytes);
}
