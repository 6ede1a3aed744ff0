/**
 * Every export that takes a number takes any number: on live handles none of them traps, whatever it is given, and
 * afterwards the same question has the same answer, bit for bit. Handles and buffers are what they should be, and buffers
 * as long as is said; kernels by themselves (`kernel_…`) trust their callers, and say so.
 */
import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { address } from "../bindings/memory.ts";
import { Engine, type EngineModel, modelBytes, prompt, spread } from "./support/engine.ts";
import { generator } from "./support/random.ts";

interface Parameter {
  name: string;
  type: string;
}

/** The exports of assembly/exports/, by name, with their parameters. */
function exported(): Map<string, Parameter[]> {
  const found = new Map<string, Parameter[]>();
  const folder = new URL("../assembly/exports/", import.meta.url);
  for (const file of readdirSync(folder)) {
    const source = readFileSync(new URL(file, folder), "utf8");
    for (const [, name, list] of source.matchAll(/^export function (\w+)\(([^)]*)\)/gm)) {
      const parameters = [...list.matchAll(/(\w+): (\w+)/g)].map(([, own, type]) => ({ name: own, type }));
      found.set(name, parameters);
    }
  }
  return found;
}

/** Bytes of every buffer that is given, and what numbers that tell its length say. */
const BUFFER = 1 << 20;
const LENGTHS: Record<string, number> = {
  ...{ length: 64, count: 16, capacity: 64, bytes: 64, queryLength: 64, documentLength: 64, dimensions: 64 },
};

/** What ends a handle, or is of a handle that this test makes none of. */
const LEFT_OUT =
  /^(kernel_|thread_|core_create|core_release|model_release|context_release|session_release|gguf_release|tokenizer_stream_release|gguf_merge|gguf_step$)/;

const U32 = [
  0, 1, 2, 3, 4, 7, 8, 63, 64, 127, 255, 256, 512, 4096, 4097, 1e6, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];
const U64 = [0n, 1n, 64n, 1n << 31n, 1n << 32n, (1n << 32n) - 1n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n];
const F32 = [0, -0, 1, -1, 0.5, 1e-45, 3.4e38, -3.4e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

const next = generator(17);
const any = <T>(values: readonly T[]): T => values[Math.floor(next() * values.length)];
const ids = spread(12);

for (const [kind, type] of [
  ["llama-tiny", "Q8_0"],
  ["plm-1m", "Q4_0"],
  ["memoryformer-tiny", "Q8_0"],
] as const) {
  test(`${kind}: no number traps, and the next answer has its bits`, () => {
    const engine = new Engine("portable");
    const { core } = engine;
    const model: EngineModel = engine.load(modelBytes(kind, type));
    const shape = { rows: 48, batch: 16, logitRows: 4, sequences: 3 };
    const session = model.session(shape);
    const { context } = session;
    const other = model.context(shape);
    const buffers = [0, 1, 2].map(() => core.allocate(BUFFER));
    const gguf = address(core.call("model_gguf", model.handle));
    const tokenizer = address(core.call("model_tokenizer", model.handle));
    const handles: Record<string, () => number> = {
      Core: () => core.core,
      Model: () => model.handle,
      Context: () => any([context.handle, other.handle]),
      Session: () => session.handle,
      Tokenizer: () => tokenizer,
      Stream: () => stream,
      Gguf: () => gguf,
      Entry: () => entry,
      Tensor: () => tensor,
    };
    const stream = engine.handle(core.call("tokenizer_stream_create", core.core, tokenizer, 0));
    const entry = address(core.call("gguf_entry", gguf, 1));
    const tensor = address(core.call("gguf_tensor", gguf, 1));
    // Afterwards nothing of a pass, a generation or a setting is left.
    const settle = () => {
      core.call("core_set_limit", core.core, 0x7fff0000);
      for (const one of [context, other]) {
        core.call("context_abort", one.handle);
        core.call("context_set_mass", one.handle, 0);
        core.call("context_set_traced", one.handle, 0);
        core.call("context_set_step_work", one.handle, 1n << 28n);
        engine.do("context_set_form", one.handle, 0);
        engine.do("context_set_visibility", one.handle, 0);
      }
      core.call("session_stop", session.handle);
      core.call("session_clear_stops", session.handle);
      session.rewind(0);
      engine.do("session_limit", session.handle, shape.rows);
      engine.do("session_limit_reasoning", session.handle, 0xffffffff);
      session.configure({});
      for (const one of [context, other]) one.reset();
    };
    const answer = () => {
      settle();
      session.append(ids);
      const { ids: made, logprobs } = session.generate(4, 0);
      const rows = other.run(prompt(ids).map((token, i) => ({ ...token, wanted: i > 8 })));
      return JSON.stringify([made, logprobs, rows.map((row) => Buffer.from(row.buffer).toString("base64"))]);
    };
    const want = answer();
    const used = engine.used;
    const made: [release: (handle: number) => void, result: number][] = [];

    for (const [name, parameters] of exported()) {
      if (LEFT_OUT.test(name) || !(name in core.exports)) continue;
      const numbers = parameters.filter(({ type }) => ["u32", "i32", "u64", "f32", "bool"].includes(type));
      for (let round = 0; round < (numbers.length ? 24 * numbers.length : 1); round++) {
        let buffered = 0;
        let wasBuffer = false;
        const values = parameters.map(({ name: own, type: kind }) => {
          if (kind in handles) return handles[kind]();
          if (kind === "usize" && own === "limit") return any(U32);
          if (kind === "usize") {
            wasBuffer = true;
            return buffers[buffered++];
          }
          const tells = wasBuffer && own in LENGTHS;
          if (tells) return Math.floor(next() * LENGTHS[own]);
          if (kind === "u64") return any(U64);
          if (kind === "f32") return any(F32);
          if (kind === "i32") return any(U32) | 0;
          return any(U32);
        });
        // What a session or a pass has begun is in the way of few calls, and now and then there is one.
        if (round % 6 === 5) {
          settle();
          session.append(ids.slice(0, 5));
          if (round % 12 === 11) core.call("session_begin", session.handle, 3, 1, 2);
        }
        let result: number;
        try {
          result = core.call(name, ...values);
        } catch (error) {
          throw new Error(`${name}(${values.map(String).join(", ")}): ${(error as Error).message}`);
        }
        const release = RELEASES[name];
        if (release && result !== 0)
          made.push([
            (handle) => core.call(release, ...(RELEASE_WITH_CORE.has(release) ? [core.core, handle] : [handle])),
            address(result),
          ]);
        for (const [give, handle] of made.splice(0)) give(handle);
      }
      assert.is(answer(), want, `the answer after ${name}`);
    }
    settle();
    assert.ok(engine.used <= used + (1 << 16), `${engine.used - used} bytes are left behind`);
  });
}

/** What ends the handles that calls make here. */
const RELEASES: Record<string, string> = {
  core_allocate: "core_release",
  gguf_create: "gguf_release",
  model_create: "model_release",
  adapter_create: "model_release",
  context_create: "context_release",
  context_create_tapped: "context_release",
  context_create_for_texts: "context_release",
  context_create_kept: "context_release",
  session_create: "session_release",
  tokenizer_stream_create: "tokenizer_stream_release",
};
const RELEASE_WITH_CORE = new Set(["core_release", "gguf_release", "tokenizer_stream_release"]);

test.run();
