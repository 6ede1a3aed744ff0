/** `limpet doctor`: what this host can do, which build runs here and why, and whether it computes right. */
import { LimpetError, messageOf } from "../errors.ts";
import { detectFeatures } from "../features.ts";
import { type Kernels, kernels } from "../kernels.ts";
import { TYPES, type TypeName } from "../types.ts";
import type { Build } from "../wasm.ts";
import type { Arguments } from "./arguments.ts";
import type { Io } from "./io.ts";

/** FNV-1a over the results of the self-test, from the scalar build. */
const EXPECTED = "614b07abca156700";

export async function doctor(_args: Arguments, io: Io): Promise<void> {
  const { simd, relaxedSimd, threads } = detectFeatures();
  const say = (what: string, words: string) => io.write(`${what.padEnd(14)}${words}\n`);
  const yes = (value: boolean) => (value ? "yes" : "no");
  const { node, v8 } = process.versions;
  say("host", `Node ${node}, V8 ${v8}, ${process.platform} ${process.arch}`);
  say("SIMD", yes(simd));
  say("relaxed SIMD", `${yes(relaxedSimd)} (not used by this version)`);
  say("threads", threads ? "yes (--threads N)" : "no");
  say("build", simd ? "portable: this host has SIMD" : "scalar (--build scalar): this host has no SIMD");
  say("memory", `WebAssembly grows to ${(largestMemory() / 1024).toFixed(1)} GiB here`);
  const failed: string[] = [];
  for (const build of (simd ? ["portable", "scalar"] : ["scalar"]) as Build[]) {
    const started = performance.now();
    const found = await selfTest(build).catch(messageOf);
    const words = found === EXPECTED ? "right" : `WRONG: ${found} instead of ${EXPECTED}`;
    say(`self-test`, `${build}: ${words} (${(performance.now() - started).toFixed(0)} ms)`);
    if (found !== EXPECTED) failed.push(build);
  }
  if (failed.length) throw new LimpetError("HOST", `the kernels compute wrong here: ${failed.join(", ")}`);
}

/** MiB that a memory can be grown to: what the host allows, found by halving. */
function largestMemory(): number {
  let [fits, fails] = [0, 4097];
  while (fails - fits > 64) {
    const middle = (fits + fails) >> 1;
    try {
      new WebAssembly.Memory({ initial: 1 }).grow(middle * 16 - 1);
      fits = middle;
    } catch {
      fails = middle;
    }
  }
  return fits;
}

/** A hash over kernels of every block format on fixed numbers. */
async function selfTest(build: Build): Promise<string> {
  const k = await kernels({ build });
  const hash = new Hash();
  const shape = { m: 3, k: 256, n: 16 };
  const a = wave(shape.m * shape.k, 0.7);
  const weights = wave(shape.n * shape.k, 1.3);
  for (const type of Object.keys(TYPES) as TypeName[]) {
    const bytes = k.quantize(type, weights);
    hash.add(k.dequantize(type, bytes));
    hash.add(k.matmul(a, { type, bytes, rows: shape.n, cols: shape.k }, shape));
  }
  for (const result of floatKernels(k)) hash.add(result);
  return hash.value;
}

function floatKernels(k: Kernels): Float32Array[] {
  const [heads, size, tokens] = [2, 16, 5];
  const q = wave(tokens * heads * size, 0.3);
  const positions = [0, 1, 2, 3, 4];
  return [
    k.softmax(wave(64, 2.1)),
    k.rmsNorm(q, wave(size, 0.9), { epsilon: 1e-5 }),
    k.rope(q, { heads, size, positions }),
    k.attention({ q, k: q, v: q, heads, size, positions }),
  ];
}

/** Numbers that no library function makes, so that they are the same everywhere. */
function wave(length: number, step: number): Float32Array {
  const values = new Float32Array(length);
  let state = Math.floor(step * 1000) + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}

class Hash {
  #state = 0xcbf29ce484222325n;

  add(values: Float32Array): void {
    for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) {
      this.#state = BigInt.asUintN(64, (this.#state ^ BigInt(byte)) * 0x100000001b3n);
    }
  }

  get value(): string {
    return this.#state.toString(16).padStart(16, "0");
  }
}
