/**
 * What the quantisers are measured by: matrices that are the same in every run, the error that a format's search makes
 * small, and models that show which type a mix gives to which matrix. llama.cpp's errors on the matrices lie in
 * test/golden/quantisers.json, its mixes in test/golden/mixes.json, what it makes of blocks and of values byte by byte in
 * test/golden/blocks.json (bench/quantize.mjs --golden writes them).
 *
 * The weights are those that llama.cpp's search uses when it has no importance matrix:
 *
 *     Q4_K, Q5_K          rms of the sub-block + |x|
 *     Q2_K                |x|
 *     Q3_K, Q6_K, IQ4_*   x²
 *     others              1: their reference rounds and searches nothing
 */

import { SHAPES } from "../../scripts/architectures.mjs";
import { formatOf } from "./formats.ts";
import { generator, normals, randomBytes } from "./random.ts";

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
    const next = generator(columns + 2);
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

/** Formats whose blocks llama.cpp was asked about, byte by byte (test/golden/blocks.json). */
export const GOLDEN_FORMATS = ["NVFP4", "Q1_0", "Q2_0"];

/** Bytes of scales in UE4M3 where something changes: zero, subnormals, the last numbers, NaN, the bit without a meaning. */
const SCALE_BYTES = [0, 1, 7, 8, 55, 63, 119, 120, 126, 127, 128, 129, 200, 255, 64, 48];

/** Blocks with every code, and scales of all sizes and both signs. */
export function goldenBlocks(type: string): Uint8Array {
  const { bytes } = formatOf(type);
  const blocks = randomBytes(8 * bytes, bytes + type.length);
  for (let b = 0; b < 8; b++) {
    const at = b * bytes;
    if (type === "NVFP4") for (let i = 0; i < 4; i++) blocks[at + i] = SCALE_BYTES[(4 * b + i) % SCALE_BYTES.length];
    // A half that is not NaN or infinite; the last one is subnormal.
    else blocks[at + 1] = b === 7 ? blocks[at + 1] & 0x83 : blocks[at + 1] & 0xfb;
  }
  return blocks;
}

/** Values of all sizes, zeros and ties among them. */
export function goldenValues(elements: number): Float32Array {
  const values = normals(8 * elements, elements);
  const sizes = [0.02, 1, 300, 1e-6, 1e-30, 0, 4000, 1];
  const sized = values.map((x, i) => x * sizes[Math.floor(i / elements)]);
  // In the last block the scales of Q2_0 and NVFP4 are whole, and values lie between two codes.
  for (let i = 7 * elements; i < sized.length; i++) sized[i] = i % 16 === 0 ? 12 : ((i % 49) - 24) / 4;
  return sized;
}

/** Models in which every rule of a mix shows: sixteenths and eighths of layers, 4 heads a key, MLA, rows of all sizes, experts. */
export const MIXED_MODELS: Record<string, (typeof SHAPES)[string]> = {
  llama: { ...SHAPES["llama-tiny"], layers: 17 },
  plm: { ...SHAPES["plm-1m"], layers: 12 },
  narrow: { ...SHAPES["qwen2-tiny"], layers: 9, hidden: 96, ffn: 80 },
  // Eight experts, and six beside a shared one.
  qwen3moe: { ...SHAPES["qwen3moe-tiny"], layers: 9, hidden: 256, headSize: 64, expertWidth: 256 },
  qwen2moe: { ...SHAPES["qwen2moe-tiny"], layers: 9, hidden: 256, expertWidth: 256, sharedWidth: 256 },
};

/** The mixes that llama.cpp has too, and its numbers for them. */
export const MIXES: Record<string, number> = {
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q2_K: 10,
  Q3_K_S: 11,
  Q3_K_M: 12,
  Q3_K_L: 13,
  Q4_K_S: 14,
  Q4_K_M: 15,
  Q5_K_S: 16,
  Q5_K_M: 17,
  Q6_K: 18,
  IQ4_NL: 25,
  IQ4_XS: 30,
  BF16: 32,
  TQ1_0: 36,
  TQ2_0: 37,
  Q1_0: 40,
  Q2_0: 41,
};

/** The types of a file's matrices by role: one where all layers have the same, else layer by layer. */
export function typesByRole(tensors: readonly { name: string; type: string; shape: readonly number[] }[]) {
  const roles = new Map<string, string[]>();
  const layerOf = (name: string) => Number(name.match(/\d+/)?.[0] ?? 0);
  for (const { name, type, shape } of [...tensors].sort((a, b) => layerOf(a.name) - layerOf(b.name))) {
    if (shape.length < 2) continue;
    const role = name.replace(/^blk\.\d+\./, "").replace(/\.weight$/, "");
    roles.set(role, [...(roles.get(role) ?? []), type]);
  }
  const lines = [...roles].map(([role, types]) => [role, new Set(types).size === 1 ? types[0] : types.join(" ")]);
  return Object.fromEntries(lines.sort(([a], [b]) => (a < b ? -1 : 1))) as Record<string, string>;
}
