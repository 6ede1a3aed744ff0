/**
 * Checkpoints of T5 and mu become the files that they were made of: the same keys, and the same bits of logits. What a
 * file cannot say is refused.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PAIRS } from "../scripts/encoder-decoders.mjs";
import { tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { convert } from "../src/convert.ts";
import { type CheckpointParts, preTokenizer, type Weights, writeCheckpoint } from "./support/checkpoint.ts";
import { sameBits } from "./support/core.ts";
import { Engine, F32, modelBytes, prompt } from "./support/engine.ts";
import { errorOf, temporaryFile } from "./support/models.ts";

const engine = new Engine("portable");

const T5_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^token_embd/, "shared"],
  [/^output\./, "lm_head."],
  [/^enc\.output_norm/, "encoder.final_layer_norm"],
  [/^dec\.output_norm/, "decoder.final_layer_norm"],
  [/^(enc|dec)\.blk\.(\d+)\.attn_norm/, "$1oder.block.$2.layer.0.layer_norm"],
  [/^(enc|dec)\.blk\.(\d+)\.attn_rel_b/, "$1oder.block.$2.layer.0.SelfAttention.relative_attention_bias"],
  [/^(enc|dec)\.blk\.(\d+)\.attn_([qkvo])/, "$1oder.block.$2.layer.0.SelfAttention.$3"],
  [/^dec\.blk\.(\d+)\.cross_attn_norm/, "decoder.block.$1.layer.1.layer_norm"],
  [/^dec\.blk\.(\d+)\.cross_attn_([qkvo])/, "decoder.block.$1.layer.1.EncDecAttention.$2"],
  [/^enc\.blk\.(\d+)\.ffn_norm/, "encoder.block.$1.layer.1.layer_norm"],
  [/^dec\.blk\.(\d+)\.ffn_norm/, "decoder.block.$1.layer.2.layer_norm"],
  [/^enc\.blk\.(\d+)\.ffn_/, "encoder.block.$1.layer.1.DenseReluDense."],
  [/^dec\.blk\.(\d+)\.ffn_/, "decoder.block.$1.layer.2.DenseReluDense."],
];

const MU_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^token_embd/, "transformer.wte"],
  [/^enc\.output_norm/, "transformer.ln_e"],
  [/^dec\.output_norm/, "transformer.ln_f"],
  [/^enc\.blk\.(\d+)\.attn_norm/, "transformer.e.$1.ln1"],
  [/^enc\.blk\.(\d+)\.ffn_norm/, "transformer.e.$1.ln2"],
  [/^dec\.blk\.(\d+)\.attn_norm/, "transformer.h.$1.ln1"],
  [/^dec\.blk\.(\d+)\.cross_attn_norm/, "transformer.h.$1.ln2"],
  [/^dec\.blk\.(\d+)\.ffn_norm/, "transformer.h.$1.ln3"],
  [/^enc\.blk\.(\d+)\.attn_o\./, "transformer.e.$1.attn.out_linear."],
  [/^enc\.blk\.(\d+)\.attn_([qkv])/, "transformer.e.$1.attn.$2_linear"],
  [/^dec\.blk\.(\d+)\.attn_o\./, "transformer.h.$1.causal_attn.out_linear."],
  [/^dec\.blk\.(\d+)\.attn_([qkv])/, "transformer.h.$1.causal_attn.$2_linear"],
  [/^dec\.blk\.(\d+)\.cross_attn_o\./, "transformer.h.$1.cross_attn.out_linear."],
  [/^dec\.blk\.(\d+)\.cross_attn_([qkv])/, "transformer.h.$1.cross_attn.$2_linear"],
  [/^enc\.blk\.(\d+)\.ffn_up/, "transformer.e.$1.mlp.fc1"],
  [/^enc\.blk\.(\d+)\.ffn_down/, "transformer.e.$1.mlp.fc2"],
  [/^dec\.blk\.(\d+)\.ffn_up/, "transformer.h.$1.mlp.fc1"],
  [/^dec\.blk\.(\d+)\.ffn_down/, "transformer.h.$1.mlp.fc2"],
];

/** The head of the checkpoint that each head of the file is, of 6 over 3 that repeat as a set. */
const SETS = [0, 3, 1, 4, 2, 5];

function inSets(name: string, values: Float32Array, columns: number, size: number): Float32Array {
  const out = new Float32Array(values.length);
  // Rows of q and its bias, columns of o.
  const width = /attn_o/.test(name) ? 1 : columns;
  for (let i = 0; i < values.length; i++) {
    const place = /attn_o/.test(name) ? i % columns : Math.floor(i / width);
    const head = SETS[Math.floor(place / size)];
    const to = head * size + (place % size);
    out[/attn_o/.test(name) ? i - place + to : to * width + (i % width)] = values[i];
  }
  return out;
}

function checkpointOf(kind: string, interleaved = true): CheckpointParts {
  const { metadata, tensors } = makeModel(kind, "F32");
  const shape = PAIRS[kind];
  const isMu = shape.architecture === "mu";
  const value = (key: string) => metadata.find(([name]) => name === key)?.[2];
  const weights: Weights = {};
  for (const { name, shape: sizes, fill } of tensors) {
    const bytes = new Uint8Array(tensorBytes("F32", sizes));
    fill(bytes);
    const [from, to] = (isMu ? MU_NAMES : T5_NAMES).find(([pattern]) => pattern.test(name)) ?? [/^$/, ""];
    const source = name
      .replace(from, to)
      .replace("Dense.gate", "Dense.wi_0")
      .replace("Dense.up", shape.gated ? "Dense.wi_1" : "Dense.wi")
      .replace("Dense.down", "Dense.wo");
    const moved = !interleaved && /attn_q|attn_o\.weight/.test(name);
    const values = new Float32Array(bytes.buffer);
    const own = moved ? inSets(name, values, sizes.length > 1 ? sizes[0] : 1, shape.headSize) : values;
    weights[source] = { dtype: "F32", shape: [...sizes].reverse(), bytes: new Uint8Array(own.buffer) };
  }
  const tokens = value("tokenizer.ggml.tokens") as string[];
  const end = tokens.length - 1;
  const { layers, decoder, hidden, heads, ffn, headSize, vocabulary, context } = shape;
  const config = isMu
    ? {
        ...{ model_type: "mu", n_encoder_layer: layers, n_decoder_layer: decoder, n_embd: hidden, n_head: heads },
        ...{ n_kv_head: shape.kvHeads, qkv_embd: heads * headSize, hidden_dim: ffn, block_size: context },
        ...{ vocab_size: vocabulary, is_interleaved: interleaved, rope_theta: 10000 },
      }
    : {
        ...{ model_type: shape.each ? "umt5" : "t5", d_model: hidden, d_kv: headSize, d_ff: ffn, num_heads: heads },
        ...{ num_layers: layers, num_decoder_layers: decoder || layers, vocab_size: vocabulary, n_positions: context },
        ...{ relative_attention_num_buckets: shape.buckets, decoder_start_token_id: 0 },
        ...{ feed_forward_proj: shape.gated ? "gated-gelu" : "relu", tie_word_embeddings: shape.tied ?? false },
      };
  return {
    config,
    weights,
    tokenizer: {
      added_tokens: [{ id: end, content: tokens[end], special: true }],
      pre_tokenizer: preTokenizer("gpt-2"),
      model: {
        type: "BPE",
        vocab: Object.fromEntries(tokens.slice(0, end).map((text, id) => [text, id])),
        merges: value("tokenizer.ggml.merges"),
      },
    },
    tokenizerConfig: { bos_token: tokens[end], eos_token: { content: tokens[end] }, add_bos_token: false },
  };
}

/** Logits of a file of an encoder-decoder. */
function logitsOf(bytes: Uint8Array): Float32Array[] {
  const model = engine.load(bytes);
  const context = model.context({ rows: 64, batch: 64, kv: F32 });
  context.run(prompt([5, 9, 200, 31, 7]), { isSource: true });
  const rows = context.run(prompt([0, 17, 99]));
  context.release();
  model.release();
  return rows;
}

const CASES: readonly (readonly [string, boolean])[] = [
  ...Object.keys(PAIRS)
    .filter((kind) => PAIRS[kind].decoder > 0)
    .map((kind) => [kind, true] as const),
  ["mu-tiny", false],
];

for (const [kind, interleaved] of CASES) {
  test(`${kind}${interleaved ? "" : ", whose heads repeat as a set"}: a checkpoint answers as the file does`, async () => {
    const parts = checkpointOf(kind, interleaved);
    const out = temporaryFile("pair.gguf");
    const result = await convert(writeCheckpoint("pair", parts), out, { type: "F32" });
    assert.is(result.architecture, PAIRS[kind].architecture);
    const bytes = new Uint8Array(readFileSync(out));
    const [ours, wanted] = [bytes, modelBytes(kind, "F32")].map(logitsOf);
    for (const [i, row] of wanted.entries()) assert.ok(sameBits(row, ours[i]), `row ${i}`);
  });
}

test("an encoder that was saved alone is t5encoder", async () => {
  const parts = checkpointOf("t5encoder-tiny");
  const out = temporaryFile("encoder.gguf");
  assert.is((await convert(writeCheckpoint("encoder", parts), out, { type: "F32" })).architecture, "t5encoder");
  engine.load(new Uint8Array(readFileSync(out))).release();
});

test("copies of the embedding are left out, and a head that is not one is no tied one", async () => {
  const parts = checkpointOf("t5-relu");
  const { weights } = parts;
  weights["encoder.embed_tokens.weight"] = weights["shared.weight"];
  weights["lm_head.weight"] = weights["shared.weight"];
  const out = temporaryFile("tied.gguf");
  await convert(writeCheckpoint("tied", parts), out, { type: "F32" });
  const other = { ...weights["shared.weight"], bytes: weights["shared.weight"].bytes.slice().fill(0, 0, 4) };
  const wrong = { ...parts, weights: { ...weights, "lm_head.weight": other } };
  const error = await errorOf(() => convert(writeCheckpoint("untied", wrong), out, { type: "F32" }));
  assert.match(error.message, /lm_head\.weight is not the embedding/);
});

test("what no file says is refused by its key", async () => {
  const refused = async (kind: string, change: Record<string, unknown>, words: RegExp) => {
    const parts = checkpointOf(kind);
    const changed = { ...parts, config: { ...parts.config, ...change } };
    const error = await errorOf(() => convert(writeCheckpoint("refused", changed), temporaryFile("refused.gguf")));
    assert.match(error.message, words);
  };
  await refused("t5-tiny", { relative_attention_max_distance: 256 }, /relative_attention_max_distance is 256/);
  await refused("t5-tiny", { feed_forward_proj: "gated-silu" }, /feed_forward_proj is "gated-silu"/);
  await refused("t5-tiny", { tie_word_embeddings: true }, /tie_word_embeddings/);
  await refused("t5-tiny", { num_decoder_layers: 4 }, /decoder\.block\.3/);
  await refused("mu-tiny", { rope_factor: 2 }, /rope_factor is 2/);
  await refused("mu-tiny", { n_head: 7 }, /n_head, 7/);
});

test.run();
