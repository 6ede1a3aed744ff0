/** Medians and spreads of samples. */

/** @typedef {{ median: number, min: number, max: number, n: number }} Figure */

/** Median of some numbers. @param {readonly number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Samples as a figure; null without any. @param {readonly (number | null | undefined)[]} samples @returns {Figure | null} */
export function figure(samples) {
  const numbers = /** @type {number[]} */ (samples.filter((sample) => Number.isFinite(sample)));
  if (numbers.length === 0) return null;
  return { median: median(numbers), min: Math.min(...numbers), max: Math.max(...numbers), n: numbers.length };
}

/** Three digits that count, without an exponent. @param {number} value */
export function short(value) {
  if (value === 0) return "0";
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** "median (min–max, n)". @param {Figure | null | undefined} figure */
export function spread(figure) {
  if (!figure) return "–";
  if (figure.n === 1) return `${short(figure.median)} (n=1)`;
  return `${short(figure.median)} (${short(figure.min)}–${short(figure.max)}, n=${figure.n})`;
}
