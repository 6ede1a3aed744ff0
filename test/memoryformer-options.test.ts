/**
 * The memoryformer architecture beyond what is tested of all (test/forward-pass.test.ts, test/oracle-and-peers.test.ts,
 * test/streamed-tables.test.ts): every option of its metadata against a float64 forward written from the paper's
 * formulas, and files whose tables are not what they say.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvType } from "../bindings/numbers.ts";
import { encodeGguf, tensorBytes } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { Model } from "../src/index.ts";
import { all, blank, type Change, type File, key, tensor } from "./support/changes.ts";
import {
  assertBits,
  Code,
  Engine,
  EngineError,
  type EngineModel,
  prompt,
  refuses,
  Streamed,
  spread,
} from "./support/engine.ts";
import { forward } from "./support/memoryformer.ts";

const { BAD_FILE, UNSUPPORTED } = Code;
const engine = new Engine("portable");
const scalar = new Engine("scalar");

const SHAPE = {
  architecture: "memoryformer",
  layers: 2,
  hidden: 32,
  heads: 2,
  rope: 4,
  chunks: 8,
  bits: 4,
  ffn: 48,
  vocabulary: 320,
  context: 256,
  theta: 1e4,
  epsilon: 1e-8,
  pre: "gpt-2",
} as const;
const make = (type: "F32" | "F16" | "Q8_0" | "Q4_0" = "Q8_0"): File => randomModel(SHAPE, type);
const ids = spread(24).map((id) => id % 320);

function logits(model: EngineModel): Float32Array[] {
  const context = model.context({ rows: 32, batch: 32, kv: KvType.F32 });
  const rows = context.run(prompt(ids));
  context.release();
  return rows;
}

const good = encodeGguf(make());
const goodLogits = logits(engine.load(good));

function assertSound(used: number, what: string): void {
  assert.is(engine.used, used, `${what}: all memory is given back`);
  const model = engine.load(good);
  assertBits(logits(model), goodLogits, `${what}: a good model behind it`);
  model.release();
}

/** A column of a norm that is zero: what is hashed there is +0 or −0. */
const zeroColumns: Change = (file) => {
  for (const own of file.tensors) {
    if (!own.name.endsWith("norm.weight")) continue;
    const { fill } = own;
    own.fill = (chunk) => {
      fill(chunk);
      const values = new Float32Array(chunk.buffer, chunk.byteOffset, chunk.length / 4);
      for (let i = 1; i < values.length; i += 5) values[i] = 0;
    };
  }
};
/** … where a LayerNorm adds nothing either. */
const noMiddleBias = all(
  tensor("blk.0.ffn_mid_norm.bias", { fill: blank }),
  tensor("blk.1.ffn_mid_norm.bias", { fill: blank }),
);
const zeros = all(zeroColumns, noMiddleBias);
const without =
  (pattern: RegExp): Change =>
  (file) =>
    void (file.tensors = file.tensors.filter(({ name }) => !pattern.test(name)));

/** Codes of five bits between the two tables, not of six. */
const shorter: Change = (file) => {
  key("memoryformer.memory.ffn_code_length", 5)(file);
  for (const own of file.tensors) {
    if (/ffn_mid_norm|ffn_up\.bias/.test(own.name)) Object.assign(own, { shape: [40] });
    if (own.name.endsWith("ffn_up.table")) Object.assign(own, { shape: [40, 128] });
    if (own.name.endsWith("ffn_down.table")) Object.assign(own, { shape: [32, 256] });
  }
};

const OPTIONS: [what: string, change: Change][] = [
  ["as its paper has it", () => {}],
  ["the rule prob", key("memoryformer.memory.weight_rule", "prob", "string")],
  [
    "the rule prob at a temperature",
    all(key("memoryformer.memory.weight_rule", "prob", "string"), key("memoryformer.memory.temperature", 0.25, "f32")),
  ],
  ["zeros, which are ones", zeros],
  ["zeros, which are none", all(zeros, key("memoryformer.memory.zero_sign", false, "bool"))],
  ["codes of five bits in the middle", shorter],
  ["no biases", without(/\d\.(attn_[qkv]|ffn_up|ffn_down)\.bias/)],
  ["a tied head", without(/^output\.weight/)],
  [
    "ε inside the root",
    all(
      key("memoryformer.attention.rms_epsilon_outside", false, "bool"),
      key("memoryformer.attention.layer_norm_rms_epsilon", 0.01, "f32"),
    ),
  ],
  ["ε of another size", key("memoryformer.attention.layer_norm_rms_epsilon", 0.01, "f32")],
  ["an ε of its own in LayerNorm", key("memoryformer.attention.layer_norm_epsilon", 0.5, "f32")],
];

for (const [what, change] of OPTIONS) {
  test(`${what}: logits of 24 tokens agree with float64, the same bits in both builds`, () => {
    const made = () => {
      const file = make("F32");
      change(file);
      return file;
    };
    const bytes = encodeGguf(made());
    const rows = logits(engine.load(bytes));
    assertBits(logits(scalar.load(bytes)), rows, "the scalar build");
    const want = forward(made(), ids);
    for (const [t, row] of rows.entries()) {
      const largest = Math.max(...want[t].map(Math.abs));
      const error = Math.max(...row.map((value, i) => Math.abs(value - want[t][i]))) / largest;
      assert.ok(error < 2e-5, `token ${t}: ${error}`);
    }
  });
}

test("options are not without effect", () => {
  const answers = OPTIONS.map(([, change]) => {
    const file = make("F32");
    change(file);
    return logits(engine.load(encodeGguf(file)))
      .at(-1)
      ?.join();
  });
  assert.is(new Set(answers).size, OPTIONS.length);
});

const name = (short: string) => `memoryformer.${short}`;
/** A tensor of another shape, of zeros. */
const shaped = (tensorName: string, ...shape: number[]) => tensor(tensorName, { shape, fill: blank });

const BROKEN: [what: string, change: Change, code: number, words: RegExp][] = [
  ["no τ", key(name("memory.code_length")), BAD_FILE, /memory\.code_length/],
  ["τ of 0", key(name("memory.code_length"), 0), BAD_FILE, /code_length is 0, and must lie between 1 and 16/],
  ["τ of 17", key(name("memory.code_length"), 17), BAD_FILE, /code_length is 17/],
  ["τ of 2³² − 1", key(name("memory.code_length"), 2 ** 32 - 1), BAD_FILE, /code_length is 4294967295/],
  ["another τ", key(name("memory.code_length"), 5), BAD_FILE, /table_count 8 times .*code_length 5 must be .* is 32/],
  [
    "another τ that goes with the width",
    all(
      key(name("memory.code_length"), 8),
      key(name("memory.table_count"), 4),
      key(name("memory.ffn_code_length"), 12),
    ),
    BAD_FILE,
    /attn_q\.table is \{32, 128\}, but .* \{32, 1024\}/,
  ],
  ["no K", key(name("memory.table_count")), BAD_FILE, /memory\.table_count/],
  ["K of 0", key(name("memory.table_count"), 0), BAD_FILE, /table_count is 0/],
  ["a vast K", key(name("memory.table_count"), 2 ** 31), BAD_FILE, /table_count is 2147483648/],
  ["another K", key(name("memory.table_count"), 16), BAD_FILE, /table_count 16 times/],
  ["τ′ of 0", key(name("memory.ffn_code_length"), 0), BAD_FILE, /ffn_code_length is 0/],
  ["τ′ of 17", key(name("memory.ffn_code_length"), 17), BAD_FILE, /ffn_code_length is 17/],
  ["another τ′", key(name("memory.ffn_code_length"), 7), BAD_FILE, /ffn_up\.table is \{48, 128\}, but .* \{56, 128\}/],
  ["a rule that nobody knows", key(name("memory.weight_rule"), "cosine", "string"), UNSUPPORTED, /"cosine"; .*score/],
  ["a rule that is a number", key(name("memory.weight_rule"), 1), BAD_FILE, /weight_rule is of type u32/],
  ["a temperature of 0", key(name("memory.temperature"), 0, "f32"), BAD_FILE, /temperature must be above 0/],
  ["a temperature of NaN", key(name("memory.temperature"), Number.NaN, "f32"), BAD_FILE, /temperature/],
  ["no shared hash", key(name("memory.shared_hash"), false, "bool"), UNSUPPORTED, /shared_hash is false/],
  ["heads that are narrower", key(name("attention.value_length"), 8), BAD_FILE, /must be embedding_length wide/],
  ["an ε of LayerNorm of 2", key(name("attention.layer_norm_epsilon"), 2, "f32"), BAD_FILE, /layer_norm_epsilon/],
  ["no table", tensor("blk.1.attn_k.table"), BAD_FILE, /no tensor blk\.1\.attn_k\.table/],
  ["no scales", tensor("blk.1.attn_k.scale"), BAD_FILE, /no tensor blk\.1\.attn_k\.scale/],
  ["no LayerNorm", tensor("blk.0.ffn_mid_norm.bias"), BAD_FILE, /no tensor blk\.0\.ffn_mid_norm\.bias/],
  [
    "a table that is too short",
    shaped("blk.1.ffn_down.table", 32, 511),
    BAD_FILE,
    /is \{32, 511\}, but .* \{32, 512\}/,
  ],
  ["a table of a chunk too few", shaped("blk.1.attn_v.table", 32, 112), BAD_FILE, /is \{32, 112\}/],
  ["rows that are too short", shaped("blk.0.ffn_up.table", 47, 128), BAD_FILE, /is \{47, 128\}, but .* \{48, 128\}/],
  ["a stack of tables", shaped("blk.0.ffn_up.table", 48, 16, 8), BAD_FILE, /is \{48, 16, 8\}/],
  [
    "a scale too few",
    shaped("blk.0.ffn_down.scale", 511),
    BAD_FILE,
    /ffn_down\.scale is \{511, 1\}, but .* \{512, 1\}/,
  ],
  ["one scale for all", shaped("blk.0.attn_q.scale", 1), BAD_FILE, /attn_q\.scale is \{1, 1\}/],
  ["a bias too long", shaped("blk.0.attn_q.bias", 33), BAD_FILE, /attn_q\.bias is \{33, 1\}/],
  [
    "a table in blocks",
    tensor("blk.0.attn_q.table", { type: "Q8_0", fill: blank }),
    UNSUPPORTED,
    /attn_q\.table is of type Q8_0, and a look-up table is of F32, F16 or I8/,
  ],
  [
    "an embedding of bytes",
    tensor("token_embd.weight", { type: "I8", fill: blank }),
    UNSUPPORTED,
    /token_embd\.weight is of type I8, which only look-up tables are/,
  ],
];

for (const [what, change, code, words] of BROKEN) {
  test(`refused: ${what}`, () => {
    const used = engine.used;
    const file = make();
    change(file);
    const bytes = encodeGguf(file);
    refuses(() => engine.load(bytes), code, words);
    refuses(() => engine.load(bytes, false, { streamed: Streamed.TABLES, rowCache: 1000 }), code, words);
    assertSound(used, what);
  });
}

test("a file that ends within its tables is refused", () => {
  const used = engine.used;
  for (let length = good.length - 1; length > good.length - 60_000; length -= 4999) {
    refuses(() => engine.load(good.slice(0, length)), BAD_FILE, /lies outside the file/);
  }
  assertSound(used, "cut off");
});

/** A tensor with one value that is no finite number. */
const spoiled =
  (tensorName: string, at: number, value: number): Change =>
  (file) => {
    const own = file.tensors.find((other) => other.name === tensorName);
    if (!own) throw new Error(`no tensor ${tensorName}`);
    const bytes = new Uint8Array(tensorBytes(own.type, own.shape));
    own.fill(bytes);
    if (own.type === "F32") new Float32Array(bytes.buffer)[at] = value;
    else new Uint16Array(bytes.buffer)[at] = Number.isNaN(value) ? 0xfe01 : 0x7c00;
    own.fill = (chunk) => chunk.set(bytes.subarray(0, chunk.length));
  };

for (const [type, tensorName, at] of [
  ["F32", "blk.1.attn_k.table", 4095],
  ["F32", "blk.0.ffn_up.table", 0],
  ["F16", "blk.1.ffn_down.table", 16383],
  ["F16", "blk.0.attn_q.table", 6],
  ["Q8_0", "blk.1.ffn_down.scale", 511],
  ["Q4_0", "blk.0.attn_v.bias", 31],
] as const) {
  test(`a NaN or an infinity in ${tensorName} of a model in ${type} is found when it is read`, () => {
    const used = engine.used;
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      const file = make(type);
      spoiled(tensorName, at, value)(file);
      refuses(
        () => engine.load(encodeGguf(file)),
        BAD_FILE,
        new RegExp(`${tensorName} holds a value that is no finite`),
      );
    }
    assertSound(used, tensorName);
  });
}

test("a NaN in a table that stays in the file ends the pass that reads its row, and no other", () => {
  const used = engine.used;
  const file = make("F32");
  // A whole chunk's rows: every token reads one of them.
  for (let row = 0; row < 16; row++) spoiled("blk.1.ffn_up.table", row * 48 + 5, Number.NaN)(file);
  const model = engine.load(encodeGguf(file), false, { streamed: Streamed.TABLES, rowCache: 1 << 20 });
  const context = model.context({ rows: 32, batch: 32 });
  for (let again = 0; again < 2; again++) {
    refuses(() => context.run(prompt(ids)), BAD_FILE, /blk\.1\.ffn_up\.table holds a value that is no finite number/);
    engine.core.call("context_abort", context.handle);
    assert.is(context.rows(0), 0, "the pass has left no rows");
  }
  context.release();
  model.release();
  assertSound(used, "NaN in the file");
});

test("random bytes in every place of the header's keys and tensors: an error or an answer, no trap", () => {
  const used = engine.used;
  let state = 12345;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const head =
    good.length -
    make().tensors.reduce((sum, { type, shape }) => sum + Math.ceil(tensorBytes(type, shape) / 32) * 32, 0);
  for (let round = 0; round < 300; round++) {
    const bytes = good.slice();
    bytes[random(head)] = random(256);
    try {
      const model = engine.load(bytes);
      try {
        logits(model);
      } finally {
        model.release();
      }
    } catch (error) {
      assert.instance(error, EngineError);
    }
  }
  assertSound(used, "random bytes");
});

test("the API: the same greedy text in both builds, in a saved session that goes on, and a perplexity", async () => {
  const answers: string[] = [];
  for (const build of ["portable", "scalar"] as const) {
    const model = await Model.load(good, { build, context: 96 });
    assert.is(model.info.architecture, "memoryformer");
    const text = await model.generate("A tide", { maxTokens: 40, temperature: 0 }).text();
    assert.ok(text.length >= 40);
    const session = model.session();
    session.append("A tide");
    await session.generate(undefined, { maxTokens: 8, temperature: 0 }).text();
    const saved = session.save();
    const rest = await session.generate(undefined, { maxTokens: 25, temperature: 0 }).text();
    assert.is(await model.restore(saved).generate(undefined, { maxTokens: 25, temperature: 0 }).text(), rest);
    const { perplexity } = await model.perplexity("A tide in the time of it, and that was it.".repeat(9), {
      context: 64,
    });
    assert.ok(perplexity > 50 && perplexity < 5000, `${perplexity}`);
    answers.push(`${text} ${rest} ${perplexity}`);
    model.dispose();
  }
  assert.is(answers[0], answers[1]);
});

test.run();
