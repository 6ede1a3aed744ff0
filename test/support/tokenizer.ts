/**
 * A tokenizer in a test's core: of a vocabulary-only file's bytes, or of a vocabulary made from lists.
 *
 *     const t = await Tokenizer.load(core, readFileSync(file));
 *     t.tokenize("Hello");  t.detokenize(ids);  t.words("We'll pay");
 */
import { DetokenizeFlag, TokenizeFlag } from "../../bindings/numbers.ts";
import type { TestCore } from "./core.ts";
import { type EntrySpec, gguf } from "./gguf-writer.ts";
import { Engine } from "./model.ts";

export const { ADD_SPECIAL, PARSE_SPECIAL } = TokenizeFlag;
export const { SHOW_SPECIAL, REMOVE_SPECIAL, CLEAN, KEEP, CONTINUE } = DetokenizeFlag;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

export class Tokenizer {
  readonly core: TestCore;
  readonly model: number;
  readonly pointer: number;
  #room = 0;
  #roomBytes = 0;

  private constructor(core: TestCore, model: number) {
    this.core = core;
    this.model = model;
    this.pointer = core.exports.model_tokenizer(model) >>> 0;
  }

  /** Loads the vocabulary of a file; throws the core's error. */
  static load(core: TestCore, bytes: Uint8Array): Tokenizer {
    return new Tokenizer(core, new Engine(core).load(bytes, true).handle);
  }

  release(): void {
    if (this.#room) this.core.release(this.#room);
    this.core.exports.model_release(this.model);
  }

  /** Tokens of a text or of bytes. */
  tokenize(text: string | Uint8Array, flags = 0): number[] {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    // A space that no token has is three.
    const capacity = 3 * bytes.length + 8;
    const at = this.#take(bytes.length + 4 + 4 * capacity);
    const target = (at + bytes.length + 3) & ~3;
    this.core.memory.write(at, bytes);
    const { tokenizer_tokenize } = this.core.exports;
    const count = tokenizer_tokenize(this.core.core, this.pointer, at, bytes.length, flags, target >>> 0, capacity);
    if (count < 0) throw new Error(this.core.message);
    return [...this.core.i32(target, count)];
  }

  detokenizeBytes(tokens: ArrayLike<number>, flags = 0): Uint8Array {
    const { tokenizer_detokenize } = this.core.exports;
    const at = this.#take(4 * tokens.length + 4);
    this.core.memory.write(at, new Uint8Array(Int32Array.from(tokens).buffer));
    const length = tokenizer_detokenize(this.core.core, this.pointer, at, tokens.length, flags, 0, 0);
    if (length < 0) throw new Error(this.core.message);
    const target = this.core.allocate(length + 1);
    tokenizer_detokenize(this.core.core, this.pointer, at, tokens.length, flags, target, length);
    const bytes = this.core.u8(target, length);
    this.core.release(target);
    return bytes;
  }

  detokenize(tokens: ArrayLike<number>, flags = 0): string {
    return decoder.decode(this.detokenizeBytes(tokens, flags));
  }

  /** The pieces of a stream, the last of them what the flush gave. */
  stream(tokens: ArrayLike<number>, flags = 0): Uint8Array[] {
    const { exports } = this.core;
    const stream = exports.tokenizer_stream_create(this.core.core, this.pointer, flags) >>> 0;
    const room = exports.tokenizer_stream_capacity(this.pointer);
    const at = this.#take(room);
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < tokens.length; i++) {
      const length = exports.tokenizer_stream_push(this.core.core, stream, tokens[i], at, room);
      if (length < 0) throw new Error(this.core.message);
      pieces.push(this.core.u8(at, length));
    }
    pieces.push(this.core.u8(at, exports.tokenizer_stream_flush(stream, at, room)));
    exports.tokenizer_stream_release(this.core.core, stream);
    return pieces;
  }

  /** The words that the pre-tokenizer cuts a text into. */
  words(text: string): string[] {
    const bytes = encoder.encode(text);
    const at = this.#take(5 * bytes.length + 8);
    const target = (at + bytes.length + 3) & ~3;
    this.core.memory.write(at, bytes);
    const { tokenizer_words } = this.core.exports;
    const count = tokenizer_words(this.core.core, this.pointer, at, bytes.length, target >>> 0, bytes.length);
    const ends = this.core.u32(target, count);
    return Array.from(ends, (end, i) => decoder.decode(bytes.subarray(i === 0 ? 0 : ends[i - 1], end)));
  }

  tokenBytes(token: number, showSpecial = true): Uint8Array {
    const { tokenizer_token_bytes } = this.core.exports;
    const length = tokenizer_token_bytes(this.pointer, token, Number(showSpecial), 0, 0);
    if (length < 0) throw new Error(`no token ${token}`);
    const at = this.#take(length + 1);
    tokenizer_token_bytes(this.pointer, token, Number(showSpecial), at, length);
    return this.core.u8(at, length);
  }

  /** The token with this text as the vocabulary writes it, or -1. */
  find(text: string): number {
    const bytes = encoder.encode(text);
    this.core.memory.write(this.#take(bytes.length), bytes);
    return this.core.exports.tokenizer_find(this.pointer, this.#room, bytes.length);
  }

  /** The type of a token; 0 when there is none. */
  type(token: number): number {
    return this.core.exports.tokenizer_attributes(this.pointer, token) & 15;
  }

  get count(): number {
    return this.core.exports.tokenizer_count(this.pointer);
  }

  special(which: number): number {
    return this.core.exports.tokenizer_special(this.pointer, which);
  }

  endsGeneration(token: number): boolean {
    return this.core.exports.tokenizer_ends_generation(this.pointer, token) === 1;
  }

  /** addBos 1, addEos 2, space prefix 4, clean-up 8, ignore merges 16 */
  get options(): number {
    return this.core.exports.tokenizer_options(this.pointer);
  }

  #take(bytes: number): number {
    if (bytes > this.#roomBytes) {
      if (this.#room) this.core.release(this.#room);
      this.#roomBytes = Math.max(4096, bytes);
      this.#room = this.core.allocate(this.#roomBytes);
    }
    return this.#room;
  }
}

export interface VocabularySpec {
  model?: string;
  pre?: string;
  name?: string;
  tokens: readonly string[];
  merges?: readonly string[];
  scores?: readonly number[];
  types?: readonly number[];
  charsmap?: Uint8Array;
  /** Further keys behind `tokenizer.ggml.`, numbers as u32 and booleans as bool. */
  keys?: Record<string, number | boolean>;
}

/** The bytes of a vocabulary-only file. */
export function vocabularyFile(spec: VocabularySpec): Uint8Array {
  const { model = "gpt2", merges = model === "gpt2" ? [] : undefined } = spec;
  const entries: EntrySpec[] = [
    ["general.architecture", "string", "llama"],
    ["tokenizer.ggml.model", "string", model],
    ["tokenizer.ggml.tokens", "string[]", spec.tokens],
  ];
  if (spec.name !== undefined) entries.push(["general.name", "string", spec.name]);
  if (spec.pre !== undefined) entries.push(["tokenizer.ggml.pre", "string", spec.pre]);
  if (merges) entries.push(["tokenizer.ggml.merges", "string[]", merges]);
  if (spec.scores) entries.push(["tokenizer.ggml.scores", "f32[]", spec.scores]);
  if (spec.types) entries.push(["tokenizer.ggml.token_type", "i32[]", spec.types]);
  if (spec.charsmap) entries.push(["tokenizer.ggml.precompiled_charsmap", "u8[]", [...spec.charsmap]]);
  for (const [key, value] of Object.entries(spec.keys ?? {})) {
    entries.push([`tokenizer.ggml.${key}`, typeof value === "boolean" ? "bool" : "u32", value]);
  }
  return gguf({ entries });
}

/** The character that byte-level BPE writes a byte with. */
export function characterOfByte(byte: number): string {
  if (byte <= 32) return String.fromCodePoint(256 + byte);
  if (byte < 127) return String.fromCodePoint(byte);
  if (byte <= 160) return String.fromCodePoint(256 + 33 + byte - 127);
  return String.fromCodePoint(byte === 173 ? 256 + 67 : byte);
}

/** The 256 characters of byte-level BPE, in the order of the bytes. */
export const BYTE_CHARACTERS: readonly string[] = Array.from({ length: 256 }, (_, byte) => characterOfByte(byte));

/** What llama.cpp's detokenizer drops, as three passes of expressions. */
export function cleanUp(text: string): string {
  return text
    .replace(/ ([?!.,])/g, "$1")
    .replace(/ ' /g, "'")
    .replace(/ '(s|m|re|ve)/g, "'$1");
}
