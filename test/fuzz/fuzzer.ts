/**
 * What a fuzzer is, and what its cases may end in: an answer, or an error in words with a code. A trap, a TypeError, a
 * promise that fails unheard, a file that is left, a guard that was written on is a finding.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { instantiateSync } from "../../bindings/instantiate.ts";
import { LimpetError } from "../../src/index.ts";
import { TestCore } from "../support/core.ts";
import { EngineError } from "../support/engine.ts";
import type { Random } from "./random.ts";

export interface Fuzzer {
  readonly name: string;
  /** What is tried, for `npm run fuzz -- --help`. */
  readonly about: string;
  /** Cases of a test. */
  readonly cases: number;
  /** Its share of the time of `npm run fuzz`. */
  readonly share: number;
  /** Makes what the cases have in common, anew after a finding. */
  prepare(): Run | Promise<Run>;
}

export interface Run {
  /** One case: gives the word for what it ended in, and throws a finding. */
  one(random: Random): string | Promise<string>;
  /** What all cases together have to have met. */
  end?(met: ReadonlyMap<string, number>, cases: number): void | Promise<void>;
}

const GUARD = new URL("../../build/guard/", import.meta.url);
const FILES = { portable: "limpet.wasm", scalar: "limpet.scalar.wasm", graph: "limpet.graph.wasm" } as const;
const modules = new Map<string, WebAssembly.Module>();

/** The module of a build with guard bytes. */
export function guardModule(build: keyof typeof FILES = "portable"): WebAssembly.Module {
  const file = new URL(FILES[build], GUARD);
  let module = modules.get(file.href);
  if (module) return module;
  if (!existsSync(file)) throw new Error(`there is no ${file.pathname}: npm run build -- --guard`);
  module = new WebAssembly.Module(readFileSync(file));
  modules.set(file.href, module);
  return module;
}

/** A core with guard bytes. */
export function guardCore(build: keyof typeof FILES = "portable"): TestCore {
  return new TestCore(build, instantiateSync(guardModule(build)));
}

/** Looks at all guards of a core: traps where one was written on. */
export function lookAtGuards(core: TestCore): void {
  core.release(0);
}

/** What a finding is said to be. */
export class Finding extends Error {
  override readonly name: string = "Finding";
}

/** Codes of the core, by number. */
const CODES: Record<number, string> = {
  [-1]: "OUT_OF_MEMORY",
  [-2]: "BAD_FILE",
  [-3]: "UNSUPPORTED",
  [-4]: "BAD_ARGUMENT",
  [-5]: "CONTEXT_FULL",
  [-6]: "WRONG_STATE",
};

/** The word for an error that is one in words; any other is thrown on. `quotes`: a caller's values may stand in it. */
export function refusal(error: unknown, quotes = false): string {
  if (error instanceof LimpetError) {
    if (!quotes) requireWords(error.message);
    return error.code;
  }
  if (error instanceof EngineError && CODES[error.code]) {
    requireWords(error.message);
    return CODES[error.code];
  }
  throw error;
}

/** Words that a user can act on: printable, of some length, and without values of JavaScript that lost their way. */
function requireWords(words: string): void {
  if (words.length < 10 || words.length > 4000) throw new Finding(`an error of ${words.length} letters: ${words}`);
  const odd = words.match(/\[object |\bundefined\b|(?<!holds )\bNaN\b|[\u0000-\u0009\u000b-\u001f\u007f]/);
  if (odd) throw new Finding(`an error says ${JSON.stringify(odd[0])}: ${words}`);
}

/** Runs a part of a case: the word of its refusal, or null where it came to an end. */
export async function refused(work: () => unknown): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return refusal(error);
  }
}

/** What a trap of a guarded core has to say. */
export function withWords(error: unknown, core: TestCore): unknown {
  if (!(error instanceof WebAssembly.RuntimeError)) return error;
  return new Finding(`${error.message}; the core says: ${core.message}`, { cause: error });
}

/** Asserts that a folder holds these files and no others. */
export function requireFiles(folder: string, names: readonly string[]): void {
  const left = readdirSync(folder).filter((name) => !names.includes(name));
  if (left.length) throw new Finding(`left in the folder: ${left.join(", ")}`);
}
