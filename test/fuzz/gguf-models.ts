/**
 * Model files through the core as a host drives it: loading whole, with streamed weights or tables, or the vocabulary
 * alone; then a pass, text, a saved session. Portable and scalar agree bit for bit on what goes through.
 */
import * as assert from "uvu/assert";
import { sameBits } from "../support/core.ts";
import { Engine, EngineError, type EngineModel, F16, F32, Q8_0, Streamed } from "../support/engine.ts";
import { Pooling, TextContext } from "../support/texts.ts";
import { Finding, type Fuzzer, guardCore, lookAtGuards, type Run, refusal, withWords } from "./fuzzer.ts";
import { woundFile } from "./mutate.ts";
import type { Random } from "./random.ts";
import { makeOtherSeeds, makeSeeds } from "./seeds.ts";

/** Memory that a broken file may ask for: what is not there is an error in words. */
const LIMIT = 200 << 20;
/** Every so many cases a sound file is read, and its answer compared. */
const SOUND_EVERY = 50;

export const ggufModels: Fuzzer = {
  name: "gguf-models",
  about: "model files through the core: load, plan, program, passes, streamed weights, text, sessions",
  cases: 1000,
  share: 8,
  prepare,
};

interface Wish {
  readonly vocabularyOnly: boolean;
  readonly streamed: number;
  readonly rowCache: number;
  readonly rows: number;
  readonly batch: number;
  readonly kv: number;
  readonly ids: readonly number[];
  readonly slabCache?: number;
}

function wishOf(random: Random): Wish {
  const batch = random.from(1, 9);
  return {
    vocabularyOnly: random.oneIn(8),
    streamed: random.pick([Streamed.NOTHING, Streamed.NOTHING, Streamed.ALL, Streamed.TABLES]),
    rowCache: random.oneIn(3) ? 0 : random.below(1 << 16),
    rows: random.from(batch, 40),
    batch,
    kv: random.pick([F16, F32, Q8_0]),
    ids: Array.from({ length: batch }, () => random.below(random.oneIn(20) ? 1e6 : 290)),
    slabCache: random.oneIn(3) ? random.below(1 << 18) : undefined,
  };
}

class Side {
  readonly engine: Engine;
  readonly used: number;

  constructor(build: "portable" | "scalar") {
    this.engine = new Engine(guardCore(build));
    this.used = this.engine.used;
    this.engine.core.call("core_set_limit", this.engine.core.core, LIMIT);
  }

  /** What a file comes to: the word for its end, and the logits of a pass. */
  run(bytes: Uint8Array, wish: Wish): { word: string; logits: Float32Array[] } {
    const { core } = this.engine;
    try {
      const result = this.#run(bytes, wish);
      lookAtGuards(core);
      assert.is(this.engine.used, this.used, `after ${result.word}: a block was not given back`);
      return result;
    } catch (error) {
      throw withWords(error, core);
    }
  }

  #run(bytes: Uint8Array, wish: Wish): { word: string; logits: Float32Array[] } {
    let model: EngineModel;
    try {
      model = this.engine.load(bytes, wish.vocabularyOnly, wish);
    } catch (error) {
      return { word: refusal(error), logits: [] };
    }
    try {
      return this.#use(model, wish);
    } catch (error) {
      return { word: `loaded, ${refusal(error)}`, logits: [] };
    } finally {
      model.release();
    }
  }

  #use(model: EngineModel, { rows, batch, kv, ids }: Wish): { word: string; logits: Float32Array[] } {
    const { core } = this.engine;
    this.#tokenize(model);
    if (core.call("model_vocabulary_only", model.handle)) return { word: "vocabulary", logits: [] };
    core.call("model_program", model.handle, 0, 0);
    if (!core.call("model_has_logits", model.handle)) return this.#encode(model, batch, ids);
    const planned = model.contextBytes({ rows, batch, kv });
    const before = this.engine.used;
    const context = model.context({ rows, batch, kv });
    assert.is(this.engine.used - before, planned, "a context takes what it said");
    try {
      const tokens = ids.map((id, position) => ({ id: id % model.vocabulary, position }));
      const reads = core.call("model_has_encoder", model.handle) !== 0;
      if (reads) context.run(tokens, { isSource: true });
      const logits = context.run(tokens);
      context.reset();
      const session = model.session({}, context);
      try {
        if (reads) session.setSource(tokens.map(({ id }) => id));
        else session.append("Once upon a time", 3);
        session.generate(2);
        const saved = session.save();
        rewind(session);
        session.restore(saved);
      } finally {
        session.release();
      }
      return { word: "answered", logits };
    } finally {
      context.release();
    }
  }

  /** A text by itself, and once more beside another: the same bits. */
  #encode(model: EngineModel, batch: number, ids: readonly number[]): { word: string; logits: Float32Array[] } {
    const ranks = this.engine.core.call("model_pooling", model.handle) === Pooling.RANK;
    const pooling = ranks ? undefined : Pooling.NONE;
    const context = new TextContext(model, { batch: 2 * batch, sequences: 2, pooling });
    try {
      const text = ids.map((id) => id % model.vocabulary);
      const vectors = context.encode([text]);
      const both = context.encode([text, text]);
      for (const [i, vector] of vectors.entries()) assert.ok(agree(both[i], vector), `row ${i} beside another text`);
      return { word: "answered", logits: vectors };
    } finally {
      context.release();
    }
  }

  #tokenize({ handle }: EngineModel): void {
    const { core, exports } = { core: this.engine.core, exports: this.engine.core.exports };
    const tokenizer = exports.model_tokenizer(handle);
    if (tokenizer === 0) return;
    const text = core.put("Once upon a time <|endoftext|> é\u0000 ");
    const target = core.allocate(4 * 64);
    const count = exports.tokenizer_tokenize(core.core, tokenizer, text, 38, 3, target, 64);
    if (count < 0 && count < -6) throw new Finding(`tokenizing answers ${count}`);
    if (count > 0) {
      const length = exports.tokenizer_detokenize(core.core, tokenizer, target, Math.min(count, 64), 1, 0, 0);
      if (length < 0) throw new Finding(`its own tokens are no text: ${core.message}`);
    }
    core.release(target);
    core.release(text);
  }
}

function prepare(): Run {
  const seeds = [...makeSeeds(), ...makeOtherSeeds()];
  const sides = [new Side("portable"), new Side("scalar")] as const;
  const plain: Wish = {
    ...{ vocabularyOnly: false, streamed: Streamed.NOTHING, rowCache: 0 },
    ...{ rows: 32, batch: 4, kv: F16, ids: [1, 70, 100, 5] },
  };
  const sound = seeds.map(({ bytes }) => sides[0].run(bytes, plain).logits);
  for (const [i, logits] of sound.entries()) assert.is(logits.length, 4, `${seeds[i].name} is sound`);
  let cases = 0;

  const one = (random: Random): string => {
    const i = random.below(seeds.length);
    const bytes = woundFile(random, seeds[i]);
    const wish = wishOf(random);
    if (++cases % SOUND_EVERY === 0) {
      for (const side of sides) {
        const { logits } = side.run(seeds[i].bytes, plain);
        assert.ok(logits.length === 4 && logits.every((row, k) => sameBits(row, sound[i][k])), "a sound file's answer");
      }
    }
    const portable = sides[0].run(bytes, wish);
    // What is refused before anything is computed is refused by the same code.
    if (!portable.logits.length && !random.oneIn(8)) return portable.word;
    const scalar = sides[1].run(bytes, wish);
    assert.is(portable.word, scalar.word, "the builds say the same");
    assert.is(portable.logits.length, scalar.logits.length);
    for (const [row, logits] of portable.logits.entries()) {
      assert.ok(agree(logits, scalar.logits[row]), `row ${row}: portable and scalar have other bits`);
    }
    return portable.word;
  };
  return { one };
}

/** States of layers are rewound to marks alone. */
function rewind(session: { rewind(tokens: number): void }): void {
  try {
    session.rewind(1);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
  }
}

/** The same bits; the payload of a NaN is the machine's. */
function agree(a: Float32Array, b: Float32Array): boolean {
  return sameBits(a, b) || a.every((value, i) => Object.is(value, b[i]));
}
