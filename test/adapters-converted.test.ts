/**
 * Adapters as PEFT saves them become files for a model's GGUF: what they give is what the checkpoint gives whose weights
 * they are merged into, by PEFT's formulas in float64.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { convert } from "../src/convert.ts";
import { type Adapter, LimpetError, Model } from "../src/index.ts";
import golden from "./golden/peft.json" with { type: "json" };
import { checkpointOf, type Weights, writeCheckpoint } from "./support/checkpoint.ts";
import { errorOf, temporaryFile } from "./support/models.ts";
import { divergence, fromBase64 } from "./support/peers.ts";
import { adapted, f32, PEFT_CASES, type PeftConfig, peftFolders, writeAdapter } from "./support/peft.ts";

const LIMIT = 1e-6;
/** … of the largest logit: what float32 of another order may be off. */
const ROUNDING = 1e-5;
const IDS = Array.from({ length: 24 }, (_, i) => (i * 389 + 97) % 512);
const BASE = temporaryFile("base.gguf");
const MERGED = temporaryFile("merged.gguf");
const ADAPTER = temporaryFile("adapter.gguf");
const PATTERNS = { rank_pattern: { q_proj: 4, "layers\\.1\\..*down_proj": 2 }, alpha_pattern: { v_proj: 5 } };
const rankOf = (module: string) => (module.endsWith("q_proj") ? 4 : /layers\.1\..*down_proj$/.test(module) ? 2 : 8);
const alphaOf = (module: string) => (module.endsWith("v_proj") ? 5 : 16);

for (const [kind, words, modules, config, rank, scale] of [
  ["llama-tiny", "llama, whose q and k change their rows", /_proj/, {}, () => 8, () => 2],
  [
    "qwen2-tiny",
    "patterns and rsLoRA",
    /_proj/,
    { ...PATTERNS, use_rslora: true },
    rankOf,
    (module: string, r: number) => alphaOf(module) / Math.sqrt(r),
  ],
  ["qwen3-tiny", "patterns", /[qvod]\w*_proj/, PATTERNS, rankOf, (module: string, r: number) => alphaOf(module) / r],
  ["plm-1m", "latents", /(q_proj|kv_a_proj_with_mqa|o_proj|up_proj|down_proj)/, {}, () => 8, () => 2],
  ["llama-tiny", "an embedding", /(embed_tokens|q_proj)/, {}, () => 8, () => 2],
] as const) {
  test(`${kind}, ${words}: a converted adapter gives what merged weights give`, async () => {
    const { parts } = checkpointOf(kind);
    const { pairs, merged } = adapted(parts, modules, rank, scale);
    await convert(writeCheckpoint("base", parts), BASE, { type: "F32" });
    await convert(writeCheckpoint("merged", merged), MERGED, { type: "F32" });
    const result = await convert(writeAdapter(config, pairs), ADAPTER, { base: BASE });
    assert.is(result.tensors, Object.keys(pairs).length);
    const [base, other] = [await Model.load(BASE), await Model.load(MERGED)];
    const adapter = await base.adapter(ADAPTER);
    const last = (logits: Float32Array) => logits.slice(-base.info.vocabulary);
    const want = last(await other.logits(IDS, { kv: "f32" }));
    const ours = last(await base.logits(IDS, { kv: "f32", adapters: [[adapter, 1]] }));
    const plain = last(await base.logits(IDS, { kv: "f32" }));
    assert.ok(divergence(want, ours) < LIMIT, `KL ${divergence(want, ours)}`);
    assert.ok(divergence(want, plain) > 1e-3, `KL ${divergence(want, plain)}: the adapter changes the answer`);
    for (const of of [base, other]) of.dispose();
  });
}

for (const asked of PEFT_CASES) {
  test(`${asked.name}: the logits are PEFT's own`, async () => {
    const { model: checkpoint, folders } = peftFolders(asked);
    await convert(checkpoint, BASE, { type: "F32" });
    const model = await Model.load(BASE);
    const adapters: [Adapter, number][] = [];
    for (const [i, folder] of folders.entries()) {
      await convert(folder, ADAPTER, { base: BASE });
      adapters.push([await model.adapter(ADAPTER), asked.adapters[i][1]]);
    }
    const logits = await model.logits([...asked.tokens], { kv: "f32", adapters });
    const size = model.info.vocabulary;
    for (const [i, text] of (golden as Record<string, string[]>)[asked.name].entries()) {
      const [want, at] = [fromBase64(text), asked.positions[i] * size];
      const ours = logits.subarray(at, at + size);
      const apart = Math.max(...want.map((value, j) => Math.abs(value - ours[j]))) / Math.max(...want.map(Math.abs));
      assert.ok(apart < ROUNDING, `position ${asked.positions[i]} is ${apart} of the largest off`);
      assert.ok(divergence(want, ours) < LIMIT);
    }
    model.dispose();
  });
}

test("what an adapter's file cannot say is refused by name", async () => {
  const { parts } = checkpointOf("llama-tiny");
  await convert(writeCheckpoint("base", parts), BASE, { type: "F32" });
  const { pairs } = adapted(
    parts,
    /layers\.0\.self_attn\.q_proj/,
    () => 8,
    () => 2,
  );
  const [a, b] = Object.keys(pairs);
  const more = (name: string, of = pairs[a]) => ({ ...pairs, [name]: of });
  const cases: [string, RegExp, PeftConfig, Weights][] = [
    ["UNSUPPORTED", /peft_type is "IA3"/, { peft_type: "IA3" }, pairs],
    ["UNSUPPORTED", /use_dora is true/, { use_dora: true }, pairs],
    ["UNSUPPORTED", /lora_bias is true/, { lora_bias: true }, pairs],
    ["UNSUPPORTED", /bias is "all"/, { bias: "all" }, pairs],
    ["UNSUPPORTED", /modules_to_save is \["lm_head"\]/, { modules_to_save: ["lm_head"] }, pairs],
    ["UNSUPPORTED", /fan_in_fan_out is true/, { fan_in_fan_out: true }, pairs],
    ["UNSUPPORTED", /layer_replication/, { layer_replication: [[0, 1]] }, pairs],
    ["UNSUPPORTED", /invocation_string/, { invocation_string: "<|go|>" }, pairs],
    ["BAD_FILE", /lora_alpha is 0/, { lora_alpha: 0 }, pairs],
    ["BAD_FILE", /rank of .*q_proj is 4, and its pair's 8/, { r: 4 }, pairs],
    ["BAD_FILE", /alora_invocation_tokens/, { alora_invocation_tokens: ["a"] }, pairs],
    [
      "UNSUPPORTED",
      /DoRA's magnitudes/,
      {},
      more("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector"),
    ],
    ["UNSUPPORTED", /no half of a pair/, {}, more("base_model.model.classifier.weight")],
    [
      "UNSUPPORTED",
      /limpet knows no such module in llama/,
      {},
      { "base_model.model.x.lora_A.weight": pairs[a], "base_model.model.x.lora_B.weight": pairs[b] },
    ],
    ["BAD_FILE", /has half of a pair/, {}, { [a]: pairs[a] }],
    ["BAD_FILE", /it has no pair/, {}, {}],
    ["BAD_FILE", /another model's/, {}, { ...pairs, [a]: f32([8, 64], new Float32Array(512)) }],
  ];
  for (const [code, words, config, weights] of cases) {
    const error = await errorOf(() => convert(writeAdapter(config, weights), ADAPTER, { base: BASE }));
    assert.instance(error, LimpetError, error.stack);
    assert.match(error.message, words);
    assert.is((error as LimpetError).code, code, error.message);
  }
  const plain = { ...pairs };
  await convert(writeAdapter({ alora_invocation_tokens: [3, 4] }, plain), ADAPTER, { base: BASE, type: "F16" });
  const base = await Model.load(BASE);
  const { info } = await base.adapter(ADAPTER);
  assert.equal([info.kind, info.invocation, info.rank, info.alpha], ["alora", [3, 4], 8, 16]);
  base.dispose();
});

test.run();
