/** Families of decoders: what their checkpoints say in their own words comes into the file, or is refused by name. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type ConvertResult, convert } from "../src/convert.ts";
import { Core } from "../src/host/instance.ts";
import type { GgufValue } from "../src/load/gguf-entries.ts";
import { readHead } from "../src/load/gguf-head.ts";
import { openSource } from "../src/load/source.ts";
import { type CheckpointParts, checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { errorOf, temporaryFile } from "./support/models.ts";

type Json = Record<string, unknown>;

const OUT = temporaryFile("family.gguf");

interface Converted extends ConvertResult {
  keys: Map<string, GgufValue>;
  names: string[];
}

async function converted(kind: string, change: (parts: CheckpointParts) => void): Promise<Converted> {
  const { parts } = checkpointOf(kind);
  change(parts);
  const result = await convert(writeCheckpoint("family", parts), OUT, { type: "F16" });
  const sources = await openSource(OUT);
  const { metadata, tensors } = await readHead(await Core.create({}), sources);
  for (const source of sources) source.close();
  const keys = new Map(metadata.map(([key, , value]) => [key, value]));
  return { ...result, keys, names: tensors.map(({ name }) => name) };
}

const config =
  (values: Json) =>
  ({ config: own }: CheckpointParts) =>
    void Object.assign(own, values);

async function refused(kind: string, words: RegExp, values: Json): Promise<void> {
  const error = await errorOf(() => converted(kind, config(values)));
  assert.match(error.message, words);
  assert.is(error.code, "UNSUPPORTED", error.message);
}

test("gemma3 that sees: the text part by the config's part, the rest left out and told", async () => {
  const weight = (size: number) => ({ dtype: "F32", shape: [size], bytes: new Uint8Array(4 * size) });
  for (const [prefix, head] of [
    ["language_model.model.", "language_model.lm_head.weight"],
    ["model.language_model.", "lm_head.weight"],
  ]) {
    const { names, keys, leftOut, architecture } = await converted("gemma3-tiny", (parts) => {
      const { num_key_value_heads: kvHeads, vocab_size: vocabulary, ...text } = parts.config;
      for (const key of ["max_position_embeddings", "rms_norm_eps", "tie_word_embeddings"]) delete text[key];
      parts.config = {
        ...{ model_type: "gemma3", vision_config: { hidden_size: 3 }, num_key_value_heads: kvHeads },
        ...{ vocab_size: vocabulary, text_config: text },
      };
      const renamed = Object.entries(parts.weights).map(([name, value]) => [name.replace(/^model\./, prefix), value]);
      parts.weights = Object.fromEntries(renamed);
      parts.weights[head] = parts.weights[`${prefix}embed_tokens.weight`];
      const outer = prefix.startsWith("model.") ? "model." : "";
      parts.weights[`${outer}vision_tower.vision_model.post_layernorm.weight`] = weight(3);
      parts.weights[`${outer}multi_modal_projector.mm_soft_emb_norm.weight`] = weight(3);
    });
    assert.is(architecture, "gemma3");
    assert.is(leftOut.length, 2);
    assert.ok(leftOut.every((name) => /vision_tower|multi_modal/.test(name)));
    assert.not(names.includes("output.weight"));
    assert.is(keys.get("gemma3.context_length"), 131072);
    assert.is(keys.get("gemma3.attention.layer_norm_rms_epsilon"), Math.fround(1e-6));
  }
  // Whose tokens see those behind them is an embedder, EmbeddingGemma.
  const both = await converted("gemma3-tiny", config({ use_bidirectional_attention: true }));
  assert.is(both.architecture, "gemma-embedding");
  await refused("gemma3-tiny", /attn_logit_softcapping is 50/, { attn_logit_softcapping: 50 });
  const error = await errorOf(() => converted("gemma3-tiny", config({ text_config: 5 })));
  assert.match(error.message, /text_config is no object/);
});

test("gemma3: the scaling is of layers that see all, a window's base and layers are the file's", async () => {
  const types = Array.from({ length: 7 }, (_, layer) => (layer % 3 === 2 ? "full_attention" : "sliding_attention"));
  const linear = { rope_type: "linear", factor: 8 };
  const old = { rope_scaling: linear, rope_local_base_freq: 500, rope_theta: 2e6, layer_types: types };
  const full = { ...linear, rope_theta: 2e6 };
  const rope_parameters = { full_attention: full, sliding_attention: { rope_type: "default", rope_theta: 500 } };
  for (const said of [old, { rope_parameters, rope_local_base_freq: null, rope_theta: null, layer_types: types }]) {
    const { keys } = await converted("gemma3-tiny", config(said));
    const rope = ["freq_base", "freq_base_swa", "scaling.type", "scaling.factor"].map((key) => `gemma3.rope.${key}`);
    assert.equal(
      rope.map((key) => keys.get(key)),
      [2e6, 500, "linear", 8],
    );
    const flags = types.map((type) => type === "sliding_attention");
    assert.equal([...(keys.get("gemma3.attention.sliding_window_pattern") as boolean[])], flags);
  }
  const scaled = { full_attention: full, sliding_attention: { ...linear, rope_theta: 500 } };
  await refused("gemma3-tiny", /rope_type is "linear"/, { rope_parameters: scaled });
});

test("gemma, gemma2: no cap, other scales of scores, another activation, a head of its own are refused", async () => {
  for (const key of ["attn_logit_softcapping", "final_logit_softcapping"]) {
    await refused("gemma2-tiny", new RegExp(`${key} is null`), { [key]: null });
  }
  for (const kind of ["gemma2-tiny", "gemma3-tiny"]) {
    await refused(kind, /query_pre_attn_scalar is 32, not 48/, { query_pre_attn_scalar: 32 });
  }
  await refused("gemma-tiny", /hidden_activation is "gelu"/, { hidden_activation: "gelu" });
  for (const kind of ["gemma-tiny", "gemma2-tiny"]) {
    await refused(kind, /tie_word_embeddings is false/, { tie_word_embeddings: false });
  }
});

test("experts: in every layer, of one type; weights that add up to 1 or not", async () => {
  for (const [kind, usual] of [
    ["qwen2moe-tiny", false],
    ["qwen3moe-tiny", true],
  ] as const) {
    const architecture = kind.replace("-tiny", "");
    const norms = async (norm_topk_prob: boolean) =>
      (await converted(kind, config({ norm_topk_prob }))).keys.get(`${architecture}.expert_weights_norm`);
    assert.is(await norms(usual), undefined);
    assert.is(await norms(!usual), !usual);
    await refused(kind, /decoder_sparse_step is 2/, { decoder_sparse_step: 2 });
    await refused(kind, /mlp_only_layers is \[1\]/, { mlp_only_layers: [1] });
  }
  const third = "model.layers.1.mlp.experts.3.up_proj.weight";
  const mixed = await errorOf(() =>
    converted("qwen3moe-tiny", ({ weights }) => {
      const { shape, bytes } = weights[third];
      weights[third] = { dtype: "BF16", shape, bytes: bytes.slice(0, bytes.length / 2).fill(0) };
    }),
  );
  assert.match(mixed.message, /experts.3.up_proj.weight is of type BF16, and .*experts.0.* of F32/);
  const missing = await errorOf(() => converted("qwen3moe-tiny", ({ weights }) => delete weights[third]));
  assert.match(missing.message, /has no .*experts.3.up_proj.weight/);
  const many = await errorOf(() => converted("qwen3moe-tiny", config({ num_experts: 2e9 })));
  assert.match(many.message, /num_experts is 2000000000, and the checkpoint has \d+ tensors/);
});

test.run();
