/**
 * Encoders: the vectors of small random models of every one against the numpy oracle and against peers, and what must
 * not move them: neighbours in a pass, slices of work, builds, the order of texts.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvType } from "../bindings/numbers.ts";
import { ENCODER_VARIANTS, encodersOf, TINY_ENCODERS } from "../scripts/encoders.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { convert } from "../src/convert.ts";
import { Core } from "../src/host/instance.ts";
import { readHead } from "../src/load/gguf-head.ts";
import { inspectFile } from "../src/load/inspect.ts";
import { openSource } from "../src/load/source.ts";
import golden from "./golden/encoders.json" with { type: "json" };
import llama from "./golden/encoders-llama.cpp.json" with { type: "json" };
import transformers from "./golden/encoders-transformers.json" with { type: "json" };
import { checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { sameBits } from "./support/core.ts";
import { Engine, EngineError, modelBytes, prompt, spread } from "./support/engine.ts";
import { errorOf, temporaryFile } from "./support/models.ts";
import { fromBase64 } from "./support/peers.ts";
import { cosine, farthest, joined, Pooling, TextContext, vectorsOf } from "./support/texts.ts";

const [engine, scalar] = [new Engine("portable"), new Engine("scalar")];

/** Largest difference from the oracle of values whose deviation is near 1: of floats, and with activations in 16 bits. */
const LIMIT = 1e-5;
const BLOCKS_LIMIT = 1e-3;
/** How far a cosine may be below 1. */
const TURN = 1e-6;
/** llama.cpp takes GELU by tanh out of a table of halves, and keys and values as halves. */
const PEER_TURN = 1e-5;
/** … of scores, which are a few values. */
const PEER_SCORE = 5e-3;

for (const { kind, type, sha256, vectors, ...more } of golden.models) {
  test(`${kind} in ${type}: vectors agree with the oracle's`, () => {
    const bytes = modelBytes(kind, type);
    assert.is(createHash("sha256").update(bytes).digest("hex"), sha256, "the file that the oracle had");
    const compare = (expected: string, texts: number[][], pooling?: number) => {
      const [ours, other] = [engine, scalar].map((one) => joined(vectorsOf(one, bytes, texts, { pooling })));
      assert.ok(sameBits(ours, other), "the SIMD and the scalar build give the same bits");
      const wanted = fromBase64(expected);
      const far = farthest(wanted, ours);
      assert.ok(far <= (type === "F32" ? LIMIT : BLOCKS_LIMIT), `off by ${far}`);
      assert.ok(cosine(wanted, ours) >= 1 - TURN, `cosine ${cosine(wanted, ours)}`);
    };
    compare(vectors, golden.texts);
    if ("rows" in more) compare(more.rows as string, golden.texts.slice(0, 1), Pooling.NONE);
  });
}

test("the oracle's vectors are stored of every made encoder", () => {
  const kinds = new Set(golden.models.map(({ kind }) => kind));
  assert.equal([...kinds], [...TINY_ENCODERS, ...ENCODER_VARIANTS]);
});

for (const { kind, sha256, vectors } of llama.models) {
  test(`${kind}: vectors agree with llama.cpp's`, () => {
    const bytes = modelBytes(kind, "F32");
    assert.is(createHash("sha256").update(bytes).digest("hex"), sha256, "the file that llama.cpp had");
    const model = engine.load(bytes);
    const context = new TextContext(model);
    const wanted = fromBase64(vectors);
    const { width } = context;
    for (const [i, ids] of llama.texts.entries()) {
      const expected = wanted.subarray(i * width, (i + 1) * width);
      const ours = context.encode([ids]).at(-1) as Float32Array;
      if (width < 8) assert.ok(farthest(expected, ours) < PEER_SCORE, `off by ${farthest(expected, ours)}`);
      else assert.ok(cosine(expected, ours) > 1 - PEER_TURN, `cosine 1 - ${1 - cosine(expected, ours)}`);
    }
    context.release();
    model.release();
  });
}

for (const { kind, sha256, vectors } of transformers.models) {
  test(`${kind}: a converted checkpoint has the keys, the weights, and transformers' vectors`, async () => {
    const { model, parts } = checkpointOf(kind);
    assert.is(
      createHash("sha256").update(encodeGguf(model)).digest("hex"),
      sha256,
      "the weights that transformers had",
    );
    const out = temporaryFile("encoder.gguf");
    await convert(writeCheckpoint(`peer-${kind}`, parts), out, { type: "F32" });
    const bytes = new Uint8Array(readFileSync(out));
    const sources = await openSource(out);
    const { metadata, tensors } = await readHead(await Core.create({}), sources);
    for (const source of sources) source.close();
    const keys = new Map(metadata.map(([key, , value]) => [key, value]));
    for (const [key, type, value] of model.metadata) {
      if (/general\.(name|file_type)|token_type$|head_count_kv|rope\.dimension_count|tokens$|merges$/.test(key))
        continue;
      assert.equal(keys.get(key), type === "f32" ? Math.fround(Number(value)) : value, key);
    }
    assert.equal(tensors.map(({ name }) => name).sort(), model.tensors.map(({ name }) => name).sort());
    const ours = joined(vectorsOf(engine, bytes, transformers.texts));
    const wanted = fromBase64(vectors);
    assert.ok(farthest(wanted, ours) <= LIMIT, `off by ${farthest(wanted, ours)}`);
    assert.ok(cosine(wanted, ours) >= 1 - TURN, `cosine ${cosine(wanted, ours)}`);
  });
}

test("transformers' vectors are stored of all that it runs", () => {
  assert.equal(
    transformers.models.map(({ kind }) => kind),
    encodersOf("transformers"),
  );
});

test("llama.cpp's vectors are stored of all that it runs", () => {
  assert.equal(
    llama.models.map(({ kind }) => kind),
    encodersOf("llama.cpp"),
  );
});

/** Texts of many lengths, of which the first comes once more at the end. */
const MANY = [...Array.from({ length: 31 }, (_, i) => spread(1 + ((i * 7) % 29), i)), spread(1, 0)];

for (const kind of [...TINY_ENCODERS, ...ENCODER_VARIANTS]) {
  test(`${kind}: a text has the same bits alone, among 31 others, and in the smallest slices of work`, () => {
    const model = engine.load(modelBytes(kind, "F32"));
    const alone = new TextContext(model);
    const each = MANY.map((ids) => joined(alone.encode([ids])));
    const packed = new TextContext(model, { batch: 512 });
    const together = joined(packed.encode(MANY));
    assert.ok(sameBits(joined(each), together), "packed");
    assert.ok(sameBits(each[0], each[31]), "the first once more");
    const sliced = new TextContext(model, { batch: 512, work: 1 });
    assert.ok(sameBits(joined(sliced.encode(MANY)), together), "sliced");
    assert.ok(sliced.steps > packed.steps, `${sliced.steps} steps and ${packed.steps}`);
    for (const context of [alone, packed, sliced]) context.release();
    model.release();
  });
}

for (const kind of ["bert-tiny", "jina-bert-v2-tiny", "modern-bert-tiny", "gemma-embedding-tiny"]) {
  test(`${kind}: a mask lets the first tokens of a text see each other alone, as if the text ended there`, () => {
    const model = engine.load(modelBytes(kind, "F32"));
    const context = new TextContext(model, { pooling: Pooling.NONE });
    for (const [length, seen] of [
      [19, 7],
      [33, 16],
      [21, 20],
    ]) {
      const ids = spread(length);
      // What stands behind sees everything.
      const mask = ids.map((_, i) => Array.from({ length: i < seen ? seen : length }, (_, j) => j));
      const first = context.encode([ids], { mask }).slice(0, seen);
      const alone = context.encode([ids.slice(0, seen)]);
      assert.ok(farthest(joined(first), joined(alone)) <= LIMIT, `${seen} of ${length}`);
      const whole = mask.map(() => ids.map((_, j) => j));
      assert.ok(sameBits(joined(context.encode([ids], { mask: whole })), joined(context.encode([ids]))), "all seen");
    }
    context.release();
    model.release();
  });
}

test("qwen3 with two rows of its head ranks: its scores are the logits of these two tokens", () => {
  const file = makeModel("qwen3-tiny", "F32");
  const embedding = () => makeModel("qwen3-tiny", "F32").tensors.find(({ name }) => name === "token_embd.weight")!;
  const [hidden, rows] = embedding().shape;
  const bytes = new Uint8Array(4 * hidden * rows);
  embedding().fill(bytes);
  const [yes, no] = [300, 41];
  const row = (id: number) => bytes.subarray(4 * hidden * id, 4 * hidden * (id + 1));
  const head = {
    name: "cls.output.weight",
    type: "F32" as const,
    shape: [hidden, 2],
    fill(target: Uint8Array) {
      target.set(row(yes));
      target.set(row(no), 4 * hidden);
    },
  };
  const ranking = {
    tensors: [...file.tensors, head],
    metadata: [...file.metadata, ["qwen3.pooling_type", "u32", Pooling.RANK] as const],
  };
  const scores = vectorsOf(engine, new Uint8Array(encodeGguf(ranking)), [spread(48)]);
  assert.is(scores.length, 1);
  const model = engine.load(modelBytes("qwen3-tiny", "F32"));
  const context = model.context({ kv: KvType.F16 });
  const logits = context.run(prompt(spread(48))).at(-1)!;
  assert.ok(farthest([logits[yes], logits[no]], scores[0]) <= LIMIT, `${scores[0]} and ${logits[yes]}, ${logits[no]}`);
  context.release();
  model.release();
});

test("what a folder of sentence-transformers says and no file can is refused by name", async () => {
  const refused = async (
    kind: string,
    words: RegExp,
    change: (others: Record<string, unknown>, config: Record<string, unknown>) => void,
  ) => {
    const { parts } = checkpointOf(kind);
    change(parts.others!, parts.config);
    const error = await errorOf(() => convert(writeCheckpoint("refused", parts), temporaryFile("refused.gguf")));
    assert.match(error.message, words);
    assert.is(error.code, "UNSUPPORTED", error.message);
  };
  const pooling = "1_Pooling/config.json";
  await refused(
    "bert-tiny",
    /pools by pooling_mode_max_tokens/,
    (others) => (others[pooling] = { pooling_mode_max_tokens: true }),
  );
  await refused("bert-tiny", /cls_token and pooling_mode_mean_tokens/, (others) => {
    others[pooling] = { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true };
  });
  await refused("bert-tiny", /include_prompt is false/, (others) => {
    others[pooling] = { pooling_mode_mean_tokens: true, include_prompt: false };
  });
  await refused("bert-tiny", /models\.CNN.* is no module/, (others) => {
    others["modules.json"] = [{ path: "1_CNN", type: "sentence_transformers.models.CNN" }];
  });
  await refused("bert-dense", /activation_function is "torch.nn.modules.activation.Tanh"/, (others) => {
    const config = others["2_Dense/config.json"] as Record<string, unknown>;
    config["activation_function"] = "torch.nn.modules.activation.Tanh";
  });
  await refused("bert-tiny", /hidden_act is "relu"/, (_, config) => (config["hidden_act"] = "relu"));
  await refused(
    "bert-tiny",
    /position_embedding_type is "relative_key"/,
    (_, config) => (config["position_embedding_type"] = "relative_key"),
  );
  await refused(
    "modern-bert-rank",
    /classifier_pooling is "cls"/,
    (_, config) => (config["classifier_pooling"] = "cls"),
  );
});

test("prompts of texts become keys", async () => {
  const { parts } = checkpointOf("bert-tiny");
  parts.others!["config_sentence_transformers.json"] = { prompts: { query: "query: ", document: "" } };
  const out = temporaryFile("prompts.gguf");
  await convert(writeCheckpoint("prompts", parts), out, { type: "F32" });
  const { metadata } = await inspectFile(out);
  const prompts = [...metadata].filter(([key]) => key.startsWith("sentence_transformers.prompts."));
  assert.equal(
    prompts.map(([key, { value }]) => [key, value]),
    [["sentence_transformers.prompts.query", "query: "]],
  );
});

test("one token, and texts around 512: those around the context's end are refused in words", () => {
  // Its context is 600 tokens.
  const model = engine.load(modelBytes("bert-tiny", "F32"));
  const context = new TextContext(model, { batch: 640 });
  for (const length of [1, 511, 512, 513, 600]) {
    const [vector] = context.encode([spread(length)]);
    assert.ok(vector.every(Number.isFinite), `${length} tokens`);
  }
  assert.throws(
    () => context.encode([spread(601)]),
    (error: EngineError) => /learned 600 positions/.test(error.message),
  );
  // A pass that is refused changes nothing.
  const again = context.encode([spread(3)]);
  assert.ok(sameBits(joined(again), joined(vectorsOf(engine, "bert-tiny", [spread(3)]))));
  context.release();
  model.release();
});

test("normalised vectors have the length 1, and cut ones are normalised behind the cut", () => {
  const model = engine.load(modelBytes("eurobert-tiny", "F32"));
  const context = new TextContext(model);
  const [plain] = context.encode([spread(9)]);
  for (const dimensions of [96, 33, 1]) {
    const [vector] = context.encode([spread(9)], { normalised: true, dimensions });
    const length = Math.sqrt(plain.subarray(0, dimensions).reduce((sum, value) => sum + value * value, 0));
    assert.ok(
      farthest(
        Float32Array.from(plain.subarray(0, dimensions), (value) => value / length),
        vector,
      ) < 1e-6,
    );
  }
  context.release();
  model.release();
});

test("what a context for texts does not take is refused in words", () => {
  const bert = engine.load(modelBytes("bert-tiny", "F32"));
  const ranking = engine.load(modelBytes("bert-rank", "F32"));
  const refused = (words: RegExp, work: () => unknown) => {
    try {
      work();
    } catch (error) {
      assert.instance(error, EngineError);
      return assert.match((error as EngineError).message, words);
    }
    throw new Error(`not refused: ${words}`);
  };
  refused(/makes vectors and ranks no documents/, () => new TextContext(bert, { pooling: Pooling.RANK }));
  refused(/makes vectors and ranks no documents/, () => new TextContext(bert, { pooling: 5 }));
  refused(/ranks documents and makes no vectors/, () => new TextContext(ranking, { pooling: Pooling.MEAN }));
  refused(/makes vectors of texts and writes none/, () => bert.context());
  refused(/makes vectors of texts and writes none: call rerank/, () => ranking.context());
  refused(/1 to 8192 tokens a batch/, () => new TextContext(bert, { batch: 8193 }));
  const context = new TextContext(bert, { batch: 16, sequences: 2 });
  refused(/1 to 16 tokens/, () => context.encode([spread(17)]));
  refused(/1 to 16 tokens/, () => context.encode([[]]));
  refused(/sequence that the context has not/, () => context.encode([[1], [2], [3]]));
  refused(/not in the vocabulary/, () => context.encode([[512]]));
  refused(/there is no vector 0 of 97 values/, () => context.encode([[1]], { dimensions: 97 }));
  refused(/there is no vector 0 of 0 values/, () => context.encode([[1]], { dimensions: 0 }));
  context.release();
  bert.release();
  ranking.release();
});

test.run();
