/**
 * One instance of the core with its memory: calls that throw `LimpetError` instead of giving statuses, and operands
 * that are put into the arena and taken back.
 */
import type { CoreExports, Pointer, Status, ThreadExports } from "../../bindings/exports.ts";
import { address, bytesOf, encodeText, Memory } from "../../bindings/memory.ts";
import { ByteDots } from "../../bindings/numbers.ts";
import { THREAD_LIMIT } from "../../bindings/shared-memory.ts";
import type { Threads } from "../../bindings/thread-pool.ts";
import { type Check, type OptionTable, oneOf, printable, unchecked, whole } from "./arguments.ts";
import { errorCode, LimpetError, messageOf } from "./errors.ts";
import { type Build, type BuildChoice, instantiateBuild, type WasmOption } from "./wasm.ts";

/** Which core computes, and what it may take. */
export interface CoreOptions {
  /** Where the wasm comes from; where it is left out, the file of the build beside this one. */
  wasm?: WasmOption;
  /**
   * Which build computes: `portable` (SIMD) and `scalar` give the same bits, `fast` (relaxed SIMD) does not; `auto` takes
   * the fastest that this host has. Default: portable.
   */
  build?: BuildChoice;
  /**
   * Threads to compute with: the bits are the same. Where the host cannot, or where they do not pay, one computes.
   * Default: 1. With more, call `dispose` when done: it ends them.
   */
  threads?: number;
  /**
   * How the fast build sums products of bytes: in pairs (i16) or in quads (i32: one instruction on processors with a dot
   * product of bytes). The bits are the same. Default: what suits the processor.
   */
  byteDots?: "pairs" | "quads";
  /** Bytes of memory that the core may take at most: what does not fit is refused as `OUT_OF_MEMORY`. Default: 4 GiB. */
  memoryLimit?: number;
}

/** A build by its own name. */
export const namedBuild: Check<Build> = oneOf<Build>("portable", "scalar", "fast");

/** What each of `CoreOptions` has to be. */
export const CORE_OPTIONS: OptionTable<CoreOptions> = {
  wasm: unchecked,
  build: oneOf<BuildChoice>("portable", "scalar", "fast", "auto"),
  threads: whole(1, THREAD_LIMIT),
  byteDots: oneOf("pairs", "quads"),
  memoryLimit: (name, value) => {
    if (Number.isInteger(value) && (value as number) >= 1) return value as number;
    throw new LimpetError("BAD_ARGUMENT", `${name} is a whole number of bytes, not ${printable(value)}`);
  },
};

/** All that 32-bit WebAssembly has. */
const MEMORY = 2 ** 32;

export class Core {
  readonly exports: CoreExports;
  readonly memory: Memory;
  /** The core record. */
  readonly pointer: Pointer;
  readonly build: Build;
  /** The other threads; null where one computes. */
  threads: Threads | null = null;

  private constructor(exports: CoreExports, build: Build) {
    this.exports = exports;
    this.memory = new Memory(exports.memory);
    this.build = build;
    this.pointer = address(exports.core_create());
    if (this.pointer === 0) throw new LimpetError("OUT_OF_MEMORY", "the host gives WebAssembly no memory");
  }

  static async create(options: CoreOptions & { signal?: AbortSignal }): Promise<Core> {
    const limit = CORE_OPTIONS.memoryLimit("memoryLimit", options.memoryLimit ?? MEMORY);
    const { exports, build, module, threads } = await instantiateBuild(options);
    const core = new Core(exports, build);
    if (limit < MEMORY) exports.core_set_limit(core.pointer, limit);
    if (options.byteDots !== undefined && core.has("core_set_byte_dots")) {
      exports.core_set_byte_dots(core.pointer, options.byteDots === "quads" ? ByteDots.QUADS : ByteDots.PAIRS);
    }
    if (threads > 1) {
      const { Threads } = await import("../../bindings/thread-pool.ts");
      try {
        core.threads = await Threads.start(exports as ThreadExports, module, core.pointer, threads);
      } catch (error) {
        const words = `threads cannot be started: ${messageOf(error)}; leave the option threads out`;
        throw new LimpetError("HOST", words, { cause: error });
      }
      if (!core.threads) throw core.error();
    }
    return core;
  }

  /** Ends the threads. The core must not be used after it. */
  dispose(): void {
    this.threads?.dispose();
  }

  /** Whether this wasm has an export: builds with threads and small ones lack some. */
  has(name: keyof CoreExports): boolean {
    return typeof this.exports[name] === "function";
  }

  /** `run(pointer)`, a step of the pass of a context. */
  step(run: (pointer: Pointer) => Status, pointer: Pointer, context: Pointer): Status {
    return this.threads ? this.threads.step(run, pointer, context) : run(pointer);
  }

  /** Gives a status on, or throws what the core says of one below zero. */
  check(status: Status): number {
    if (status < 0) throw this.error();
    return status;
  }

  /** A handle as an offset; throws what the core says of 0. */
  handle(pointer: Pointer): number {
    if (pointer === 0) throw this.error();
    return address(pointer);
  }

  /** The core's last error. */
  error(): LimpetError {
    const { exports, pointer, memory } = this;
    const message = memory.readText(exports.error_message(pointer), exports.error_message_length(pointer));
    return new LimpetError(errorCode(exports.error_code(pointer)), message);
  }

  /** Runs `work` with operands in the arena, which are released after it. */
  scoped<T>(work: (arena: Arena) => T): T {
    const arena = new Arena(this);
    try {
      return work(arena);
    } finally {
      arena.release();
    }
  }

  /** Text of the core's own, such as the name of a tensor. */
  text(pointer: Pointer, length: number): string {
    return pointer === 0 ? "" : this.memory.readText(pointer, length);
  }
}

/** Operands of one call. */
export class Arena {
  readonly #core: Core;
  readonly #pointers: Pointer[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  /** Zeroed bytes, aligned for any element. */
  allocate(bytes: number): number {
    const { exports, pointer } = this.#core;
    const allocated = this.#core.handle(exports.core_allocate(pointer, BigInt(bytes)));
    this.#pointers.push(allocated);
    return allocated;
  }

  /** A copy of the data. */
  put(data: ArrayBufferView | ArrayBufferLike): number {
    const bytes = bytesOf(data);
    const pointer = this.allocate(bytes.length);
    this.#core.memory.write(pointer, bytes);
    return pointer;
  }

  /** A string as UTF-8: where it lies and its bytes. */
  putText(text: string): [pointer: number, length: number] {
    const bytes = encodeText(text);
    return [this.put(bytes), bytes.length];
  }

  release(): void {
    for (const pointer of this.#pointers) this.#core.exports.core_release(this.#core.pointer, pointer);
    this.#pointers.length = 0;
  }
}
