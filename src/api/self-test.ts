/**
 * Whether the kernels compute right in this host: each block format and each float kernel on fixed numbers, and the hash
 * of what comes out against the one stored here. The hashes are the scalar build's; all builds of the same bits have them.
 */
import { bytesOf } from "../../bindings/memory.ts";
import { BLOCKS } from "../../bindings/numbers.ts";
import { fnv } from "../host/checksum.ts";
import { messageOf } from "../host/errors.ts";
import { isCodebookType, TYPES, type TypeName } from "../host/types.ts";
import type { Build, WasmOption } from "../host/wasm.ts";
import { type Kernels, kernels } from "./kernels.ts";

/** How the kernels of one build compute in this host. */
export interface SelfTest {
  /** The build that was tried. */
  readonly build: Build;
  /** Whether every kernel gave the bits that it has to give. */
  readonly right: boolean;
  /** The test took so long [milliseconds]. */
  readonly ms: number;
  /** Kernels that were tried: block formats by their names (quantise, dequantise, matmul), and float kernels. */
  readonly kernels: readonly { readonly name: string; readonly right: boolean; readonly hash: string }[];
  /** Why nothing could be tried. */
  readonly error?: string;
}

/** FNV-1a over the results of each kernel. */
const EXPECTED: Readonly<Record<string, string>> = {
  F32: "dfe4e9cf",
  F16: "dcb6cb3c",
  Q4_0: "7aa302c7",
  Q4_1: "53b94436",
  Q5_0: "bb9a9178",
  Q5_1: "fbfc390d",
  Q8_0: "a6b6d66c",
  Q2_K: "b3608422",
  Q3_K: "212cc493",
  Q4_K: "f635ba3d",
  Q5_K: "b76b4c6d",
  Q6_K: "d0b3dd15",
  IQ4_NL: "467a24c3",
  IQ4_XS: "0de269de",
  BF16: "088fcba5",
  TQ1_0: "497c9985",
  TQ2_0: "497c9985",
  MXFP4: "5a6361d9",
  NVFP4: "57b85001",
  Q1_0: "02fe46c1",
  Q2_0: "64b25e57",
  IQ1_S: "44a1e937",
  IQ1_M: "60c90ef5",
  IQ2_XXS: "ae97b8a8",
  IQ2_XS: "0a1f3ea8",
  IQ2_S: "f131fb8d",
  IQ3_XXS: "5d275403",
  IQ3_S: "26a34caf",
  softmax: "97d96065",
  rmsNorm: "e3bf7ab5",
  rope: "028806a7",
  attention: "0e75a7e5",
  "mla, absorbed": "d5811985",
  "mla, expanded": "74f86de2",
};

export async function selfTest(build: Build, wasm?: WasmOption): Promise<SelfTest> {
  const started = performance.now();
  try {
    const k = await kernels({ build, wasm });
    const tried = Object.entries(trials(k)).map(([name, run]) => {
      const hash = hashOf(run());
      return { name, right: hash === EXPECTED[name], hash };
    });
    return { build, right: tried.every(({ right }) => right), ms: performance.now() - started, kernels: tried };
  } catch (error) {
    return { build, right: false, ms: performance.now() - started, kernels: [], error: messageOf(error) };
  }
}

function trials(k: Kernels): Record<string, () => Float32Array[]> {
  const [m, columns, n] = [3, 256, 16];
  const a = wave(m * columns, 700);
  const weights = wave(n * columns, 1300);
  const format = (type: TypeName) => () => {
    const bytes = isCodebookType(type) ? someBlocks(type, n * columns) : k.quantize(type, weights);
    const matrix = { type, bytes, rows: n, cols: columns };
    return [k.dequantize(type, bytes), k.matmul(a, matrix, { m, k: columns, n })];
  };
  const [heads, size, rank, rope] = [2, 16, 32, 8];
  const positions = [0, 1, 2, 3, 4];
  const q = wave(positions.length * heads * size, 300);
  const mla = (form: "absorbed" | "expanded") => () => [
    k.mla({
      q: wave(positions.length * heads * (size + rope), 400),
      latent: wave(positions.length * rank, 500),
      ropeKeys: wave(positions.length * rope, 600),
      wkvB: wave(heads * (size + size) * rank, 800),
      ...{ heads, nope: size, rope, value: size, rank, positions, form },
    }),
  ];
  return {
    ...Object.fromEntries((Object.keys(TYPES) as TypeName[]).map((type) => [type, format(type)])),
    softmax: () => [k.softmax(wave(64, 2100))],
    rmsNorm: () => [k.rmsNorm(q, wave(size, 900), { epsilon: 1e-5 })],
    rope: () => [k.rope(q, { heads, size, positions })],
    attention: () => [k.attention({ q, k: q, v: q, heads, size, positions })],
    "mla, absorbed": mla("absorbed"),
    "mla, expanded": mla("expanded"),
  };
}

/** Blocks of a type that nothing is quantised to, with half scales that are finite and small. */
function someBlocks(type: TypeName, values: number): Uint8Array {
  const { elements, bytes } = BLOCKS[type];
  const blocks = bytesOf(wave(((values / elements) * bytes) / 4, 1700));
  for (let at = 0; at < blocks.length; at += bytes) {
    // IQ1_M has its half scale in four pieces, the last one here.
    blocks[at + (type === "IQ1_M" ? 55 : 1)] &= 0xa3;
  }
  return blocks;
}

/** Numbers that no library function makes, so that they are the same everywhere. */
function wave(length: number, seed: number): Float32Array {
  const values = new Float32Array(length);
  let state = seed + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

function hashOf(results: readonly Float32Array[]): string {
  let state: number | undefined;
  for (const result of results) state = fnv(bytesOf(result), state);
  return (state ?? fnv(new Uint8Array(0))).toString(16).padStart(8, "0");
}
