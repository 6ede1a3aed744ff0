/**
 * The built cores for tests of kernels and records: an instance with its memory, its core record, and an arena to put
 * operands into.
 *
 *     const core = loadCore("portable");
 *     const x = core.put(new Float32Array([1, 2, 3]));
 *     const y = core.allocate(12);
 *     core.call("some_kernel", y, x, 3);
 *     core.f32(y, 3);                              // a copy: safe when memory grows
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type CoreInstance, instantiateSync } from "../../bindings/instantiate.ts";
import { address, bytesOf, Memory } from "../../bindings/memory.ts";

export type Build = "portable" | "scalar" | "fast";

/** Exports with whatever names the test knows. */
export type TestExports = { readonly memory: WebAssembly.Memory } & {
  // biome-ignore lint/suspicious/noExplicitAny: a test names exports that the public interface may not have.
  readonly [name: string]: (...values: any[]) => any;
};

const FILES: Record<Build, string> = {
  portable: "limpet.wasm",
  scalar: "limpet.scalar.wasm",
  fast: "limpet.relaxed.wasm",
};
const modules = new Map<string, WebAssembly.Module>();

/** Where the built files lie: LIMPET_BUILD names another folder, that of an older commit, say. */
const BUILD = process.env.LIMPET_BUILD
  ? pathToFileURL(`${process.env.LIMPET_BUILD}/`)
  : new URL("../../build/", import.meta.url);

/** A file of `build/` (or an absolute path) as bytes. */
export function wasmBytes(file: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(new URL(file, BUILD)));
}

export class TestCore {
  readonly build: Build | string;
  readonly exports: TestExports;
  readonly memory: Memory;
  /** The core record. */
  readonly core: number;

  constructor(build: Build | string, instance: CoreInstance<TestExports>) {
    this.build = build;
    this.exports = instance.exports;
    this.memory = new Memory(instance.exports.memory);
    this.core = address(instance.exports.core_create());
    if (this.core === 0) throw new Error("core_create found no memory");
  }

  /** Calls an export by name; a missing one says which build lacks it. */
  call(name: string, ...values: (number | bigint)[]): number {
    const exported = this.exports[name];
    if (typeof exported !== "function") throw new Error(`the ${this.build} build has no export ${name}`);
    return exported(...values);
  }

  /** Zeroed bytes in the arena, aligned to 64. Throws the core's message when there is no room. */
  allocate(bytes: number): number {
    const pointer = address(this.exports.core_allocate(this.core, BigInt(bytes)));
    if (pointer === 0) throw new Error(this.message);
    return pointer;
  }

  release(pointer: number): void {
    this.exports.core_release(this.core, pointer);
  }

  /** A copy of the data in the arena. */
  put(data: ArrayBufferView | ArrayBufferLike | string): number {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : bytesOf(data);
    const pointer = this.allocate(bytes.length);
    this.memory.write(pointer, bytes);
    return pointer;
  }

  // Copies of what lies at a pointer.

  u8 = (pointer: number, length: number): Uint8Array => this.memory.u8(pointer, length).slice();
  i8 = (pointer: number, length: number): Int8Array => this.memory.i8(pointer, length).slice();
  i16 = (pointer: number, length: number): Int16Array => this.memory.i16(pointer, length).slice();
  u16 = (pointer: number, length: number): Uint16Array => this.memory.u16(pointer, length).slice();
  u32 = (pointer: number, length: number): Uint32Array => this.memory.u32(pointer, length).slice();
  i32 = (pointer: number, length: number): Int32Array => this.memory.i32(pointer, length).slice();
  f32 = (pointer: number, length: number): Float32Array => this.memory.f32(pointer, length).slice();
  f64 = (pointer: number, length: number): Float64Array => this.memory.f64(pointer, length).slice();
  text = (pointer: number, length: number): string => this.memory.readText(pointer, length);

  /** The code of the last error. */
  get errorCode(): number {
    return this.exports.error_code(this.core);
  }

  /** The words of the last error. */
  get message(): string {
    return this.text(this.exports.error_message(this.core), this.exports.error_message_length(this.core));
  }
}

/**
 * A new instance of a built core. `file` names another file under `build/` (a test's own entry, for instance).
 */
export function loadCore(build: Build, options: { file?: string; imports?: WebAssembly.Imports } = {}): TestCore {
  const file = options.file ?? FILES[build];
  let module = modules.get(file);
  if (!module) modules.set(file, (module = new WebAssembly.Module(wasmBytes(file))));
  return new TestCore(build, instantiateSync<TestExports>(module, options.imports));
}

/** Both builds, for tests that want the same bits from them. */
export function bothCores(): [portable: TestCore, scalar: TestCore] {
  return [loadCore("portable"), loadCore("scalar")];
}

/** True when two arrays hold the same bytes: NaN payloads and the sign of zero count. */
export function sameBits(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}
