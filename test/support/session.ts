/** A session over one sequence of a context, by the raw exports. */
import * as assert from "uvu/assert";
import { address, decodeText } from "../../bindings/memory.ts";
import { Status } from "../../bindings/numbers.ts";
import type { EngineContext } from "./context.ts";
import type { TestCore } from "./core.ts";
import { feed } from "./feed.ts";
import { MOST_STEPS } from "./refused.ts";

const { DONE, NEED_DATA, TOKEN } = Status;

export interface Options {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  seed?: number | bigint;
}

export interface Generated {
  ids: number[];
  /** The text of each step, in bytes: a random model's are not always UTF-8. */
  pieces: Uint8Array[];
  text: string;
  finish: number;
  logprobs: number[];
  /** Of each token, the best ones: id and log probability. */
  top: [id: number, logprob: number][][];
  steps: number;
}

/** The sections of a saved session begin here, and so does what the checksum covers. */
export const SESSION_HEADER = 24;

/** A saved session that was changed, with the checksum of what it is now: so checks behind it are reached. */
export function sealed(saved: Uint8Array): Uint8Array {
  const bytes = saved.slice();
  // FNV-1a of 64 bits in two halves: its prime is 2⁴⁰ + 0x1b3, and no product passes 2⁵³.
  let [high, low] = [0xcbf29ce4, 0x84222325];
  for (const byte of bytes.subarray(SESSION_HEADER)) {
    const mixed = (low ^ byte) >>> 0;
    const product = mixed * 0x1b3;
    low = product >>> 0;
    high = (high * 0x1b3 + Math.floor(product / 2 ** 32) + (mixed << 8)) >>> 0;
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(16, low, true);
  view.setUint32(20, high, true);
  return bytes;
}

export interface Section {
  name: string;
  bytes: Uint8Array;
  /** Another length than it has. */
  length?: bigint;
}

/** What a saved session consists of. */
export function sectionsOf(saved: Uint8Array): Section[] {
  const view = new DataView(saved.buffer, saved.byteOffset);
  const sections: Section[] = [];
  for (let at = SESSION_HEADER; at < saved.length; ) {
    const name = decodeText(saved.subarray(at, at + 8)).replace(/\0+$/, "");
    const length = Number(view.getBigUint64(at + 8, true));
    sections.push({ name, bytes: saved.slice(at + 16, at + 16 + length) });
    at += 16 + length;
  }
  return sections;
}

/** A session of these sections, `like` another in its header; `count` is how many it says that there are. */
export function sessionOf(sections: readonly Section[], like: Uint8Array, count = sections.length): Uint8Array {
  const parts = sections.map(({ name, bytes, length }) => {
    const head = new Uint8Array(16);
    head.set(new TextEncoder().encode(name));
    new DataView(head.buffer).setBigUint64(8, length ?? BigInt(bytes.length), true);
    return Buffer.concat([head, bytes]);
  });
  const saved = new Uint8Array(Buffer.concat([like.subarray(0, SESSION_HEADER), ...parts]));
  new DataView(saved.buffer).setUint32(8, count, true);
  return sealed(saved);
}

export class EngineSession {
  readonly context: EngineContext;
  readonly handle: number;

  constructor(context: EngineContext, sequence = 0) {
    this.context = context;
    const { core } = context;
    this.handle = context.model.engine.handle(core.call("session_create", core.core, context.handle, sequence));
  }

  get core(): TestCore {
    return this.context.core;
  }

  get tokens(): number[] {
    const count = this.core.call("session_count", this.handle);
    return [...this.core.u32(address(this.core.call("session_tokens", this.handle)), count)];
  }

  get evaluated(): number {
    return this.core.call("session_evaluated", this.handle);
  }

  /** Calls an export with bytes in the core's memory, and throws its error. */
  #with(name: string, bytes: Uint8Array, length: number, ...rest: number[]): number {
    const pointer = this.core.put(bytes.length ? bytes : new Uint8Array(1));
    const status = this.core.call(name, this.handle, pointer, length, ...rest);
    this.core.release(pointer);
    return this.context.model.engine.check(status);
  }

  append(input: string | readonly number[], flags = 3): number {
    if (typeof input === "string") {
      const bytes = new TextEncoder().encode(input);
      return this.#with("session_append_text", bytes, bytes.length, flags);
    }
    return this.#with("session_append_tokens", new Uint8Array(Uint32Array.from(input).buffer), input.length);
  }

  /** What an encoder reads. */
  setSource(ids: readonly number[]): void {
    this.#with("session_set_source", new Uint8Array(Uint32Array.from(ids).buffer), ids.length);
  }

  replace(ids: readonly number[]): void {
    this.#with("session_replace_tokens", new Uint8Array(Uint32Array.from(ids).buffer), ids.length);
  }

  rewind(count: number): void {
    this.core.call("session_rewind", this.handle, count);
  }

  addStop(stop: string | Uint8Array): void {
    const bytes = typeof stop === "string" ? new TextEncoder().encode(stop) : stop;
    this.#with("session_add_stop", bytes, bytes.length);
  }

  configure({ temperature = 0, topK = 0, topP = 1, minP = 0, repeatPenalty = 1, seed = 0 }: Options): void {
    this.context.model.engine.do("session_configure", this.handle, temperature, topK, topP, minP, repeatPenalty);
    this.core.call("session_seed", this.handle, BigInt(seed));
  }

  begin(maxTokens: number, logprobs = 0, top = 0): void {
    this.context.model.engine.do("session_begin", this.handle, maxTokens, logprobs, top);
  }

  /** Generates to the end, and asserts that no piece ends within a UTF-8 character. */
  generate(maxTokens: number, top = -1, onToken?: (token: number) => void): Generated {
    this.begin(maxTokens, top >= 0 ? 1 : 0, Math.max(top, 0));
    const { core, handle } = this;
    const result: Generated = { ids: [], pieces: [], text: "", finish: 0, logprobs: [], top: [], steps: 0 };
    for (; ; result.steps++) {
      if (result.steps > MOST_STEPS) throw new Error("the generation hangs");
      const status = this.context.model.engine.do("session_step", handle);
      if (status === NEED_DATA) feed(core, "context", this.context.handle, this.context.model.files);
      if (status === DONE) break;
      if (status !== TOKEN) continue;
      result.ids.push(core.call("session_token", handle));
      onToken?.(core.call("session_token", handle));
      result.pieces.push(core.u8(address(core.call("session_text", handle)), core.call("session_text_length", handle)));
      if (top < 0) continue;
      result.logprobs.push(core.call("session_logprob", handle));
      const ids = core.u32(address(core.call("session_top_ids", handle)), top);
      const logprobs = core.f32(address(core.call("session_top_logprobs", handle)), top);
      result.top.push(Array.from(ids, (id, i) => [id, logprobs[i]]));
    }
    result.finish = core.call("session_finish", handle);
    result.text = decodeText(Buffer.concat(result.pieces));
    assert.is(result.pieces.map((piece) => decodeText(piece)).join(""), result.text, "pieces are whole characters");
    return result;
  }

  save(): Uint8Array {
    const bytes = Number(this.core.call("session_save_bytes", this.handle));
    const pointer = this.core.allocate(bytes);
    this.context.model.engine.do("session_save", this.handle, pointer);
    const saved = this.core.u8(pointer, bytes);
    this.core.release(pointer);
    return saved;
  }

  restore(saved: Uint8Array): void {
    this.#with("session_restore", saved, saved.length);
  }

  release(): void {
    this.core.call("session_release", this.handle);
  }
}
