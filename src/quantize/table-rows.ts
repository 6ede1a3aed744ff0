/**
 * Rows of a MemoryFormer's table in bytes: each row has one scale, which is a tensor beside the table (docs/formats.md).
 *
 *     Q8    byte i: the code of column i, -127 … 127
 *     Q4    byte i: low nibble the code of column i, high nibble that of column i + columns/2; a code c means c - 8
 */

export type TableForm = "Q8" | "Q4";

/** Bytes of a row. */
export function tableRowBytes(form: TableForm, columns: number): number {
  return form === "Q8" ? columns : columns / 2;
}

/** Whole rows → codes, row after row; the scale of each goes to `scales`. */
export function quantizeTableRows(
  form: TableForm,
  values: Float32Array,
  columns: number,
  codes: Uint8Array,
  scales: Float32Array,
): void {
  for (let row = 0; row * columns < values.length; row++) {
    const x = values.subarray(row * columns, (row + 1) * columns);
    const target = codes.subarray(row * tableRowBytes(form, columns));
    scales[row] = form === "Q8" ? quantizeRow8(x, target) : quantizeRow4(x, target);
  }
}

/** The inverse: whole rows of codes with a scale each → values. */
export function dequantizeTableRows(
  form: TableForm,
  codes: Uint8Array,
  columns: number,
  scales: Float32Array,
  values: Float32Array,
): void {
  const width = tableRowBytes(form, columns);
  for (let row = 0; row < scales.length; row++) {
    const [from, to, scale] = [row * width, row * columns, scales[row]];
    for (let i = 0; i < width; i++) {
      const byte = codes[from + i];
      if (form === "Q8") values[to + i] = ((byte << 24) >> 24) * scale;
      else {
        values[to + i] = ((byte & 15) - 8) * scale;
        values[to + i + width] = ((byte >> 4) - 8) * scale;
      }
    }
  }
}

/** Rounds halves away from zero, as Q8_0 does. */
function quantizeRow8(x: Float32Array, target: Uint8Array): number {
  let largest = 0;
  for (const value of x) largest = Math.max(largest, Math.abs(value));
  const scale = Math.fround(largest / 127);
  const inverse = scale ? 1 / scale : 0;
  for (let i = 0; i < x.length; i++) {
    const code = Math.min(Math.floor(Math.abs(x[i]) * inverse + 0.5), 127);
    target[i] = x[i] < 0 ? -code : code;
  }
  return scale;
}

/** The value farthest from zero gets the code -8, which is the longest, as in Q4_0. */
function quantizeRow4(x: Float32Array, target: Uint8Array): number {
  let farthest = 0;
  for (const value of x) if (Math.abs(value) > Math.abs(farthest)) farthest = value;
  const scale = Math.fround(farthest / -8);
  const inverse = scale ? 1 / scale : 0;
  const half = x.length / 2;
  const code = (value: number) => Math.max(0, Math.min(Math.floor(value * inverse + 8.5), 15));
  for (let i = 0; i < half; i++) target[i] = code(x[i]) | (code(x[i + half]) << 4);
  return scale;
}
