/**
 * Blocks of 32 columns between file and memory, written once for all formats: dequantise, quantise, pack, unpack. What
 * differs is in the format's tag (blocks32/format.ts lists its members).
 *
 * Cost of 32 columns: dequantising some eight scalar operations a column, packing nibbles some twelve vector
 * operations.
 */

/** GGUF blocks → f32, exactly or with all scales finite (layout.ts); `count` a multiple of 32. */
export function dequantizeBlocks<F>(source: usize, target: usize, count: usize, isFinite: bool): void {
  const f = changetype<F>(0);
  for (; count >= 32; count -= 32) {
    const d = f.fileScale(source, isFinite);
    const m = f.fileMinimum(source, isFinite);
    const fifths: u32 = isDefined(f.fileFifthBits) ? f.fileFifthBits(source) : 0;
    for (let j: usize = 0; j < 16; j++) {
      const pair = f.filePair(source, j);
      const low = d * <f32>f.lowInteger(pair, fifths >> <u32>j);
      store<f32>(target + (j << 2), f.minimum ? low + m : low);
      const high = d * <f32>f.highInteger(pair, fifths >> (<u32>j + 16));
      store<f32>(target + (j << 2), f.minimum ? high + m : high, 64);
    }
    source += f.fileBytes;
    target += 128;
  }
}

/** f32 → GGUF blocks; `count` a multiple of 32. */
export function quantizeBlocks<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  for (; count >= 32; count -= 32) {
    f.encode(source, target);
    source += 128;
    target += f.fileBytes;
  }
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero bytes. */
export function packBlocks<F>(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const blocks = columns >> 5;
  if (rows < 8) memory.fill(target, 0, <usize>blocks * f.blockBytes);
  for (let row: u32 = 0; row < rows; row++) {
    let file = source + <usize>row * rowBytes;
    let block = target;
    for (let b: u32 = 0; b < blocks; b++) {
      f.pack(file, block, row);
      file += f.fileBytes;
      block += f.blockBytes;
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackBlocks<F>(group: usize, lane: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    f.unpack(group, lane, target);
    group += f.blockBytes;
    target += f.fileBytes;
  }
}
