/** A graph on the exports themselves: what a test sees of every tensor, and models of ../shared with their inputs. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { instantiateSync } from "../../bindings/instantiate.ts";
import { GraphFlag, Status, TensorType } from "../../bindings/numbers.ts";
import type { TestExports } from "./core.ts";
import { TestCore, wasmBytes } from "./core.ts";

const modules = new Map<string, WebAssembly.Module>();

/** A core of a build for graphs. */
export function graphCore(file: string): TestCore {
  const module = modules.get(file) ?? new WebAssembly.Module(wasmBytes(file));
  modules.set(file, module);
  return new TestCore(file, instantiateSync<TestExports>(module));
}

export interface TestTensor {
  readonly type: number;
  readonly bytes: number;
  readonly scale: number;
  readonly zero: number;
  readonly data: number;
}

export class TestGraph {
  readonly core: TestCore;
  readonly pointer: number;
  readonly #inputs: Uint8Array[] = [];

  /** Throws the core's words where the file is refused, or the bytes that its values may take are too few. */
  constructor(core: TestCore, file: Uint8Array, traced = false, budget = 0) {
    this.core = core;
    this.pointer =
      core.call("graph_create", core.core, BigInt(file.length) as never, traced ? GraphFlag.TRACED : 0) >>> 0;
    if (this.pointer === 0) throw new Error(core.message);
    core.memory.write(core.call("graph_file", this.pointer), file);
    core.call("graph_set_budget", this.pointer, BigInt(budget) as never);
    let status: number = Status.MORE;
    while (status === Status.MORE) status = core.call("graph_step", core.core, this.pointer);
    if (status < 0) {
      const words = core.message;
      this.release();
      throw new Error(words);
    }
  }

  release(): void {
    this.core.call("graph_release", this.core.core, this.pointer);
  }

  tensor(which: 0 | 1 | 3, index: number): TestTensor {
    const at = this.core.call("graph_tensor", this.pointer, which, index);
    const number = (number: number): number => this.core.call("graph_tensor_number", at, number);
    const data = this.core.call("graph_tensor_data", at) >>> 0;
    return { type: number(0), bytes: number(2), scale: number(3), zero: number(4), data };
  }

  count(what: 0 | 1 | 2): number {
    return this.core.call("graph_count", this.pointer, what);
  }

  bytes(kind: number): number {
    return this.core.call("graph_bytes", this.pointer, kind);
  }

  /** How it is computed: patches along a side, 0 for none, operators that run patch by patch, and the factor of work. */
  get plan(): { values: number; side: number; stage: number; factor: number } {
    const factor = this.bytes(5) / this.bytes(7);
    return { values: this.bytes(2), side: this.bytes(8), stage: this.bytes(9), factor };
  }

  /** Writes an input, or keeps it to be written part by part. */
  write(index: number, bytes: Uint8Array): void {
    const { data, bytes: wanted } = this.tensor(0, index);
    if (bytes.length !== wanted) throw new Error(`input ${index} wants ${wanted} bytes, not ${bytes.length}`);
    this.#inputs[index] = bytes;
    const at = this.core.call("graph_tensor", this.pointer, 0, index);
    if (this.core.call("graph_tensor_number", at, 6) === wanted) this.core.memory.write(data, bytes);
  }

  /** Writes the parts of inputs that a patch wants, and nothing beyond the room of each. */
  #feed(): void {
    this.#inputs.forEach((bytes, i) => {
      const at = this.core.call("graph_tensor", this.pointer, 0, i);
      const [top, bottom, left, right] = [0, 1, 2, 3].map((side) => this.core.call("graph_wanted", at, side));
      const [height, width] = [1, 2].map((d) => this.core.call("graph_tensor_number", at, 8 + d));
      const [row, pixel] = [bytes.length / height, bytes.length / height / width];
      const room = this.core.call("graph_tensor_number", at, 6);
      if ((bottom - top) * (right - left) * pixel > room) throw new Error("a part that has no room");
      for (let y = top; y < bottom; y++) {
        const line = bytes.subarray(y * row + left * pixel, y * row + right * pixel);
        this.core.memory.write(this.tensor(0, i).data + (y - top) * line.length, line);
      }
    });
  }

  output(index: number): Uint8Array {
    const { data, bytes } = this.tensor(1, index);
    return this.core.memory.read(data, bytes);
  }

  run(): void {
    let status: number = Status.MORE;
    while (status > Status.DONE) {
      status = this.core.call("graph_run", this.core.core, this.pointer);
      if (status === Status.NEED_DATA) this.#feed();
    }
    if (status < 0) throw new Error(this.core.message);
  }

  /** Runs operator by operator: the checksum of what each one writes. */
  trace(): Map<number, string> {
    const sums = new Map<number, string>();
    for (let status: number = Status.MORE; status > Status.DONE; ) {
      const operator = this.core.call("graph_next", this.pointer);
      status = this.core.call("graph_run_operator", this.core.core, this.pointer);
      if (status < 0) throw new Error(this.core.message);
      if (status === Status.NEED_DATA) {
        this.#feed();
        continue;
      }
      const id = this.core.call("graph_operator_output", this.pointer, operator, 0);
      if (id < 0) continue;
      const { data, bytes } = this.tensor(3, id);
      sums.set(operator, checksum(this.core.memory.read(data, bytes)));
    }
    return sums;
  }
}

/** CRC-32 as the goldens write it. */
export function checksum(bytes: Uint8Array): string {
  return (crc32(bytes) >>> 0).toString(16).padStart(8, "0");
}

/** Bytes of the generator of data/graphs: x >> 24 behind each step of x = 1664525·x + 1013904223 mod 2³². */
export function lcg(count: number, seed: number): Uint8Array {
  let x = seed;
  return Uint8Array.from({ length: count }, () => {
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
    return x >>> 24;
  });
}

/** … as the values of an input: bytes as they are, or (byte − 128) / divisor. */
export function lcgInput({ type, bytes }: TestTensor, seed: number, divisor: number): Uint8Array {
  return type === TensorType.F32 ? floats(lcg(bytes / 4, seed), (byte) => (byte - 128) / divisor) : lcg(bytes, seed);
}

export function floats(bytes: Uint8Array, value: (byte: number) => number): Uint8Array {
  return new Uint8Array(Float32Array.from(bytes, value).buffer);
}

/** Half away from zero. */
export function away(value: number): number {
  return value < 0 ? Math.ceil(value - 0.5) : Math.floor(value + 0.5);
}

/** … within the values of i8. */
export function kept(value: number): number {
  return Math.min(Math.max(value, -128), 127);
}

export interface GoldenOutput {
  readonly dtype?: string;
  readonly crc32?: string;
  readonly values?: readonly number[];
  readonly file?: string;
  readonly min?: number;
  readonly max?: number;
}
export interface GoldenCase {
  readonly model: string;
  readonly case: string;
  readonly input: string;
  readonly features?: string;
  readonly crc32?: string;
  readonly skip?: readonly number[];
  readonly outputs: readonly GoldenOutput[];
}

/** The folder data/graphs of ../shared. */
export class Goldens {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  read(path: string): Uint8Array {
    return new Uint8Array(readFileSync(join(this.folder, path)));
  }

  has(path: string): boolean {
    return existsSync(join(this.folder, path));
  }

  json<T>(path: string): T {
    return JSON.parse(readFileSync(join(this.folder, path), "utf8")) as T;
  }

  model(name: string): Uint8Array {
    return this.read(`models/${name}.tflite`);
  }

  cases(): readonly GoldenCase[] {
    return this.json<{ cases: readonly GoldenCase[] }>("goldens.json").cases;
  }

  /** The input of a case as the bytes of the graph's tensor. */
  input(golden: GoldenCase, tensor: TestTensor): Uint8Array {
    if (golden.input === "lcg seed 1") return lcgInput(tensor, 1, 128);
    const raw = this.read(`inputs/${golden.input}`);
    if (golden.input.endsWith(".i8.bin")) return raw;
    if (tensor.type === TensorType.I8) return raw.map((byte) => byte - 128);
    if (golden.model.startsWith("selfie")) return floats(raw, (byte) => Math.fround(byte / 255));
    return floats(raw, (byte) => Math.fround(byte / 127.5) - 1);
  }
}
