/**
 * What files of decoders may say wrongly of experts, windows, scalings and numbers by layer: each is refused by the name
 * of the key or tensor, and never a trap.
 */
import { test } from "uvu";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { type Change, type File, key, tensor } from "./support/changes.ts";
import { Code, Engine, refuses } from "./support/engine.ts";

const { BAD_FILE, UNSUPPORTED } = Code;
const both =
  (...changes: Change[]): Change =>
  (file: File) => {
    for (const change of changes) change(file);
  };
const scaling = (name: string, value: string | number, type: "string" | "f32" = "f32") =>
  key(`llama.rope.scaling.${name}`, value, type);
const list = (name: string, values: readonly number[]) => key(name, values, "i32[]");

const CASES: readonly (readonly [kind: string, what: string, change: Change, code: number, words: RegExp])[] = [
  ["qwen3moe-tiny", "more experts used than there are", key("qwen3moe.expert_used_count", 9), BAD_FILE, /expert_used/],
  ["qwen3moe-tiny", "no experts used", key("qwen3moe.expert_used_count", 0), BAD_FILE, /expert_used_count/],
  ["qwen3moe-tiny", "no experts", key("qwen3moe.expert_count", 0), BAD_FILE, /expert_count/],
  ["qwen3moe-tiny", "experts of another width", key("qwen3moe.expert_feed_forward_length", 64), BAD_FILE, /_exps/],
  ["qwen3moe-tiny", "experts missing", tensor("blk.1.ffn_up_exps.weight"), BAD_FILE, /blk\.1\.ffn_up_exps/],
  ["qwen3moe-tiny", "another gating", key("qwen3moe.expert_gating_func", 9), BAD_FILE, /expert_gating_func/],
  ["qwen2moe-tiny", "a bias missing", tensor("blk.0.attn_q.bias"), BAD_FILE, /blk\.0\.attn_q\.bias/],
  ["gemma3-tiny", "a window without end", key("gemma3.attention.sliding_window", 2 ** 31), BAD_FILE, /sliding_window/],
  [
    "gemma3-tiny",
    "a window in words",
    key("gemma3.attention.sliding_window", "6", "string"),
    BAD_FILE,
    /sliding_window/,
  ],
  [
    "gemma3-tiny",
    "a pattern for fewer layers",
    list("gemma3.attention.sliding_window_pattern", [1, 1, 0]),
    BAD_FILE,
    /sliding_window_pattern is a list of 3/,
  ],
  ["llama4-tiny", "two experts a token", key("llama4.expert_used_count", 2), UNSUPPORTED, /expert_used_count above 1/],
  ["llama4-tiny", "no step", key("llama4.interleave_moe_layer_step", 0), BAD_FILE, /interleave_moe_layer_step/],
  ["olmo-tiny", "a clamp below 0", key("olmo.attention.clamp_kqv", -1, "f32"), BAD_FILE, /clamp_kqv/],
  ["bloom-tiny", "a norm's bias missing", tensor("token_embd_norm.bias"), BAD_FILE, /token_embd_norm\.bias/],
  ["falcon-tiny", "RoPE of odd size", key("falcon.rope.dimension_count", 5), BAD_FILE, /rope\.dimension_count/],
  ["qwen-tiny", "a width of 1", key("qwen.feed_forward_length", 1), BAD_FILE, /ffn_gate/],
  [
    "bailingmoe2-tiny",
    "groups that do not divide",
    key("bailingmoe2.expert_group_count", 3),
    BAD_FILE,
    /expert_group_count/,
  ],
  ["afmoe-tiny", "a gate missing", tensor("blk.1.attn_gate.weight"), BAD_FILE, /blk\.1\.attn_gate/],
  ["cohere2moe-tiny", "no window", key("cohere2moe.attention.sliding_window", 0), BAD_FILE, /sliding_window/],
  ["gemma3-tiny", "a base of 0", key("gemma3.rope.freq_base_swa", 0, "f32"), BAD_FILE, /freq_base/],
  [
    "llama-tiny",
    "heads for fewer layers",
    list("llama.attention.head_count", [8, 8]),
    BAD_FILE,
    /head_count is a list/,
  ],
  ["llama-tiny", "a layer of no heads", list("llama.attention.head_count", [8, 0, 8, 8]), BAD_FILE, /head_count/],
  ["llama-tiny", "a width of none", list("llama.feed_forward_length", [512, 512, 0, 512]), BAD_FILE, /feed_forward/],
  ["llama-tiny", "another scaling", scaling("type", "su", "string"), UNSUPPORTED, /rope\.scaling\.type/],
  ["llama-tiny", "YaRN without its factor", scaling("type", "yarn", "string"), BAD_FILE, /rope\.scaling\.factor/],
  ["llama-tiny", "a factor below 0", scaling("factor", -2), BAD_FILE, /rope\.scaling\.factor/],
  ["llama-tiny", "a factor that is no number", scaling("factor", Number.NaN), BAD_FILE, /rope\.scaling\.factor/],
  [
    "llama-odd",
    "lists of factors that are not there",
    scaling("type", "longrope", "string"),
    BAD_FILE,
    /rope_factors_short/,
  ],
  [
    "llama-tiny",
    "YaRN from no context",
    both(scaling("type", "yarn", "string"), scaling("factor", 4), key("llama.rope.scaling.original_context_length", 0)),
    BAD_FILE,
    /original_context_length/,
  ],
];

for (const build of ["portable", "scalar"] as const) {
  const engine = new Engine(build);
  for (const [kind, what, change, code, words] of CASES) {
    test(`${build}, ${kind}: ${what}`, () => {
      const file = makeModel(kind, "F32");
      change(file);
      refuses(() => engine.load(encodeGguf(file)), code, words);
    });
  }
}

test.run();
