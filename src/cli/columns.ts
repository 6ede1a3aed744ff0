/** Numbers and rows as text. */
import { escapeLine } from "../host/escape.ts";

/** A number of 32 bits in the fewest digits that tell it: 1e-5, not 0.000009999999747378752. */
export function shortest(value: number): number {
  if (Number.isInteger(value) || Math.fround(value) !== value) return value;
  for (let digits = 1; digits < 10; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === value) return rounded;
  }
  return value;
}

/** Columns beside each other; those named in `numbers` end at the right. */
export function table(cells: string[][], numbers: number[]): string {
  const rows = cells.map((row) => row.map(escapeLine));
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (numbers.includes(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}
