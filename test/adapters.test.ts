/**
 * Adapters beside a model's weights: against llama.cpp on the same files, against weights that they are merged into, and
 * against themselves: what a sequence's set gives does not depend on who else is in its passes.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf, type GgufFile } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { type AdapterShape, MATRICES, randomAdapter } from "../scripts/random-adapter.mjs";
import { type Adapter, type AdapterSet, LimpetError, Model } from "../src/index.ts";
import golden from "./golden/adapters.json" with { type: "json" };
import { ADAPTED, adapterBytes } from "./support/adapters.ts";
import { sameBits, wasmBytes } from "./support/core.ts";
import { Engine, EngineModel, prompt, Streamed } from "./support/engine.ts";
import { errorOf, modelBytes } from "./support/models.ts";
import { divergence, fromBase64 } from "./support/peers.ts";

/** Largest KL from llama.cpp, F32, and from weights that adapters are merged into. */
const PEER_LIMIT = 1e-6;
const IDS = golden.tokens;
const FEW = { maxTokens: 6, temperature: 1, seed: 4 };
const PROMPT = "Once upon a time there was";

const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
const load = (shape: AdapterShape, of: Model = model): Promise<Adapter> =>
  of.adapter(adapterBytes("llama-tiny", shape));
const [one, two] = [await load({ seed: 1 }), await load({ seed: 2, rank: 5, matrices: ["attn_q", "token_embd"] })];
const rows = (all: Float32Array, vocabulary = 512): Float32Array => all.slice(-vocabulary);

for (const [i, { kind, adapters }] of ADAPTED.entries()) {
  test(`${kind}: ${adapters.length} adapters give what llama.cpp gives`, async () => {
    const base = await Model.load(modelBytes(kind, "F32"));
    const set: [Adapter, number][] = [];
    for (const { weight, ...shape } of adapters) set.push([await base.adapter(adapterBytes(kind, shape)), weight]);
    const want = fromBase64(golden.models[i].logits);
    const far = divergence(want, rows(await base.logits(IDS, { kv: "f32", adapters: set }), want.length));
    assert.ok(far < PEER_LIMIT, `KL ${far}`);
    base.dispose();
  });
}

/** The values of a tensor of floats that was not filled yet. */
function valuesOf({ shape, fill }: GgufFile["tensors"][number]): Float32Array {
  const bytes = new Uint8Array(4 * shape.reduce((product, size) => product * size, 1));
  fill(bytes);
  return new Float32Array(bytes.buffer);
}

/** The file of a model whose weights have W + α / r · B A, summed in float64. */
function merged(kind: string, shape: AdapterShape): Uint8Array<ArrayBuffer> {
  const base = makeModel(kind, "F32");
  const pairs = new Map(randomAdapter(makeModel(kind, "F32"), shape).tensors.map((tensor) => [tensor.name, tensor]));
  const tensors = base.tensors.map((tensor) => {
    const [a, b] = [pairs.get(`${tensor.name}.lora_a`), pairs.get(`${tensor.name}.lora_b`)];
    if (!a || !b) return tensor;
    const [w, x, y] = [tensor, a, b].map(valuesOf);
    const [columns, rank] = a.shape;
    for (let at = 0; at < w.length; at++) {
      const [row, column] = [Math.floor(at / columns), at % columns];
      let sum = 0;
      for (let j = 0; j < rank; j++) sum += y[row * rank + j] * x[j * columns + column];
      w[at] += ((shape.alpha ?? 16) / rank) * sum;
    }
    const bytes = new Uint8Array(w.buffer);
    let done = 0;
    return { ...tensor, fill: (chunk: Uint8Array) => void chunk.set(bytes.subarray(done, (done += chunk.length))) };
  });
  return new Uint8Array(encodeGguf({ ...base, tensors }));
}

for (const [kind, matrices] of [
  ["plm-1m", ["attn_q", "attn_kv_a_mqa", "attn_output", "ffn_up", "ffn_down"]],
  ["gemma3-tiny", MATRICES],
  ["lfm2-tiny", [...MATRICES, "shortconv.in_proj", "shortconv.out_proj"]],
] as const) {
  test(`${kind}: an adapter gives what its merged weights give`, async () => {
    const [base, other] = [await Model.load(modelBytes(kind, "F32")), await Model.load(merged(kind, { matrices }))];
    const adapter = await base.adapter(adapterBytes(kind, { matrices }));
    const want = rows(await other.logits(IDS, { kv: "f32" }), base.info.vocabulary);
    const ours = rows(await base.logits(IDS, { kv: "f32", adapters: [[adapter, 1]] }), want.length);
    const plain = rows(await base.logits(IDS, { kv: "f32" }), want.length);
    assert.ok(divergence(want, ours) < PEER_LIMIT, `KL ${divergence(want, ours)}`);
    assert.ok(divergence(want, plain) > 1e-3, "the adapter changes the answer");
    for (const of of [base, other]) of.dispose();
  });
}

test("pairs of Q8_0 are those of their values: the same bits", async () => {
  const shape: AdapterShape = { type: "Q8_0", rank: (i) => [8, 32][i % 2], matrices: [...MATRICES, "token_embd"] };
  const [blocks, floats] = [await load(shape), await load({ ...shape, floats: true })];
  const want = await model.logits(IDS, { adapters: [[floats, 1]] });
  assert.ok(sameBits(await model.logits(IDS, { adapters: [[blocks, 1]] }), want));
  assert.is(blocks.info.bytes, floats.info.bytes);
  for (const adapter of [blocks, floats]) adapter.dispose();
});

test("no adapter, a weight of 0 and adapters that were there before leave the bits as they are", async () => {
  const other = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  const want = await other.logits(IDS);
  assert.ok(sameBits(await model.logits(IDS, { adapters: [] }), want));
  assert.ok(sameBits(await model.logits(IDS, { adapters: [[one, 0]] }), want));
  assert.not.ok(sameBits(await model.logits(IDS, { adapters: [[one, 1]] }), want));
  assert.ok(sameBits(await model.logits(IDS), want));
  const text = await other.generate(PROMPT, FEW).text();
  assert.is(await model.generate(PROMPT, { ...FEW, adapters: [[one, 0]] }).text(), text);
  other.dispose();
});

test("an adapter's bits depend on no chunk, thread or build", async () => {
  const adapters: AdapterSet = [
    [one, 0.7],
    [two, -0.3],
  ];
  const want = await model.logits(IDS, { adapters });
  for (const chunk of [1, 3, 7, 48])
    assert.ok(sameBits(await model.logits(IDS, { adapters, chunk }), want), `${chunk}`);
  for (const options of [{ threads: 2 }, { wasm: wasmBytes("limpet.scalar.wasm") }, { build: "fast" as const }]) {
    const other = await Model.load(modelBytes("llama-tiny", "Q8_0"), options);
    const more = await load({ seed: 2, rank: 5, matrices: ["attn_q", "token_embd"] }, other);
    const own: AdapterSet = [
      [await load({ seed: 1 }, other), 0.7],
      [more, -0.3],
    ];
    const all = await other.logits(IDS, { adapters: own });
    if (other.build === "fast") assert.ok(divergence(rows(want), rows(all)) < 1e-3);
    else assert.ok(sameBits(all, want), Object.keys(options)[0]);
    assert.ok(sameBits(await other.logits(IDS, { adapters: own, chunk: 5 }), all));
    other.dispose();
  }
});

test("weights that stay in the file, the embedding's too, have adapters with the same bits", () => {
  const engine = new Engine("portable");
  const all = [undefined, { streamed: Streamed.ALL, rowCache: 0 }].map((streaming) => {
    const base = engine.load(modelBytes("llama-tiny", "Q4_0"), false, streaming);
    const file = adapterBytes("llama-tiny", { matrices: [...MATRICES, "token_embd"] });
    const adapter = new EngineModel(
      engine,
      engine.handle(engine.core.call("adapter_create", engine.core.core, base.handle)),
      [file],
    );
    engine.do("model_set_file_size", adapter.handle, 0, BigInt(file.length));
    while (adapter.step() !== 0);
    const context = base.context({ rows: 48, batch: 16, logitRows: 16 });
    const list = engine.core.put(Uint32Array.of(adapter.handle));
    const weights = engine.core.put(Float32Array.of(1));
    engine.do("sequence_set_adapters", context.handle, 0, list, weights, 1, 0, 0);
    assert.throws(() => engine.do("model_release", adapter.handle), /1 sequences still use this adapter/);
    assert.throws(() => engine.do("model_release", base.handle), /contexts or adapters/);
    const logits = context.run(prompt(IDS.slice(0, 16)).map((token) => ({ ...token, wanted: true })));
    context.release();
    engine.do("model_release", adapter.handle);
    base.release();
    return logits;
  });
  for (const [i, row] of all[0].entries()) assert.ok(sameBits(row, all[1][i]));
});

test("eight sequences of a batch with eight sets give what each gives alone", async () => {
  const three = await load({ seed: 3, rank: 65, matrices: ["ffn_down", "output"], type: "F16" });
  const sets: AdapterSet[] = [
    [],
    [[one, 1]],
    [[two, 1]],
    [[three, 1]],
    [
      [one, 0.5],
      [two, 0.5],
    ],
    [
      [two, 0.5],
      [one, 0.5],
    ],
    [[one, -1]],
    [
      [one, 0.3],
      [two, 0.2],
      [three, 0.1],
    ],
  ];
  const options = (i: number) => ({ ...FEW, maxTokens: 12, logprobs: 3, adapters: sets[i] });
  const pieces = async (generation: AsyncIterable<unknown>): Promise<unknown[]> => {
    const all: unknown[] = [];
    for await (const piece of generation) all.push(piece);
    return all;
  };
  const prompts = sets.map((_, i) => PROMPT.slice(0, 3 + 3 * i));
  const batch = model.batch({ sequences: 8, context: 100 });
  const together = await Promise.all(prompts.map((prompt, i) => pieces(batch.generate(prompt, options(i)))));
  const seen = new Set<string>();
  for (const [i, prompt] of prompts.entries()) {
    const alone = await pieces(model.generate(prompt, options(i)));
    assert.equal(together[i], alone, `set ${i}`);
    seen.add(JSON.stringify(await pieces(model.generate(PROMPT, options(i)))));
  }
  assert.is(seen.size, 8, "the sets differ");
  batch.dispose();
  three.dispose();
});

test("answers of one prompt, and choices, use the adapters that they are given", async () => {
  const adapters: AdapterSet = [[one, 1]];
  const { result } = await run(model.generate(PROMPT, { ...FEW, n: 2, adapters }));
  for (const [i, { text }] of result!.answers!.entries()) {
    assert.is(text, await model.generate(PROMPT, { ...FEW, seed: 4 + i, adapters }).text());
  }
  const [score] = await model.score("Hello", [" world", " there"], { adapters });
  const [plain] = await model.score("Hello", [" world", " there"]);
  assert.is.not(score.logprob, plain.logprob);
});

async function run<Generated extends { text(): Promise<string> }>(generation: Generated): Promise<Generated> {
  await generation.text();
  return generation;
}

test("a session reads anew what other adapters have read, unless it is to be kept", async () => {
  const want = await model.generate(PROMPT, { ...FEW, adapters: [[one, 1]] }).text();
  const session = model.session();
  session.append(PROMPT);
  await session.logits();
  const first = await run(session.generate(undefined, { ...FEW, adapters: [[one, 1]] }));
  assert.is(first.result!.text, want);
  assert.is(first.result!.cachedTokens, 0);
  const count = session.tokens.length;
  const again = await run(session.generate(undefined, { ...FEW, adapters: [[one, 1]] }));
  assert.ok(again.result!.cachedTokens >= count - 1, "the same set goes on");
  const kept = await run(session.generate(undefined, { ...FEW, adapters: [[two, 1]], keepCache: true }));
  assert.ok(kept.result!.cachedTokens > count, "rows of another set are kept where that is asked for");
  const mixed = await run(session.generate(undefined, { ...FEW, adapters: [[two, 1]] }));
  assert.is(mixed.result!.cachedTokens, 0, "a mixture is not taken for the set's own");
  assert.is((await run(session.generate(undefined, FEW))).result!.cachedTokens, 0);
  await run(session.generate(undefined, { ...FEW, adapters: [[one, 1]] }));
  const left = await run(session.generate(undefined, { ...FEW, keepCache: true }));
  assert.ok(left.result!.cachedTokens > count, "nor do rows go where none follows a set");
  const restored = model.restore(session.save());
  assert.is(
    (await run(restored.generate(undefined, FEW))).result!.cachedTokens,
    0,
    "nor are they in a restored session",
  );
  restored.dispose();
  assert.is((await run(session.generate(undefined, FEW))).result!.cachedTokens, 0, "they are not the model's own");
  session.dispose();
});

test("chats are gone on from with the same adapters alone", async () => {
  const messages = [{ role: "user" as const, content: "Tell me something about the sea and the wind." }];
  const template = "{% for message in messages %}{{ message['content'] + '\n' }}{% endfor %}";
  const other = await Model.load(modelBytes("llama-tiny", "Q8_0"), { template });
  const own = await load({ seed: 1 }, other);
  const cached = async (adapters?: AdapterSet) =>
    (await run(other.chat(messages, { ...FEW, adapters }))).result!.cachedTokens;
  assert.is(await cached(), 0);
  assert.is(await cached([[own, 1]]), 0);
  assert.ok((await cached([[own, 1]])) > 0);
  assert.ok((await cached()) > 0);
  other.dispose();
});

test("a saved session knows its adapters by what is in them", async () => {
  const adapters: AdapterSet = [
    [one, 0.8],
    [two, 0.4],
  ];
  const session = model.session({ adapters });
  await session.generate(PROMPT, FEW).text();
  const saved = session.save();
  const want = await session.generate(undefined, FEW).text();
  const other = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  const own: AdapterSet = [
    [await load({ seed: 1 }, other), 0.8],
    [await load({ seed: 2, rank: 5, matrices: ["attn_q", "token_embd"] }, other), 0.4],
  ];
  assert.is(await other.restore(saved, { adapters: own }).generate(undefined, FEW).text(), want);
  for (const wrong of [undefined, [own[0]], [[own[0][0], 0.7], own[1]], [own[1], own[0]]] as AdapterSet[]) {
    const error = await errorOf(() => other.restore(saved, { adapters: wrong }));
    assert.is((error as LimpetError).code, "BAD_FILE");
    assert.match(error.message, /saved with other adapters/);
  }
  const plain = model.session();
  await plain.generate(PROMPT, FEW).text();
  assert.match((await errorOf(() => other.restore(plain.save(), { adapters: own }))).message, /other adapters/);
  for (const of of [session, plain]) of.dispose();
  other.dispose();
});

test("sessions keep their adapters where they grow, and where others take their contexts", async () => {
  const long = `${PROMPT} `.repeat(40);
  const adapters: AdapterSet = [[one, 1]];
  const want = await model.generate(long, { ...FEW, adapters }).text();
  const sessions = Array.from({ length: 12 }, () => model.session({ adapters }));
  for (const session of sessions) await session.generate(PROMPT, { ...FEW, maxTokens: 1 }).text();
  sessions[0].rewind(0);
  assert.is(await sessions[0].generate(long, FEW).text(), want);
  for (const session of sessions) session.dispose();
});

test("an aLoRA begins where its invocation stands last; what is before are the model's own bits", async () => {
  const invocation = [40, 41, 41];
  const alora = await load({ seed: 1, invocation });
  assert.equal([alora.info.kind, alora.info.invocation], ["alora", invocation]);
  // As in "… a b b": a scan that resets without trying the same token again would not find it.
  const before = [7, ...invocation, 9, 40, 40];
  const ids = [...before, 41, 41, 12, 13];
  const at = before.length - 1;
  const want = await model.logits(ids);
  const lora = await model.logits(ids, { adapters: [[one, 1]] });
  const found = await model.logits(ids, { adapters: [[alora, 1]] });
  const upTo = (all: Float32Array, n: number) => all.slice(0, n * 512);
  assert.ok(sameBits(upTo(found, at), upTo(want, at)));
  assert.not.ok(sameBits(found.slice(at * 512), want.slice(at * 512)));
  assert.not.ok(sameBits(found.slice(at * 512), lora.slice(at * 512)), "its rows before are the model's");
  const none = ids.map((id) => (id === 41 ? 42 : id));
  assert.ok(sameBits(await model.logits(none, { adapters: [[alora, 1]] }), await model.logits(none)));
  const session = model.session();
  await session.generate(before, { ...FEW, maxTokens: 1 }).text();
  session.rewind(before.length);
  const turn = await run(session.generate([41, 41], { ...FEW, adapters: [[alora, 1]] }));
  assert.is(turn.result!.cachedTokens, at, "rows before its beginning are shared");
  assert.is(turn.result!.text, await model.generate([...before, 41, 41], { ...FEW, adapters: [[alora, 1]] }).text());
  session.dispose();
  alora.dispose();
});

test("vectors of texts come of the adapters, each text by itself", async () => {
  const encoder = await Model.load(modelBytes("bert-tiny", "F32"));
  const own = await encoder.adapter(
    adapterBytes("bert-tiny", { matrices: ["attn_q", "attn_v", "ffn_up", "ffn_down"] }),
  );
  const adapters: AdapterSet = [[own, 1]];
  const texts = ["a kitten", "interest rates rose by half a percent"];
  const both = await encoder.embed(texts, { adapters });
  const plain = await encoder.embed(texts);
  for (const [i, text] of texts.entries()) {
    assert.ok(sameBits(both[i], (await encoder.embed([text], { adapters }))[0]));
    assert.not.ok(sameBits(both[i], plain[i]));
  }
  encoder.dispose();
});

test("a model is planned with its adapters, and their memory comes back", async () => {
  const bytes = adapterBytes("llama-tiny", { rank: 32 });
  const source = modelBytes("llama-tiny", "Q8_0");
  const plan = await Model.plan(source, { adapters: [bytes] });
  const without = await Model.plan(source);
  assert.is(without.adapters, 0);
  assert.ok(plan.adapters >= 4 * 28 * 32 * 128 && plan.total > without.total + plan.adapters - 65536);
  const other = await Model.load(source);
  const before = other.memory.linear;
  for (let i = 0; i < 6; i++) {
    const adapter = await other.adapter(bytes);
    assert.is(adapter.info.rank, 32);
    assert.is((await other.generate("A", { ...FEW, adapters: [[adapter, 1]] }).text()).length >= 0, true);
    adapter.dispose();
    adapter.dispose();
  }
  assert.ok(other.memory.linear < before + 4 * plan.adapters, `${other.memory.linear - before} bytes`);
  other.dispose();
});

test("what is no set of this model's adapters is refused", async () => {
  const other = await Model.load(modelBytes("llama-tiny", "F32"));
  const foreign = await load({}, other);
  const gone = await load({});
  gone.dispose();
  const cases: [string, RegExp, unknown][] = [
    ["BAD_ARGUMENT", /pair of an adapter and its weight/, [one]],
    ["BAD_ARGUMENT", /adapters is a list/, one],
    ["BAD_ARGUMENT", /is a number/, [[one, "1"]]],
    ["BAD_ARGUMENT", /finite number/, [[one, Number.NaN]]],
    [
      "BAD_ARGUMENT",
      /in a set once/,
      [
        [one, 1],
        [one, 2],
      ],
    ],
    ["BAD_ARGUMENT", /the model that it was loaded for/, [[foreign, 1]]],
    ["WRONG_STATE", /was disposed of/, [[gone, 1]]],
  ];
  for (const [code, words, adapters] of cases) {
    const error = await errorOf(() => model.generate("A", { ...FEW, adapters: adapters as AdapterSet }).text());
    assert.is((error as LimpetError).code, code, error.message);
    assert.match(error.message, words);
  }
  other.dispose();
});

/** A file like the adapter's, changed. */
function changed(
  change: (file: { metadata: [string, string, unknown][]; tensors: GgufFile["tensors"][number][] }) => void,
) {
  const { metadata, tensors } = randomAdapter(makeModel("llama-tiny", "Q8_0"), { matrices: ["attn_q", "ffn_down"] });
  const file = { metadata: metadata.map((entry) => [...entry] as [string, string, unknown]), tensors: [...tensors] };
  change(file);
  return new Uint8Array(encodeGguf(file as unknown as GgufFile));
}

const set = (key: string, type: string, value: unknown) =>
  changed(({ metadata }) => {
    const at = metadata.findIndex(([name]) => name === key);
    metadata.splice(at < 0 ? metadata.length : at, 1, [key, type, value]);
  });
const tensor = (i: number, more: object) => changed(({ tensors }) => void (tensors[i] = { ...tensors[i], ...more }));
/** The file with its first tensor of a type that has no name. */
function ofUnknownType(whole: Uint8Array): Uint8Array {
  const bytes = whole.slice();
  const name = "blk.0.attn_q.weight.lora_a";
  // Behind a name stand the number of its sizes, two sizes and the type.
  bytes[Buffer.from(bytes).indexOf(name) + name.length + 20] = 99;
  return bytes;
}
const notFinite = (chunk: Uint8Array) => void chunk.fill(255);

test("a file that is no adapter of this model is refused by name", async () => {
  const whole = changed(() => {});
  const cases: [string, RegExp, Uint8Array][] = [
    ["BAD_FILE", /no key general\.type.*is it a model/, modelBytes("llama-tiny", "Q8_0")],
    ["UNSUPPORTED", /general\.type is model/, set("general.type", "string", "model")],
    ["UNSUPPORTED", /adapter\.type is ia3/, set("adapter.type", "string", "ia3")],
    ["BAD_FILE", /architecture qwen2, and the model is of llama/, set("general.architecture", "string", "qwen2")],
    ["UNSUPPORTED", /adapter\.lora\.dropout/, set("adapter.lora.dropout", "f32", 0.5)],
    ["BAD_FILE", /adapter\.lora\.alpha/, set("adapter.lora.alpha", "string", "16")],
    ["BAD_FILE", /adapter\.lora\.alpha is not a finite/, set("adapter.lora.alpha", "f32", Number.NaN)],
    ["BAD_FILE", /must be an array of u32/, set("adapter.alora.invocation_tokens", "i32[]", [1])],
    ["BAD_FILE", /begins with 1 to 1024 tokens/, set("adapter.alora.invocation_tokens", "u32[]", [])],
    ["BAD_FILE", /begins with the token 512/, set("adapter.alora.invocation_tokens", "u32[]", [512])],
    ["UNSUPPORTED", /blk\.0\.attn_norm\.weight/, tensor(0, { name: "blk.0.attn_norm.weight" })],
    ["BAD_FILE", /not the other half/, changed(({ tensors }) => void tensors.pop())],
    ["BAD_FILE", /not the other half/, changed(({ tensors }) => void tensors.shift())],
    [
      "BAD_FILE",
      /no such tensor/,
      changed(({ tensors }) =>
        tensors.forEach((one, i) => {
          tensors[i] = { ...one, name: one.name.replace("blk.0", "blk.9") };
        }),
      ),
    ],
    ["BAD_FILE", /stands in the file twice/, changed(({ tensors }) => void tensors.push(tensors[0]))],
    ["BAD_FILE", /do not fit the model's tensor blk\.0\.attn_q/, tensor(0, { shape: [128, 4] })],
    ["BAD_FILE", /do not fit the model's tensor blk\.0\.attn_q/, tensor(1, { shape: [8, 64] })],
    ["BAD_FILE", /do not fit the model's tensor blk\.0\.attn_q/, tensor(0, { shape: [64, 8, 2] })],
    ["UNSUPPORTED", /lora_a is of type Q4_0, and limpet takes F32/, tensor(0, { type: "Q4_0" })],
    ["UNSUPPORTED", /lora_a is of type 99, and limpet takes F32/, ofUnknownType(whole)],
    ["UNSUPPORTED", /rank 1025/, adapterBytes("llama-tiny", { matrices: ["attn_q"], rank: 1025 })],
    [
      "BAD_FILE",
      /tensor blk\.0\.attn_q\.weight\.lora_a holds a value that is no finite/,
      tensor(0, { fill: notFinite }),
    ],
    ["BAD_FILE", /has no tensors/, changed(({ tensors }) => void tensors.splice(0))],
    ["BAD_FILE", /lies outside the file/, whole.slice(0, -40000)],
    ["BAD_FILE", /the header is broken|ends within its/, whole.slice(0, 300)],
    ["BAD_FILE", /not a GGUF file/, new Uint8Array(100)],
  ];
  const before = model.memory.linear;
  for (const [code, words, bytes] of cases) {
    const error = await errorOf(() => model.adapter(bytes));
    assert.instance(error, LimpetError, error.stack);
    assert.match(error.message, words);
    assert.is((error as LimpetError).code, code, error.message);
  }
  const latent = await Model.load(modelBytes("plm-1m", "Q4_0"));
  const error = await errorOf(async () => latent.adapter(adapterBytes("plm-1m", { matrices: ["attn_kv_b"] })));
  assert.match(error.message, /blk\.0\.attn_kv_b\.weight\.lora_a, and limpet adds pairs to/);
  latent.dispose();
  const experts = await Model.load(modelBytes("qwen3moe-tiny", "Q8_0"));
  const { tensors } = makeModel("qwen3moe-tiny", "Q8_0");
  const { name, shape } = tensors.find((one) => one.name.endsWith("ffn_gate_exps.weight"))!;
  const slabs = changed(({ metadata, tensors }) => {
    metadata[metadata.findIndex(([key]) => key === "general.architecture")][2] = "qwen3moe";
    tensors.splice(2);
    tensors[0] = { ...tensors[0], name: `${name}.lora_a`, shape: [shape[0], 8, shape[2]] };
    tensors[1] = { ...tensors[1], name: `${name}.lora_b`, shape: [8, shape[1], shape[2]] };
  });
  assert.match(
    (await errorOf(() => experts.adapter(slabs))).message,
    /ffn_gate_exps.*lora_a beside experts, and limpet/,
  );
  experts.dispose();
  assert.is(model.memory.linear, before, "nothing is left behind");
});

test.run();
