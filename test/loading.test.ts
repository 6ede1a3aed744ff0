/**
 * Loading: models that are broken behind a sound header, split ones, memory that is planned to the byte, that runs out at
 * any place, and that comes back whole. After every error the same instance loads a good model.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { address } from "../bindings/memory.ts";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { all, blank, type Change, type File, key, tensor } from "./support/changes.ts";
import {
  assertBits,
  Code,
  Engine,
  EngineError,
  type EngineModel,
  modelBytes,
  prompt,
  refuses,
  spread,
} from "./support/engine.ts";
import { generator } from "./support/random.ts";

const engine = new Engine("portable");
const { BAD_FILE, UNSUPPORTED, BAD_ARGUMENT, OUT_OF_MEMORY, WRONG_STATE } = Code;
const ids = spread(12).map((id) => id % 300);

/** A llama of some 20,000 weights. */
const SMALL = {
  architecture: "llama",
  layers: 2,
  hidden: 32,
  heads: 4,
  kvHeads: 2,
  headSize: 8,
  ffn: 64,
  vocabulary: 320,
  context: 256,
  theta: 1e4,
  epsilon: 1e-5,
  pre: "gpt-2",
} as const;
const small = (): File => randomModel(SMALL, "Q8_0");
const SMALL_PLM = { ...SMALL, architecture: "plm", nope: 8, rope: 4, value: 8, rank: 32, tied: true } as const;
const smallPlm = (): File => randomModel(SMALL_PLM, "Q8_0");

/** Logits of some tokens: what tells whether a model is loaded right. */
function logits(model: EngineModel): Float32Array[] {
  const context = model.context({ rows: 16, batch: 16 });
  const rows = context.run(prompt(ids));
  context.release();
  return rows;
}

const good = encodeGguf(small());
const goodLogits = logits(engine.load(good));

/** The instance has lost nothing by what was refused, and loads a good model. */
function assertSound(used: number, what: string): void {
  assert.is(engine.used, used, `${what}: all memory is given back`);
  const model = engine.load(good);
  assertBits(logits(model), goodLogits, `${what}: a good model behind it`);
  model.release();
  assert.is(engine.used, used);
}

const LLAMA: [what: string, change: Change, code: number, words: RegExp][] = [
  ["no heads", key("llama.attention.head_count", 0), BAD_FILE, /head_count is 0, and must lie between 1/],
  ["5000 heads", key("llama.attention.head_count", 5000), BAD_FILE, /head_count is 5000/],
  ["no kv heads", key("llama.attention.head_count_kv", 0), BAD_FILE, /head_count_kv is 0/],
  ["3 kv heads of 4", key("llama.attention.head_count_kv", 3), BAD_FILE, /no multiple/],
  ["more kv heads than heads", key("llama.attention.head_count_kv", 8), BAD_FILE, /head_count_kv is 8/],
  [
    "kv heads of too few layers",
    key("llama.attention.head_count_kv", [2], "i32[]"),
    BAD_FILE,
    /head_count_kv is a list/,
  ],
  ["no layers", key("llama.block_count", 0), BAD_FILE, /block_count is 0/],
  ["a layer that is not there", key("llama.block_count", 3), BAD_FILE, /no tensor blk\.2\.attn_norm\.weight/],
  ["1025 layers", key("llama.block_count", 1025), BAD_FILE, /block_count is above 1024/],
  ["2³² − 1 layers", key("llama.block_count", 2 ** 32 - 1), BAD_FILE, /block_count is above 1024/],
  ["2⁶³ layers", key("llama.block_count", 2n ** 63n, "u64"), BAD_FILE, /block_count/],
  ["−1 layers", key("llama.block_count", -1, "i32"), BAD_FILE, /block_count/],
  ["layers as a text", key("llama.block_count", "two", "string"), BAD_FILE, /block_count.*integer/],
  ["no width", key("llama.embedding_length", 0), BAD_FILE, /embedding_length is 0/],
  [
    "another width",
    key("llama.embedding_length", 64),
    BAD_FILE,
    /token_embd\.weight is \{32, 320\}, but .* \{64, 320\}/,
  ],
  ["a vast width", key("llama.embedding_length", 2 ** 31), BAD_FILE, /embedding_length is 2147483648/],
  ["no FFN", key("llama.feed_forward_length", 0), BAD_FILE, /feed_forward_length is 0/],
  ["another FFN", key("llama.feed_forward_length", 96), BAD_FILE, /ffn_gate\.weight is \{32, 64\}/],
  ["no context", key("llama.context_length", 0), BAD_FILE, /context_length is 0/],
  ["keys of no width", key("llama.attention.key_length", 0), BAD_FILE, /key_length is 0/],
  ["keys of 65537", key("llama.attention.key_length", 65537), BAD_FILE, /key_length is 65537/],
  [
    "keys of a vast width together",
    all(key("llama.attention.head_count", 4096), key("llama.attention.key_length", 65536)),
    BAD_FILE,
    /times the heads is 268435456/,
  ],
  ["values of no width", key("llama.attention.value_length", 0), BAD_FILE, /value_length is 0/],
  ["odd RoPE", key("llama.rope.dimension_count", 7), BAD_FILE, /odd/],
  ["no RoPE", key("llama.rope.dimension_count", 0), BAD_FILE, /dimension_count is 0/],
  ["RoPE wider than a head", key("llama.rope.dimension_count", 10), BAD_FILE, /dimension_count is 10/],
  ["RoPE of base 0", key("llama.rope.freq_base", 0, "f32"), BAD_FILE, /freq_base must be above 0/],
  ["RoPE of a negative base", key("llama.rope.freq_base", -1, "f32"), BAD_FILE, /freq_base must be above 0/],
  ["RoPE of base ∞", key("llama.rope.freq_base", Number.POSITIVE_INFINITY, "f32"), BAD_FILE, /freq_base/],
  ["RoPE scaled by less than nothing", key("llama.rope.scaling.factor", -4, "f32"), BAD_FILE, /rope\.scaling\.factor/],
  ["ε NaN", key("llama.attention.layer_norm_rms_epsilon", Number.NaN, "f32"), BAD_FILE, /epsilon/],
  ["ε negative", key("llama.attention.layer_norm_rms_epsilon", -1, "f32"), BAD_FILE, /epsilon must lie/],
  ["ε as an integer", key("llama.attention.layer_norm_rms_epsilon", 1), BAD_FILE, /epsilon/],
  ["a scale that is no number", key("llama.attention.scale", Number.NaN, "f32"), BAD_FILE, /scale/],
  ["no architecture", key("general.architecture"), BAD_FILE, /general\.architecture/],
  [
    "another architecture",
    key("general.architecture", "dbrx", "string"),
    UNSUPPORTED,
    /dbrx is not supported; .*llama, qwen2, qwen3, plm, memoryformer/,
  ],
  ["the keys of another", key("general.architecture", "qwen3", "string"), BAD_FILE, /qwen3\.block_count/],
  ["no layer count", key("llama.block_count"), BAD_FILE, /llama\.block_count/],
  ["no tokens", key("tokenizer.ggml.tokens"), BAD_FILE, /tokenizer\.ggml\.tokens/],
  ["tokens of another number", key("tokenizer.ggml.tokens", ["a", "b"], "string[]"), BAD_FILE, /.*/],
  ["another tokenizer", key("tokenizer.ggml.model", "unigram", "string"), UNSUPPORTED, /unigram/],
  ["no embedding", tensor("token_embd.weight"), BAD_FILE, /no tensor token_embd\.weight/],
  ["no last norm", tensor("output_norm.weight"), BAD_FILE, /no tensor output_norm\.weight/],
  ["no query", tensor("blk.1.attn_q.weight"), BAD_FILE, /no tensor blk\.1\.attn_q\.weight/],
  [
    "a norm that is too short",
    tensor("output_norm.weight", { shape: [31], fill: blank }),
    BAD_FILE,
    /output_norm\.weight is \{31, 1\}/,
  ],
  ["a norm of two rows", tensor("output_norm.weight", { shape: [32, 2], fill: blank }), BAD_FILE, /is \{32, 2\}/],
  [
    "a transposed matrix",
    tensor("blk.0.ffn_down.weight", { shape: [32, 64], fill: blank }),
    BAD_FILE,
    /is \{32, 64\}, but .* \{64, 32\}/,
  ],
  [
    "a stack of matrices",
    tensor("blk.0.attn_q.weight", { shape: [32, 32, 2], fill: blank }),
    BAD_FILE,
    /is \{32, 32, 2\}/,
  ],
  [
    "a bias that is too long",
    (file) => {
      file.tensors = [...file.tensors, { name: "blk.0.attn_q.bias", type: "F32", shape: [33], fill: blank }];
    },
    BAD_FILE,
    /attn_q\.bias is \{33, 1\}/,
  ],
];

const PLM: typeof LLAMA = [
  ["no rank", key("plm.attention.kv_lora_rank", 0), BAD_FILE, /kv_lora_rank is 0/],
  ["the rank is not said", key("plm.attention.kv_lora_rank"), BAD_FILE, /kv_lora_rank/],
  ["another rank", key("plm.attention.kv_lora_rank", 64), BAD_FILE, /attn_kv_a_mqa\.weight/],
  ["nothing but RoPE", key("plm.rope.dimension_count", 12), BAD_FILE, /key_length must be above/],
  ["no up-projection", tensor("blk.1.attn_kv_b.weight"), BAD_FILE, /no tensor blk\.1\.attn_kv_b\.weight/],
];

for (const [architecture, make, cases] of [
  ["llama", small, LLAMA],
  ["plm", smallPlm, PLM],
] as const) {
  for (const [what, change, code, words] of cases) {
    test(`${architecture}: ${what}`, () => {
      const used = engine.used;
      const file = make();
      change(file);
      const bytes = encodeGguf(file);
      refuses(() => logits(engine.load(bytes)), code, words);
      assertSound(used, what);
    });
  }
}

test("special tokens that the vocabulary has not are none", () => {
  const used = engine.used;
  const file = small();
  key("tokenizer.ggml.bos_token_id", 320)(file);
  key("tokenizer.ggml.add_bos_token", true, "bool")(file);
  const model = engine.load(encodeGguf(file));
  const session = model.session({ rows: 16 });
  session.append("abc");
  assert.equal(session.tokens, [97, 98, 99]);
  session.release();
  session.context.release();
  model.release();
  assertSound(used, "special tokens");
});

test("norms may be of any type", () => {
  const used = engine.used;
  // 127/128, which every one of these types holds exactly.
  const halves = (code: number) => (chunk: Uint8Array) =>
    new Uint16Array(chunk.buffer, chunk.byteOffset, chunk.length / 2).fill(code);
  const fills = {
    F32: (chunk: Uint8Array) => void new Float32Array(chunk.buffer, chunk.byteOffset, chunk.length / 4).fill(127 / 128),
    F16: (chunk: Uint8Array) => void halves(0x3bf0)(chunk),
    BF16: (chunk: Uint8Array) => void halves(0x3f7e)(chunk),
    Q8_0: (chunk: Uint8Array) => void chunk.set(Array.from(chunk, (_, i) => [0, 0x20][i % 34] ?? 127)),
  };
  const rows = Object.entries(fills).map(([type, fill]) => {
    const file = small();
    for (const own of file.tensors) if (own.name.includes("norm")) Object.assign(own, { type, fill });
    const model = engine.load(encodeGguf(file));
    const answer = logits(model);
    model.release();
    return answer;
  });
  for (const other of rows.slice(1)) assertBits(other, rows[0], "another type");
  assertSound(used, "norms");
});

test("a tensor of a type that limpet does not run is named, with those that it does", () => {
  const used = engine.used;
  for (const type of [9, 24, 28, 36, 99]) {
    const bytes = good.slice();
    const at = Buffer.from(bytes).indexOf("output_norm.weight") + "output_norm.weight".length + 4 + 8;
    new DataView(bytes.buffer).setUint32(at, type, true);
    refuses(() => engine.load(bytes), UNSUPPORTED, /output_norm\.weight is of type .*Q4_0, Q4_1/);
  }
  assertSound(used, "types");
});

test("a file that was cut off anywhere is refused", () => {
  const used = engine.used;
  for (let length = 0; length < good.length; length += length < 400 ? 1 : 997) {
    refuses(() => engine.load(good.slice(0, length)), BAD_FILE, /./);
    if (length % 50 === 0) assertSound(used, `cut at ${length}`);
  }
  refuses(() => engine.load(good.slice(0, good.length - 64)), BAD_FILE, /./);
  assertSound(used, "cut at the end");
});

/** A model in `count` parts: the first has the metadata. */
function split(file: File, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    encodeGguf({
      metadata: [
        ...(i === 0 ? file.metadata : []),
        ["split.no", "u32", i],
        ["split.count", "u32", count],
        ["split.tensors.count", "i32", file.tensors.length],
      ],
      tensors: file.tensors.filter((_, t) => t % count === i),
    }),
  );
}

test("a model in three parts is the whole, and parts that do not belong together are refused", () => {
  const used = engine.used;
  const parts = split(small(), 3);
  const model = engine.load(parts);
  assertBits(logits(model), goodLogits, "three parts");
  model.release();
  const [a, b, c] = parts;
  refuses(() => engine.load([a, b]), BAD_ARGUMENT, /split over 3 files, and 2 were given/);
  refuses(() => engine.load(a), BAD_ARGUMENT, /split over 3 files, and 1 was given/);
  refuses(() => engine.load([good, good]), BAD_ARGUMENT, /split over 1 file/);
  refuses(() => engine.load([a, c, b]), BAD_ARGUMENT, /part 3 of 3/);
  refuses(() => engine.load([b, a, c]), BAD_ARGUMENT, /part 2 of 3/);
  refuses(() => engine.load([a, a, c]), BAD_ARGUMENT, /part 1 of 3/);
  refuses(() => engine.load([a, b, split(small(), 4)[2]]), BAD_ARGUMENT, /part 3 of 4/);
  refuses(() => engine.load([a, b.slice(0, 100), c]), BAD_FILE, /./);
  refuses(() => engine.load([a, b.slice(0, b.length - 64), c]), BAD_FILE, /./);
  assertSound(used, "parts");
});

test("the order of the tensors, version 2, and a head of its own or none make no other bits", () => {
  const used = engine.used;
  const shuffled = small();
  const next = generator(5);
  shuffled.tensors = shuffled.tensors
    .map((own) => [next(), own] as const)
    .sort((a, b) => a[0] - b[0])
    .map(([, own]) => own);
  const second = good.slice();
  second[4] = 2;
  for (const bytes of [encodeGguf(shuffled), second]) {
    const model = engine.load(bytes);
    assertBits(logits(model), goodLogits, "the same model");
    model.release();
  }
  assertSound(used, "order");
});

test("a model may be given up in every state, and gives back all that it took", () => {
  for (const files of [[good], split(small(), 3), [modelBytes("plm-1m", "Q4_K")]]) {
    const used = engine.used;
    for (let steps = 0; ; steps++) {
      const model = engine.open(files);
      let status = 1;
      for (let i = 0; i < steps && status !== 0; i++) status = model.step();
      model.release();
      assert.is(engine.used, used, `after ${steps} steps`);
      if (status === 0) break;
    }
  }
  const used = engine.used;
  const { core } = engine;
  refuses(() => engine.open([]), BAD_ARGUMENT, /1 to 1024 files/);
  refuses(() => engine.handle(core.call("model_create", core.core, 1025, 0)), BAD_ARGUMENT, /1 to 1024 files/);
  const model = engine.open(good);
  refuses(() => engine.do("model_set_file_size", model.handle, 0, 5n), WRONG_STATE, /set once/);
  refuses(() => engine.do("model_set_file_size", model.handle, 1, 5n), WRONG_STATE, /set once/);
  refuses(() => model.context(), WRONG_STATE, /not loaded yet/);
  assert.is(model.contextBytes({}), 0);
  model.release();
  model.release();
  const unsized = address(core.call("model_create", core.core, 1, 0));
  refuses(() => engine.do("model_step", unsized), WRONG_STATE, /size .* was not set/);
  refuses(() => engine.do("model_step", unsized), WRONG_STATE, /failed before/);
  assert.is(core.call("model_state", unsized), 4);
  engine.do("model_release", unsized);
  refuses(() => engine.handle(core.call("context_create", core.core, 0, 8, 8, 1, 1, 1)), BAD_ARGUMENT, /not a model/);
  assertSound(used, "states");
});

test("without weights a model tokenizes, and says that it cannot run", () => {
  const used = engine.used;
  const bare = { ...small(), tensors: [] };
  for (const model of [engine.load(good, true), engine.load(encodeGguf(bare))]) {
    assert.is(model.vocabulary, 320);
    assert.is(engine.core.call("model_vocabulary_only", model.handle), 1);
    assert.is(model.contextBytes({}), 0);
    refuses(() => model.context(), UNSUPPORTED, /vocabulary alone/);
    model.release();
  }
  assertSound(used, "vocabulary");
});

test("the memory plan is exact: weights, staging, contexts of all shapes", () => {
  for (const bytes of [
    good,
    encodeGguf(smallPlm()),
    modelBytes("qwen2-tiny", "Q4_K"),
    modelBytes("plm-1m", "Q8_0"),
    modelBytes("memoryformer-tiny", "Q8_0"),
  ]) {
    const own = new Engine("portable");
    const model = own.open(bytes);
    while (model.state !== 1) model.step();
    const planned = own.used;
    const plan = model.planBytes;
    model.step();
    assert.is(own.used, planned + plan, "the plan of the weights");
    while (model.step() !== 0) {}
    assert.ok(own.used < planned + plan, "staging and order are given back");
    for (const shape of [{}, { rows: 1, batch: 1 }, { rows: 333, batch: 7, logitRows: 3, sequences: 5, kv: 0 }]) {
      const before = own.used;
      const context = model.context(shape);
      assert.is(own.used - before, model.contextBytes(shape), JSON.stringify(shape));
      context.release();
      assert.is(own.used, before);
    }
    model.release();
    assert.is(own.used, 0);
  }
});

test("memory that runs out anywhere is an error that says so, and nothing is lost", () => {
  const messages = new Set<string>();
  // Of the last one the weights take more than the program while it is built.
  for (const [bytes, step] of [
    [good, 960],
    [encodeGguf(smallPlm()), 960],
    [modelBytes("llama-odd", "F32"), 40_000],
  ] as const) {
    const own = new Engine("portable");
    const { core } = own;
    let done = false;
    for (let limit = core.core + 1088; !done; limit += step) {
      core.call("core_set_limit", core.core, limit);
      const undo: (() => void)[] = [];
      try {
        const model = own.load(bytes);
        undo.push(() => model.release());
        const context = model.context({ rows: 1000, batch: 4 });
        undo.push(() => context.release());
        const session = model.session({}, context);
        undo.push(() => session.release());
        const put = core.put(Uint32Array.from(ids));
        undo.push(() => core.release(put));
        own.do("session_append_tokens", session.handle, put, ids.length);
        session.generate(4);
        done = true;
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith("not enough memory")) throw error;
        if (error instanceof EngineError) assert.is(error.code, OUT_OF_MEMORY);
        messages.add(error.message.split(" takes ")[0]);
      }
      for (const step of undo.reverse()) step();
      assert.is(own.used, 0, `limit ${limit}`);
    }
  }
  for (const what of [
    "the header of the GGUF file",
    "the model's weights",
    "the KV cache",
    "the cache's lists",
    "activations",
    "a session",
  ]) {
    assert.ok(messages.has(`not enough memory: ${what}`), `${what} in ${[...messages]}`);
  }
});

test("blocks of impossible sizes are refused", () => {
  const { core } = engine;
  const used = engine.used;
  for (const bytes of [2n ** 32n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 63n, 0xffff_ff00n]) {
    assert.is(core.call("core_allocate", core.core, BigInt.asIntN(64, bytes)), 0);
    assert.is(core.errorCode, OUT_OF_MEMORY);
  }
  assertSound(used, "blocks");
});

test("files whose numbers were changed at random never trap: they are refused, or run", () => {
  const own = new Engine("portable");
  const next = generator(17);
  let ran = 0;
  for (const bytes of [good, encodeGguf(smallPlm())]) {
    // What lies before the tokens: the architecture's numbers; and the tensor table behind them.
    const text = Buffer.from(bytes);
    const [first, tokens] = [text.indexOf("block_count"), text.indexOf("tokenizer.ggml.model")];
    const [table, end] = [text.indexOf("token_embd.weight"), text.lastIndexOf("blk.") + 64];
    for (let i = 0; i < 1500; i++) {
      const broken = bytes.slice();
      const [from, to] = i % 4 === 3 ? [table, end] : [first, tokens];
      for (let n = i % 3; n >= 0; n--) {
        const at = from + Math.floor(next() * (to - from));
        // Only numbers: a changed name is a missing key, which is tested above.
        if (broken[at] >= 0x2e && broken[at] < 0x7b) continue;
        broken[at] = [0, 1, 255, 128, 64, 3, 12, Math.floor(next() * 256)][Math.floor(next() * 8)];
      }
      const undo: (() => void)[] = [];
      try {
        const model = own.load(broken);
        undo.push(() => model.release());
        const context = model.context({ rows: 16, batch: 8, sequences: 2 });
        undo.push(() => context.release());
        context.run(prompt(ids.slice(0, 6)));
        context.shift(0, 0, 6, 3);
        ran++;
      } catch (error) {
        if (!(error instanceof EngineError)) throw error;
      }
      for (const step of undo.reverse()) step();
      assert.is(own.used, 0);
    }
  }
  assert.ok(ran > 200, `${ran} ran`);
});

test.run();
