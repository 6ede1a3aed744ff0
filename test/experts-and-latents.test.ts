/**
 * Decoders whose files say the same in two ways, or may say what no model is: DeepSeek's latents by one matrix or by two,
 * in both forms, against the oracle; groups of experts, biases, windows and lists by layer that contradict themselves.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf, floatTensor, tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import golden from "./golden/logits.json" with { type: "json" };
import { all, type Change, type File, key, tensor } from "./support/changes.ts";
import {
  assertBits,
  Code,
  Engine,
  F32,
  Form,
  modelBytes,
  prompt,
  refuses,
  Streamed,
  spread,
} from "./support/engine.ts";
import { divergence, fromBase64 } from "./support/peers.ts";

const engine = new Engine("portable");
const { BAD_FILE, UNSUPPORTED } = Code;

/** Largest KL of F32 from the oracle. */
const LIMIT = 1e-9;

const NOPE = 32;
const VALUE = 40;
const RANK = 96;
const HEADS = 4;

function floats(file: File, name: string): Float32Array {
  const { type, shape, fill } = file.tensors.find((own) => own.name === name) as File["tensors"][number];
  const bytes = new Uint8Array(tensorBytes(type, shape));
  fill(bytes);
  return new Float32Array(bytes.buffer);
}

/** W_UKᵀ and W_UV of each head, {nope, rank, heads} and {rank, value, heads}, as old files have them: {rank, heads · (nope + value)}. */
function joined(keys: Float32Array, values: Float32Array): Float32Array {
  const both = new Float32Array(HEADS * (NOPE + VALUE) * RANK);
  for (let head = 0; head < HEADS; head++) {
    const first = head * (NOPE + VALUE);
    for (let i = 0; i < NOPE; i++)
      for (let r = 0; r < RANK; r++) both[(first + i) * RANK + r] = keys[(head * RANK + r) * NOPE + i];
    both.set(values.subarray(head * VALUE * RANK, (head + 1) * VALUE * RANK), (first + NOPE) * RANK);
  }
  return both;
}

/** The small DeepSeek as files had it before W_UK and W_UV were told apart. */
function oldFile(): Uint8Array {
  const file = makeModel("deepseek2-tiny", "F32");
  all(
    key("deepseek2.attention.key_length_mla"),
    key("deepseek2.attention.value_length_mla"),
    key("deepseek2.attention.key_length", NOPE + 16),
    key("deepseek2.attention.value_length", VALUE),
    key("deepseek2.attention.head_count_kv", HEADS),
  )(file);
  file.tensors = file.tensors.flatMap((own) => {
    const name = own.name.replace("attn_k_b", "attn_kv_b");
    if (own.name.includes("attn_v_b")) return [];
    if (name === own.name) return [own];
    const values = floats(file, own.name.replace("attn_k_b", "attn_v_b"));
    return [floatTensor(name, [RANK, HEADS * (NOPE + VALUE)], joined(floats(file, own.name), values))];
  });
  return encodeGguf(file);
}

for (const [what, bytes] of [
  ["two", modelBytes("deepseek2-tiny", "F32")],
  ["one", oldFile()],
] as const) {
  for (const [form, words] of [
    [Form.ABSORBED, "absorbed"],
    [Form.EXPANDED, "expanded"],
  ] as const) {
    for (const batch of [64, 7]) {
      test(`latents by ${what} of matrices, ${words}, ${batch} tokens at once: the oracle's logits`, () => {
        const want = golden.models.find(({ kind, type }) => kind === "deepseek2-tiny" && type === "F32");
        assert.ok(want);
        const model = engine.load(bytes);
        const context = model.context({ kv: F32, form, batch });
        let last = new Float32Array();
        for (let at = 0; at < golden.tokens.length; at += batch) {
          const rows = context.run(prompt(golden.tokens.slice(at, at + batch), at));
          last = rows.at(-1) as typeof last;
        }
        const far = divergence(fromBase64(want.logits), last);
        assert.ok(far < LIMIT, `KL ${far}`);
        context.release();
        model.release();
      });
    }
  }
}

const REFUSED: [kind: string, what: string, change: Change, words: RegExp][] = [
  [
    "qwen3moe-tiny",
    "more experts used than there are",
    key("qwen3moe.expert_used_count", 9),
    /expert_used_count is 9, and must lie between 1 and 8/,
  ],
  ["qwen3moe-tiny", "no expert used", key("qwen3moe.expert_used_count", 0), /expert_used_count is 0/],
  ["qwen3moe-tiny", "no experts", key("qwen3moe.expert_count", 0), /expert_count is 0/],
  [
    "deepseek2-tiny",
    "groups of unequal size",
    key("deepseek2.expert_group_count", 3),
    /expert_group_count 3 must divide/,
  ],
  ["deepseek2-tiny", "too few groups", key("deepseek2.expert_group_used_count", 1), /groups must hold the 3/],
  ["deepseek2-tiny", "more groups used than there are", key("deepseek2.expert_group_used_count", 5), /used_count is 5/],
  ["deepseek2-tiny", "no values", tensor("blk.1.attn_v_b.weight"), /no tensor blk\.1\.attn_v_b\.weight/],
  [
    "deepseek2-tiny",
    "keys that lie as values do",
    tensor("blk.0.attn_k_b.weight", { shape: [RANK, NOPE, HEADS] }),
    /blk\.0\.attn_k_b\.weight is \{96, 32, 4\}, but the metadata asks for \{32, 96, 4\}/,
  ],
  ["deepseek2-tiny", "no sizes of values", key("deepseek2.attention.value_length_mla"), /value_length_mla/],
  ["deepseek2-lite-tiny", "no latent", key("deepseek2.attention.kv_lora_rank", 0), /kv_lora_rank is 0/],
  ["gpt-oss-tiny", "no window", key("gpt-oss.attention.sliding_window", 0), /sliding_window must be above 0/],
  ["gpt-oss-tiny", "no bias of keys", tensor("blk.1.attn_k.bias"), /no tensor blk\.1\.attn_k\.bias/],
  ["gpt-oss-tiny", "no bias of the output", tensor("blk.2.attn_output.bias"), /no tensor blk\.2\.attn_output\.bias/],
  ["gpt-oss-tiny", "no bias of the router", tensor("blk.0.ffn_gate_inp.bias"), /no tensor blk\.0\.ffn_gate_inp\.bias/],
  ["gpt-oss-tiny", "no bias of experts", tensor("blk.0.ffn_down_exps.bias"), /no tensor blk\.0\.ffn_down_exps\.bias/],
  ["gpt-oss-tiny", "no sinks", tensor("blk.1.attn_sinks.weight"), /no tensor blk\.1\.attn_sinks\.weight/],
  ["deci-tiny", "a list too short", key("deci.attention.head_count", [4, 0], "i32[]"), /head_count is a list of 2/],
  ["deci-tiny", "heads below 0", key("deci.attention.head_count", [4, 0, 0, -4, 2], "i32[]"), /head_count/],
  [
    "deci-tiny",
    "keys without heads",
    key("deci.attention.head_count_kv", [2, 1, 0, 0, 1], "i32[]"),
    /head_count_kv is 1/,
  ],
  ["deci-tiny", "no attention", key("deci.attention.head_count_kv", [0, 0, 0, 0, 0], "i32[]"), /no attention/],
  ["deci-tiny", "a width too wide", key("deci.feed_forward_length", [256, 2 ** 21, 0, 256, 768], "i32[]"), /2097152/],
];

test("deepseek2-tiny: a temperature of attention by position is refused by name", () => {
  const file = makeModel("deepseek2-tiny", "F32");
  key("deepseek2.attention.temperature_scale", 0.1, "f32")(file);
  refuses(() => engine.load(encodeGguf(file)), UNSUPPORTED, /deepseek2\.attention\.temperature_scale/);
});

for (const [kind, what, change, words] of REFUSED) {
  test(`${kind}: ${what} is refused by name, and nothing is lost`, () => {
    const used = engine.used;
    const file = makeModel(kind, "F32");
    change(file);
    refuses(() => engine.load(encodeGguf(file)), BAD_FILE, words);
    assert.is(engine.used, used);
  });
}

for (const kind of ["qwen3moe-tiny", "gpt-oss-tiny", "deepseek2-tiny"]) {
  test(`${kind}: experts stay in memory where other weights stay in the file, as the plan says`, () => {
    const bytes = modelBytes(kind, "Q8_0");
    const resident = engine.load(bytes);
    const want = resident.context().runChunks(prompt(spread(9)), 4);
    const own = new Engine("portable");
    const model = own.open(bytes, false, { streamed: Streamed.ALL, rowCache: 0 });
    while (model.state !== 1) model.step();
    const planned = own.used;
    const plan = model.planBytes;
    model.step();
    assert.is(own.used, planned + plan);
    while (model.step() !== 0) {}
    const shape = { rows: 40, batch: 4 };
    const before = own.used;
    const context = model.context(shape);
    assert.is(own.used - before, model.contextBytes(shape));
    assertBits(context.runChunks(prompt(spread(9)), 4), want, "streamed");
  });
}

test.run();
