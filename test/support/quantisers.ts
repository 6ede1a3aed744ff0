/**
 * What the quantisers are measured by: matrices that are the same in every run, and the error that a format's search
 * makes small. llama.cpp's errors on them lie in test/golden/quantisers.json (bench/quantize.mjs --golden writes it).
 *
 * The weights are those that llama.cpp's search uses when it has no importance matrix:
 *
 *     Q4_K, Q5_K          rms of the sub-block + |x|
 *     Q2_K                |x|
 *     Q3_K, Q6_K, IQ4_*   x²
 *     others              1: their reference rounds and searches nothing
 */
import { normals, random } from "./formats.ts";

export const SEARCHED = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"];

export interface Matrix {
  readonly name: string;
  /** Values of a row. */
  readonly columns: number;
  readonly data: Float32Array;
}

const COLUMNS = [256, 1024, 4096, 8192];
const VALUES = 1 << 17;
const OUTLIERS = { share: 0.002, factor: 30 };

/** Normal, heavy-tailed (Student's t, 3 degrees of freedom), and normal with a few outliers. */
export function* madeMatrices(): Generator<Matrix, void, undefined> {
  for (const columns of COLUMNS) {
    const normal = normals(VALUES, columns).map((x) => 0.02 * x);
    yield { name: `normal ${columns}`, columns, data: normal };
    const chi = normals(3 * VALUES, columns + 1);
    const heavy = normal.map((x, i) => x / (Math.hypot(chi[3 * i], chi[3 * i + 1], chi[3 * i + 2]) / Math.sqrt(3)));
    yield { name: `heavy ${columns}`, columns, data: heavy };
    const next = random(columns + 2);
    const outliers = normal.map((x) => (next() < OUTLIERS.share ? OUTLIERS.factor * x : x));
    yield { name: `outliers ${columns}`, columns, data: outliers };
  }
}

/** Σ w (x − x̂)² with the weights of the type. */
export function weightedError(type: string, x: Float32Array, decoded: Float32Array): number {
  const part = ["Q2_K", "Q3_K", "Q6_K"].includes(type) ? 16 : 32;
  let sum = 0;
  for (let at = 0; at < x.length; at += part) {
    let squares = 0;
    for (let i = at; i < at + part; i++) squares += x[i] * x[i];
    const rms = Math.sqrt(squares / part);
    for (let i = at; i < at + part; i++) sum += weight(type, x[i], rms) * (x[i] - decoded[i]) ** 2;
  }
  return sum;
}

function weight(type: string, x: number, rms: number): number {
  if (type === "Q4_K" || type === "Q5_K") return rms + Math.abs(x);
  if (type === "Q2_K") return Math.abs(x);
  return SEARCHED.includes(type) ? x * x : 1;
}
