/**
 * The exports by themselves, in any order with any numbers, as a careless host calls them: handles are live ones, buffers
 * are as long as docs/embedding.md says, and all else is chance. Nothing traps, no guard is written on, every block comes
 * back, and a context that was made aside gives the known answer all the while.
 */
import * as assert from "uvu/assert";
import { address } from "../../bindings/memory.ts";
import { Status } from "../../bindings/numbers.ts";
import { sameBits, type TestCore } from "../support/core.ts";
import { Engine, type EngineModel, F16, F32, prompt, Q8_0, Streamed } from "../support/engine.ts";
import { feed } from "../support/feed.ts";
import { type Adapters, loadAdapters, lookAtAdapter, someAdapters } from "./abi-adapters.ts";
import { lookAtContext, lookAtVectors } from "./abi-looks.ts";
import { composePieces, makeKept, setNeurons, setPolicy } from "./abi-rows.ts";
import { Finding, type Fuzzer, guardCore, lookAtGuards, type Run, withWords } from "./fuzzer.ts";
import type { Random } from "./random.ts";
import { makeSeeds, type Seed } from "./seeds.ts";

const OPERATIONS = 120;
const IDS = [1, 70, 100, 5];
/** Statuses that there are. */
const [LEAST, MOST] = [-6, 4];

export interface LiveContext {
  readonly handle: number;
  readonly model: EngineModel;
  readonly rows: number;
  readonly batch: number;
  readonly logitRows: number;
  readonly sequences: number;
  readonly taps: number;
  readonly buffers: number[];
}

interface LiveSession {
  readonly handle: number;
  readonly context: LiveContext;
}

export const abi: Fuzzer = {
  name: "abi",
  about: "the wasm's exports in any order with any numbers, on a build with guard bytes",
  cases: 250,
  share: 3,
  prepare,
};

class Machine {
  readonly engine: Engine;
  readonly core: TestCore;
  readonly random: Random;
  readonly models: readonly EngineModel[];
  readonly adapters: Adapters;
  contexts: LiveContext[] = [];
  sessions: LiveSession[] = [];
  readonly called: Map<string, number>;

  constructor(
    engine: Engine,
    models: readonly EngineModel[],
    adapters: Adapters,
    random: Random,
    called: Map<string, number>,
  ) {
    this.engine = engine;
    this.core = engine.core;
    this.models = models;
    this.adapters = adapters;
    this.random = random;
    this.called = called;
  }

  call(name: string, ...values: (number | bigint)[]): number {
    this.called.set(name, (this.called.get(name) ?? 0) + 1);
    return this.core.call(name, ...values);
  }

  /** A call that gives a status. */
  status(name: string, ...values: (number | bigint)[]): number {
    const status = this.call(name, ...values);
    if (status < LEAST || (status < 0 && this.core.errorCode !== status)) {
      throw new Finding(`${name}(${values}) answers ${status}, and the error is ${this.core.errorCode}`);
    }
    if (status < 0 && this.core.message.length < 10) throw new Finding(`${name}: no words`);
    return status;
  }

  /** Runs with a buffer of just these bytes. */
  with(bytes: Uint8Array, work: (pointer: number) => void): void {
    const pointer = this.core.put(bytes);
    work(pointer);
    this.core.release(pointer);
  }

  words(list: readonly number[]): Uint8Array {
    return new Uint8Array(Uint32Array.from(list).buffer);
  }

  ids(count: number): Uint8Array {
    return this.words(
      Array.from({ length: count }, () => (this.random.oneIn(30) ? this.random.edge32() : this.random.below(300))),
    );
  }

  small(): number {
    return this.random.oneIn(6) ? this.random.edge32() : this.random.below(12);
  }

  makeContext(): void {
    const { random } = this;
    const model = random.pick(this.models);
    const rows = random.oneIn(10) ? random.edge32() % 200 : random.from(1, 40);
    const batch = random.oneIn(10) ? random.edge32() % 200 : random.from(1, 12);
    const logitRows = random.oneIn(5) ? this.small() : random.from(1, Math.max(batch, 1));
    const sequences = random.oneIn(5) ? this.small() % 1000 : random.from(1, 4);
    const kv = random.oneIn(12) ? random.below(9) : random.pick([F16, F32, Q8_0]);
    const shape = [rows, batch, logitRows, sequences, kv];
    const taps = random.oneIn(4) ? random.below(9) : 0;
    const planned = Number(this.core.exports["context_bytes"](model.handle, ...shape));
    this.called.set("context_bytes", 1);
    const used = this.engine.used;
    const made = taps
      ? this.call("context_create_tapped", this.core.core, model.handle, ...shape, taps)
      : this.call("context_create", this.core.core, model.handle, ...shape);
    if (made === 0) {
      assert.is(this.engine.used, used, "a context that was not made takes nothing");
      return;
    }
    if (!taps) assert.is(this.engine.used - used, planned, "a context takes what it said");
    this.contexts.push({ handle: address(made), model, rows, batch, logitRows, sequences, taps, buffers: [] });
  }

  /** A context for vectors of texts, which has no logits to look at. */
  makeTexts(): void {
    const { random } = this;
    const model = random.pick(this.models);
    const [rows, batch, sequences] = [random.from(1, 40), random.from(1, 12), random.from(1, 4)];
    const shape = random.oneIn(6) ? [this.small(), this.small() % 1000, this.small()] : [rows, batch, sequences];
    const kv = random.oneIn(12) ? random.below(9) : random.pick([F16, F32, Q8_0]);
    const used = this.engine.used;
    const made = this.call("context_create_for_texts", this.core.core, model.handle, ...shape, kv, this.small() % 7);
    if (made === 0) {
      assert.is(this.engine.used, used, "a context that was not made takes nothing");
      return;
    }
    const [ofRows, ofBatch, ofSequences] = shape;
    this.contexts.push({
      ...{ handle: address(made), model, rows: ofRows, batch: ofBatch, logitRows: 0, sequences: ofSequences },
      ...{ taps: 0, buffers: [] },
    });
  }

  /** A context whose layers keep fewer rows than there are tokens. */
  makeKept(): void {
    const model = this.random.pick(this.models);
    const made = makeKept(this, model.handle);
    if (made) this.contexts.push({ ...made, model });
  }

  dropContext(context: LiveContext): void {
    for (const session of this.sessions.filter((one) => one.context === context)) this.dropSession(session);
    this.call("context_release", context.handle);
    for (const buffer of context.buffers) this.core.release(buffer);
    this.contexts = this.contexts.filter((one) => one !== context);
  }

  makeSession(context: LiveContext): void {
    const sequence = this.random.oneIn(5) ? this.small() : this.random.below(context.sequences);
    const planned = Number(this.core.exports["session_bytes"](context.handle));
    this.called.set("session_bytes", 1);
    const used = this.engine.used;
    const made = this.call("session_create", this.core.core, context.handle, sequence);
    if (made === 0) return;
    assert.is(this.engine.used - used, planned, "a session takes what it said");
    this.sessions.push({ handle: address(made), context });
  }

  dropSession(session: LiveSession): void {
    this.call("session_release", session.handle);
    this.sessions = this.sessions.filter((one) => one !== session);
  }

  /** Rows go, by scores as a tap leaves them or by none. */
  private evict({ handle, rows, buffers }: LiveContext, sequence: number): void {
    const { random } = this;
    const [scores, threshold] = [4 * rows, 4].map((bytes) => {
      if (random.oneIn(3)) return 0;
      const buffer = this.core.allocate(bytes);
      buffers.push(buffer);
      const values = Float32Array.from({ length: bytes / 4 }, () => (random.oneIn(9) ? Number.NaN : random.float()));
      this.core.memory.write(buffer, values);
      return buffer;
    });
    const sizes = [this.small(), this.small(), this.small()];
    const plan = [this.small(), scores, ...sizes, random.from(0, 3), threshold, random.float()];
    this.status("sequence_evict", handle, sequence, ...plan);
  }

  /** What a host writes for the next pass, or while one is at work. */
  writeBatch({ handle, batch, sequences, model }: LiveContext): void {
    const { random } = this;
    const { memory } = this.core;
    const wild = random.oneIn(8);
    const fill = (name: string, value: () => number) => {
      if (random.oneIn(6)) return;
      const list = Uint32Array.from({ length: batch }, () => (wild && random.oneIn(3) ? random.edge32() : value()));
      memory.write(this.call(name, handle), list);
    };
    const from = random.below(30);
    let next = from;
    fill("context_ids", () => random.below(model.vocabulary));
    fill("context_sequences", () => random.below(sequences));
    fill("context_positions", () => next++);
    memory.write(
      this.call("context_wanted", handle),
      Uint8Array.from({ length: batch }, () => (random.oneIn(3) ? 1 : 0)),
    );
    const stride = (batch + 7) >> 3;
    if (random.oneIn(3)) memory.write(this.call("context_mask", handle), random.bytes(stride * batch));
  }

  step(context: LiveContext, name: "context_step" | "session_step", handle: number): void {
    for (let steps = this.random.pick([1, 2, 5, 50, 500]); steps > 0; steps--) {
      const status = this.status(name, handle);
      if (status > MOST) throw new Finding(`${name} answers ${status}`);
      if (status === Status.NEED_DATA) {
        // Who does not bring what is asked for gives the pass up.
        if (this.random.oneIn(20)) return void this.call("context_abort", context.handle);
        feed(this.core, "context", context.handle, context.model.files);
        for (const of of ["count", "file", "offset", "length", "destination"])
          this.called.set(`context_request_${of}`, 1);
      } else if (status <= 0) break;
    }
  }

  /** One thing that a host does. */
  operate(): void {
    const { random } = this;
    const wantsMore = this.contexts.length < 3 && random.oneIn(15);
    const session = this.sessions.length && random.oneIn(2) ? random.pick(this.sessions) : null;
    if (wantsMore && random.oneIn(4)) this.makeKept();
    else if ((this.contexts.length === 0 || wantsMore) && random.oneIn(4)) this.makeTexts();
    else if (this.contexts.length === 0 || wantsMore) this.makeContext();
    else if (session) this.operateSession(session);
    else this.operateContext(random.pick(this.contexts));
  }

  operateContext(context: LiveContext): void {
    const { random } = this;
    const { handle, model } = context;
    const sequence = () => (random.oneIn(8) ? this.small() : random.below(context.sequences));
    const position = () => (random.oneIn(8) ? random.edge32() | 0 : random.from(-2, 40));
    const layers = model.layers;
    switch (random.below(26)) {
      case 0:
      case 1:
      case 2:
        if (this.sessions.length < 5) this.makeSession(context);
        return;
      case 3:
        if (random.oneIn(3)) this.dropContext(context);
        return;
      case 4:
        if (random.oneIn(3)) this.status("context_begin_source", handle, this.small());
        this.call("context_abort", handle);
        this.call("context_reset", handle);
        return;
      case 5:
        this.status("context_set_form", handle, this.small());
        return;
      case 6:
        this.call("context_set_step_work", handle, random.edge());
        return;
      case 7:
        this.status("context_set_visibility", handle, this.small());
        return;
      case 8: {
        if (random.oneIn(2)) return void this.call("context_set_mass", handle, 0);
        const mass = this.core.allocate(4 * layers * context.rows);
        context.buffers.push(mass);
        this.call("context_set_mass", handle, mass);
        return;
      }
      case 9: {
        const tap = this.small();
        const widest = Math.max(64, model.hidden);
        const bytes = [layers * 4 * context.rows * 4, layers * context.batch * widest * 4][Math.min(tap, 1)];
        const target = random.oneIn(3) ? 0 : this.core.allocate(bytes);
        if (target) context.buffers.push(target);
        this.status("context_set_tap", handle, tap, target);
        return;
      }
      case 10:
      case 11:
      case 12: {
        this.writeBatch(context);
        const first = random.oneIn(5) ? this.small() : 0;
        const end = random.oneIn(5) ? this.small() : layers;
        const tokens = random.oneIn(8) ? this.small() : random.from(1, context.batch);
        if (this.status("context_begin", handle, tokens, first, end) < 0) return;
        if (first > 0) {
          const stream = Float32Array.from({ length: tokens * model.hidden }, () => random.float());
          this.core.memory.write(this.call("context_hidden", handle), stream);
        }
        this.step(context, "context_step", handle);
        return;
      }
      case 13:
      case 14:
        this.step(context, "context_step", handle);
        return;
      case 15:
        this.call("context_abort", handle);
        return;
      case 16:
        this.writeBatch(context);
        return;
      case 17:
        this.status("sequence_drop", handle, sequence(), position(), position(), this.small(), this.small());
        return;
      case 18:
        this.status("sequence_share", handle, sequence(), sequence(), position(), position());
        return;
      case 19:
        this.status("sequence_shift", handle, sequence(), position(), position(), position());
        return;
      case 20:
        if (random.oneIn(2)) return void this.evict(context, sequence());
        this.status("sequence_merge", handle, sequence(), this.small(), this.small(), this.small(), random.float());
        return;
      case 21:
        this.call("context_set_traced", handle, this.small());
        return;
      case 22:
        lookAtVectors(this, context);
        return;
      case 23:
        this.setAdapters(model, (...list) => {
          const length = random.below(9);
          this.with(this.ids(length + 1), (ids) =>
            this.status("sequence_set_adapters", handle, sequence(), ...list, ids, length),
          );
        });
        return;
      default:
        lookAtContext(this, context);
    }
  }

  /** Gives a sequence, or a session, a set of adapters. */
  setAdapters(model: EngineModel, set: (adapters: number, weights: number, count: number) => void): void {
    const [handles, weights] = someAdapters(this.random, this.adapters, model);
    for (const one of handles) lookAtAdapter((name, ...values) => this.call(name, ...values), one);
    this.called.set("adapter_context_bytes", 1);
    this.core.exports["adapter_context_bytes"](model.handle, this.small());
    this.with(this.words([...handles, 0]), (list) =>
      this.with(new Uint8Array(Float32Array.from([...weights, 0]).buffer), (of) => set(list, of, handles.length)),
    );
  }

  /** Takes tokens out of a session. */
  operateTokens(handle: number): void {
    const way = this.random.below(3);
    if (way === 0) this.call("session_rewind", handle, this.small());
    else if (way === 1) this.status("session_shift", handle, this.small(), this.small());
    else {
      const length = this.random.below(9);
      this.with(this.ids(Math.max(length, 1)), (ids) => this.status("session_close_gap", handle, ids, length));
    }
  }

  operateSession(session: LiveSession): void {
    const { random } = this;
    const { handle, context } = session;
    switch (random.below(34)) {
      case 0:
        if (random.oneIn(3)) this.dropSession(session);
        return;
      case 1:
        this.operateTokens(handle);
        return;
      case 2:
      case 3: {
        const count = random.below(12);
        this.with(this.ids(Math.max(count, 1)), (ids) => this.status("session_append_tokens", handle, ids, count));
        return;
      }
      case 4: {
        const text = random.oneIn(3) ? random.bytes(random.from(1, 60)) : new TextEncoder().encode("Once upon a time");
        this.with(text, (at) => this.status("session_append_text", handle, at, text.length, this.small()));
        return;
      }
      case 5: {
        const count = random.below(12);
        this.with(this.ids(Math.max(count, 1)), (ids) => this.status("session_replace_tokens", handle, ids, count));
        return;
      }
      case 6: {
        const values = [random.float(), this.small(), random.float(), random.float(), random.float()];
        const likely = [0.8, 5, 0.9, 0.05, 1.1];
        this.status("session_configure", handle, ...(random.oneIn(2) ? likely : values));
        return;
      }
      case 7:
        this.call("session_seed", handle, random.edge());
        return;
      case 8: {
        const stop = random.bytes(random.pick([1, 2, 5, 300]));
        this.with(stop, (at) => this.status("session_add_stop", handle, at, random.oneIn(5) ? 0 : stop.length));
        return;
      }
      case 9:
        this.call("session_clear_stops", handle);
        return;
      case 10:
      case 11:
        this.status("session_begin", handle, this.small(), this.small() & 3, this.small());
        return;
      case 12:
      case 13:
        this.step(context, "session_step", handle);
        return;
      case 14:
        this.call("session_stop", handle);
        this.call("session_stop_index", handle);
        return;
      case 16:
        this.status(
          "session_set_option",
          handle,
          random.below(17),
          random.oneIn(2) ? random.from(0, 3) : random.float(),
        );
        return;
      case 17:
        this.status("session_add_bias", handle, this.small(), random.pick([-1, 2, -Infinity, Infinity, Number.NaN]));
        return;
      case 18: {
        const text = random.bytes(random.pick([1, 2, 300]));
        this.with(text, (at) => this.status("session_add_breaker", handle, at, random.oneIn(5) ? 0 : text.length));
        return;
      }
      case 19:
        this.call("session_want_logits", handle, random.below(2));
        this.core.u32(this.call("session_logits", handle) >>> 0, 1);
        return;
      case 15:
        this.saveAndRestore(session);
        return;
      case 20: {
        const count = random.below(12);
        this.with(this.ids(Math.max(count, 1)), (ids) => {
          this.status(random.pick(["session_replace_text", "session_set_source"]), handle, ids, count);
        });
        return;
      }
      case 21: {
        const table = random.bytes(random.pick([0, 8, 64]));
        this.with(table, (at) => this.status("session_set_grammar", handle, at, table.length));
        return;
      }
      case 23: {
        const other = random.pick(this.sessions).handle;
        this.status("session_fork", handle, other);
        const both = new Uint8Array(Uint32Array.of(handle, other).buffer);
        this.with(both, (at) => this.status("session_step_all", this.core.core, at, random.below(3)));
        return;
      }
      case 24:
      case 25:
        this.status("session_speculate", handle, random.below(2), random.below(17));
        this.core.u32(this.call("session_speculation", handle) >>> 0, 4);
        return;
      case 26: {
        const count = random.below(17);
        this.with(this.ids(Math.max(count, 1)), (ids) => this.status("session_draft", handle, ids, count));
        return;
      }
      case 27: {
        const other = random.pick(this.sessions).handle;
        const count = random.oneIn(3) ? this.small() : random.below(this.call("session_count", other) + 1);
        this.status("session_share", handle, other, count);
        return;
      }
      case 28:
        this.setAdapters(context.model, (...list) =>
          this.status("session_set_adapters", handle, ...list, random.below(2)),
        );
        return;
      case 29:
        setNeurons(this, context.model.handle, handle);
        return;
      case 30:
        composePieces(this, handle, context.model.handle, random.pick(this.sessions).handle);
        return;
      case 31:
        setPolicy(this, handle);
        return;
      case 22:
        this.status("session_limit", handle, this.small());
        this.status("session_limit_reasoning", handle, this.small());
        return;
      default: {
        const count = this.call("session_count", handle);
        this.core.u32(this.call("session_tokens", handle) >>> 0, count);
        assert.ok(this.call("session_evaluated", handle) <= count, "no more is evaluated than there is");
        this.call("session_token", handle);
        this.core.u8(this.call("session_text", handle) >>> 0, this.call("session_text_length", handle));
        for (const name of ["status", "finish", "logprob", "top_ids", "top_logprobs"])
          this.call(`session_${name}`, handle);
      }
    }
  }

  /** A session's bytes, sound or not, into any other. */
  saveAndRestore({ handle }: LiveSession): void {
    const { random } = this;
    const bytes = Number(this.core.exports["session_save_bytes"](handle));
    this.called.set("session_save_bytes", 1);
    const at = this.core.allocate(bytes);
    const status = this.status("session_save", handle, at);
    const other = random.pick(this.sessions);
    if (status >= 0) {
      const length = random.oneIn(6) ? random.below(bytes + 1) : bytes;
      if (random.oneIn(3)) this.core.memory.write(at + random.below(bytes), random.bytes(1));
      this.status("session_restore", other.handle, at, length);
      // Any session of the model may be told to go on, with the tokens that it takes and others.
      const isOfModel = this.sessions.find((one) => one.handle === handle)!.context.model === other.context.model;
      if (isOfModel || random.oneIn(4)) this.status("session_continue", other.handle, handle);
    }
    this.core.release(at);
  }

  releaseAll(): void {
    for (const context of this.contexts) this.dropContext(context);
  }
}

/** Exports that other fuzzers call, or that hold a whole instance. */
const OTHERS =
  /^(kernel_|thread_|gguf_|entry_|tensor_|tokenizer_|chat_|core_|error_|model_(create|gguf|tokenizer|has_encoder)|abi_)/;
const LOADING =
  /^model_(request_|streamed_|rows_|row_bytes_read|expert_bytes|slabs_|slab_bytes_read|file_|loaded_|plan_)/;

function prepare(): Run {
  const engine = new Engine(guardCore());
  const { core } = engine;
  const seeds = makeSeeds().filter(({ name }) => /F32|Q8_0/.test(name));
  const streaming = [
    { streamed: Streamed.NOTHING, rowCache: 0 },
    { streamed: Streamed.ALL, rowCache: 0 },
    { streamed: Streamed.TABLES, rowCache: 4096 },
  ];
  const models = seeds.map((seed: Seed, i) => engine.load(seed.bytes, false, streaming[i % 3]));
  const answer = (model: EngineModel): Float32Array[] => {
    const context = model.context({ rows: 8, batch: 4 });
    const logits = context.run(prompt(IDS));
    context.release();
    return logits;
  };
  const known = models.map(answer);
  // A model's tapped program is made once, and kept.
  for (const { handle } of models) {
    core.call("context_release", core.call("context_create_tapped", core.core, handle, 4, 4, 1, 1, F16, 1));
  }
  const adapters = loadAdapters(engine, models, seeds);
  const used = engine.used;
  const called = new Map([["adapter_create", 1]]);

  const one = (random: Random): string => {
    const few = random.shuffled(models).slice(0, 2);
    const machine = new Machine(engine, few, adapters, random, called);
    try {
      for (let i = 0; i < OPERATIONS; i++) {
        machine.operate();
        lookAtGuards(core);
      }
      machine.releaseAll();
      lookAtGuards(core);
      assert.is(engine.used, used, "every block came back");
      const logits = answer(few[0]);
      const want = known[models.indexOf(few[0])];
      assert.ok(
        logits.every((row, i) => sameBits(row, want[i])),
        "the known answer",
      );
    } catch (error) {
      throw withWords(error, core);
    }
    return "held";
  };

  const end = (_: unknown, cases: number): void => {
    if (cases < abi.cases) return;
    const exported = Object.keys(core.exports).filter((name) => typeof core.exports[name] === "function");
    const missed = exported.filter((name) => !called.has(name) && !OTHERS.test(name) && !LOADING.test(name));
    assert.equal(missed, [], `exports that no case called: ${missed.join(", ")}`);
  };
  return { one, end };
}
