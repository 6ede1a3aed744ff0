/**
 * Encoder-decoders: what small random models answer to a source against Hugging Face and the numpy oracle, what must not
 * move a bit of it, and what is refused.
 */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CHANCE_PAIRS, PAIRS, randomPair } from "../scripts/encoder-decoders.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { Model } from "../src/index.ts";
import golden from "./golden/encoder-decoders.json" with { type: "json" };
import { nodeCommand, nodeWasi } from "./support/commands.ts";
import { sameBits } from "./support/core.ts";
import { Engine, type EngineContext, EngineError, F32, modelBytes, prompt } from "./support/engine.ts";
import { errorOf, temporaryFile } from "./support/models.ts";
import { divergence, fromBase64 } from "./support/peers.ts";

const [engine, scalar] = [new Engine("portable"), new Engine("scalar")];

/** Largest Kullback-Leibler divergence from an oracle. */
const LIMIT = 1e-6;
/** Largest difference of a log probability. */
const LOGPROB_LIMIT = 1e-4;

const SHAPE = { rows: 512, batch: 512, kv: F32 };
const KINDS = Object.keys(PAIRS).filter((kind) => PAIRS[kind].decoder > 0);
const startOf = (kind: string) => (kind.startsWith("mu") ? 1 : 0);
const ids = (count: number, seed = 5) => Array.from({ length: count }, (_, i) => (i * 131 + seed) % 300);

function refused(words: RegExp, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    assert.instance(error, EngineError);
    assert.match((error as Error).message, words);
    return;
  }
  throw new Error(`nothing was refused, and ${words} was expected`);
}

/** Logits of each of the decoder's tokens behind a source. */
function answer(context: EngineContext, source: readonly number[], tokens: readonly number[], sequence = 0) {
  context.run(prompt(source, 0, sequence), { isSource: true });
  return context.run(prompt(tokens, 0, sequence));
}

function argmax(row: Float32Array): number {
  return row.reduce((best, value, i) => (value > row[best] ? i : best), 0);
}

function logprob(row: Float32Array, id: number): number {
  const most = row.reduce((a, b) => Math.max(a, b));
  return row[id] - most - Math.log(row.reduce((sum, value) => sum + Math.exp(value - most), 0));
}

for (const { kind, by, sha256, source, ids: wanted, logprobs, logits } of golden.models) {
  test(`${kind}: ${wanted.length} tokens behind ${source.length} are those of ${by}`, () => {
    const bytes = modelBytes(kind, "F32");
    assert.is(createHash("sha256").update(bytes).digest("hex"), sha256, "the file that the oracle had");
    const given = [startOf(kind), ...wanted.slice(0, -1)];
    const [rows, twins] = [engine, scalar].map((one) => {
      const model = one.load(bytes);
      const context = model.context(SHAPE);
      const rows = answer(context, source, given);
      context.release();
      model.release();
      return rows;
    });
    assert.equal(rows.map(argmax), wanted);
    for (const [i, row] of rows.entries()) {
      const off = Math.abs(logprob(row, wanted[i]) - logprobs[i]);
      assert.ok(off < LOGPROB_LIMIT, `the log probability of token ${i} is off by ${off}`);
      assert.ok(sameBits(row, twins[i]), "the SIMD and the scalar build give the same bits");
    }
    const far = divergence(fromBase64(logits), rows[rows.length - 1]);
    assert.ok(far <= LIMIT, `a divergence of ${far}`);
  });
}

test("the oracles have spoken of every made model, and of 20 by chance of each architecture", () => {
  const known = new Set(golden.models.map(({ kind }) => kind));
  assert.equal([...known].sort(), [...KINDS, ...Object.keys(CHANCE_PAIRS)].sort());
  const peers = golden.models.filter(({ by }) => by === "transformers").map(({ kind }) => kind);
  assert.is(peers.filter((kind) => kind in CHANCE_PAIRS).length, 20);
});

for (const kind of KINDS) {
  test(`${kind}: token by token, in slices of work, and beside another source, the bits are the same`, () => {
    const model = engine.load(modelBytes(kind, "F32"));
    const [source, tokens] = [ids(70), [startOf(kind), ...ids(9, 3)]];
    const context = model.context({ ...SHAPE, batch: 128, sequences: 2 });
    const whole = answer(context, source, tokens);
    const same = (rows: Float32Array[], what: string) => {
      for (const [i, row] of rows.entries()) assert.ok(sameBits(row, whole[i]), `${what}: row ${i}`);
    };
    context.reset();
    context.run(prompt(source), { isSource: true });
    same(context.runChunks(prompt(tokens), 1), "token by token");
    context.reset();
    engine.core.call("context_set_step_work", context.handle, 1n);
    same(answer(context, source, tokens), "slices");
    // The other sequence has a source of its own, and both decode in one pass.
    context.reset();
    context.run([...prompt(source), ...prompt(ids(33, 8), 0, 1)], { isSource: true });
    const both = context.run([...prompt(tokens), ...prompt(tokens, 0, 1)]);
    same(both.slice(0, tokens.length), "beside another");
    assert.not.ok(sameBits(both[both.length - 1], whole[tokens.length - 1]), "another source, another answer");
    context.release();
    model.release();
  });

  test(`${kind}: a session that is rewound, saved and given another source answers as a fresh one`, () => {
    const model = engine.load(modelBytes(kind, "F32"));
    const session = model.session(SHAPE);
    const fresh = (source: readonly number[], count: number) => {
      const one = model.session(SHAPE);
      one.setSource(source);
      const made = one.generate(count).ids;
      one.release();
      one.context.release();
      return made;
    };
    const wanted = fresh(ids(40), 9);
    session.setSource(ids(40));
    const unread = session.save();
    session.generate(4);
    const saved = session.save();
    session.generate(5);
    assert.equal(session.tokens.slice(1), wanted);
    session.rewind(3);
    session.generate(7);
    assert.equal(session.tokens.slice(1), wanted, "rewound");
    session.setSource(ids(11, 8));
    assert.equal(session.generate(9).ids, fresh(ids(11, 8), 9), "another source");
    session.restore(saved);
    session.generate(5);
    assert.equal(session.tokens.slice(1), wanted, "restored");
    session.restore(unread);
    session.generate(9);
    assert.equal(session.tokens.slice(1), wanted, "restored before it was read");
    session.release();
    session.context.release();
    model.release();
  });
}

test("a source makes no logits, and so needs room for none", () => {
  for (const kind of ["t5-tiny", "mu-tiny"]) {
    // Logits of all its tokens would be 38 MB, which is more than this memory has behind their place.
    const own = new Engine("portable");
    const model = own.load(encodeGguf(randomPair({ ...PAIRS[kind], vocabulary: 32_000 }, "F32")));
    const [source, tokens] = [prompt(ids(300)), prompt([startOf(kind)])];
    const narrow = model.context({ ...SHAPE, logitRows: 1 });
    narrow.run(
      source.map((token) => ({ ...token, wanted: false })),
      { isSource: true },
    );
    const [row] = narrow.run(tokens);
    const kept = row.slice();
    narrow.release();
    const wide = model.context(SHAPE);
    wide.run(source, { isSource: true });
    assert.ok(sameBits(kept, wide.run(tokens)[0]), kind);
    wide.release();
    model.release();
  }
});

test("one token in and forty out, and a source as long as the context", () => {
  const model = engine.load(modelBytes("t5-tiny", "F32"));
  const session = model.session(SHAPE);
  for (const length of [1, 127, 128, 129, 512]) {
    session.setSource(ids(length));
    session.begin(40);
    assert.ok(session.generate(40).ids.length > 0, `${length}`);
  }
  refused(/reads 1 to 512 tokens at once in this context, not 513/, () => session.setSource(ids(513)));
  refused(/reads 1 to 512 tokens at once in this context, not 0/, () => session.setSource([]));
  refused(/token 300 is not in the vocabulary of 300/, () => session.setSource([300]));
  session.release();
  session.context.release();
  model.release();
});

test("what wants an encoder, or a source, is refused in words", () => {
  const plain = engine.load(modelBytes("llama-tiny", "F32"));
  const session = plain.session();
  refused(/has no encoder: append the tokens/, () => session.setSource([1, 2]));
  session.release();
  session.context.release();
  plain.release();
  const model = engine.load(modelBytes("t5-tiny", "F32"));
  const empty = model.session(SHAPE);
  empty.append([1, 2, 3]);
  refused(/nothing to answer: the model's encoder wants a text/, () => empty.generate(1));
  const { context } = empty;
  refused(/its encoder reads, and has read none/, () => context.run(prompt([0, 1])));
  context.run(prompt([5, 6]), { isSource: true });
  refused(/has a source already/, () => context.run(prompt([5, 6]), { isSource: true }));
  empty.release();
  empty.context.release();
  model.release();
});

test("the command says the same in Node and in WASI, and the API what such a model does not do", async () => {
  const bytes = modelBytes("t5-tiny", "F32");
  const parent = join(dirname(temporaryFile("place")), "hosts");
  mkdirSync(join(parent, "data"), { recursive: true });
  writeFileSync(join(parent, "data", "t5.gguf"), bytes);
  const hosts = [nodeCommand(parent), nodeWasi("limpet.wasi.wasm", parent)];
  for (const [words, status, says] of [
    [["generate", "data/t5.gguf", "-p", "hello", "-n", "12", "--temp", "0", "--build", "portable"], 0, /./],
    [["generate", "data/t5.gguf", "-p", "hello", "--chat"], 1, /no chat/],
    [["logits", "data/t5.gguf", "--tokens", "1,2", "--out", "data/l"], 1, /has read none/],
    [["embed", "data/t5.gguf", "hello"], 1, /makes no vectors/],
  ] as const) {
    const answers = hosts.map((host) => host.run(words));
    for (const { out, err, status: ended } of answers) {
      assert.is(ended, status, `${words.join(" ")}: ${err}`);
      assert.match(out + err, says);
    }
    if (status === 0) assert.is(answers[0].out, answers[1].out);
  }
  const model = await Model.load(bytes);
  assert.is(model.info.makes, "text");
  assert.is((await errorOf(() => model.embed(["a"]))).code, "UNSUPPORTED");
  const session = model.session({ context: 40 });
  assert.throws(() => session.append(ids(41)), /the context holds 40 tokens/);
  session.append(ids(40));
  for await (const _ of session.generate(undefined, { maxTokens: 3 }));
  assert.ok(session.tokens.length > 1);
  // One that saves and one that goes on share a source.
  const other = model.restore(session.save());
  for await (const _ of other.generate(undefined, { maxTokens: 3 }));
  for await (const _ of session.generate(undefined, { maxTokens: 3 }));
  assert.equal(other.tokens, session.tokens);
  model.dispose();
});

type File = ReturnType<typeof makeModel>;

function changed(kind: string, change: (file: File) => File): Uint8Array {
  return new Uint8Array(encodeGguf(change(makeModel(kind, "F32"))));
}

const without = (kind: string, name: RegExp) =>
  changed(kind, (file) => ({ ...file, tensors: file.tensors.filter((tensor) => !name.test(tensor.name)) }));

/** A file in which a key has another value. */
const keyed = (kind: string, key: string, value: number) =>
  changed(kind, (file) => ({
    ...file,
    metadata: [...file.metadata.filter(([name]) => name !== key), [key, "u32", value]],
  }));

test("files of wrong counts, and without what a decoder needs, are refused in words", () => {
  const load = (bytes: Uint8Array) => () => engine.load(bytes);
  for (const kind of ["t5-tiny", "mu-tiny"]) {
    const name = PAIRS[kind].architecture;
    const before = engine.used;
    for (const value of [513, 65536, 0xffffffff]) {
      refused(/decoder_block_count, twice/, load(keyed(kind, `${name}.decoder_block_count`, value)));
    }
    refused(/no decoder|does not use/, load(keyed(kind, `${name}.decoder_block_count`, 0)));
    refused(/does not use/, load(keyed(kind, `${name}.decoder_block_count`, 1)));
    refused(
      /no tensor dec\.blk\.\d+\.attn_norm/,
      load(keyed(kind, `${name}.decoder_block_count`, PAIRS[kind].decoder + 1)),
    );
    refused(/decoder_start_token_id/, load(keyed(kind, `${name}.decoder_start_token_id`, 300)));
    refused(/cross_attn_q/, load(without(kind, /cross_attn_q/)));
    refused(/cross_attn_k/, load(without(kind, /cross_attn_k\./)));
    refused(/cross_attn_norm/, load(without(kind, /cross_attn_norm/)));
    refused(/enc\.output_norm/, load(without(kind, /enc\.output_norm/)));
    refused(/dec\.output_norm/, load(without(kind, /dec\.output_norm/)));
    refused(/attn_o/, load(without(kind, /dec\.blk\.1\.attn_o/)));
    assert.is(engine.used, before, "nothing is left behind");
  }
  refused(/attn_rel_b/, load(without("t5-tiny", /dec\.blk\.0\.attn_rel_b/)));
  refused(/attn_rel_b|buckets/, load(keyed("t5-tiny", "t5.attention.relative_buckets_count", 16)));
  refused(/attn_rel_b|buckets/, load(keyed("t5-tiny", "t5.attention.relative_buckets_count", 0)));
  refused(
    /attention\.relative_buckets_count is 5000/,
    load(keyed("t5-tiny", "t5.attention.relative_buckets_count", 5000)),
  );
  refused(/has no decoder/, load(without("mu-tiny", /^dec\.blk/)));
});

test.run();
