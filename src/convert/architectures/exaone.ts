/** exaone: EXAONE 3.0 and 3.5, whose checkpoints have the names of GPT-2, nearly. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

const NAMES = {
  token_embd: "transformer.wte",
  blk: "transformer.h",
  output_norm: "transformer.ln_f",
  attn_norm: "ln_1",
  attn_q: "attn.attention.q_proj",
  attn_k: "attn.attention.k_proj",
  attn_v: "attn.attention.v_proj",
  attn_output: "attn.attention.out_proj",
  ffn_norm: "ln_2",
  ffn_gate: "mlp.c_fc_0",
  ffn_up: "mlp.c_fc_1",
  ffn_down: "mlp.c_proj",
};

export function planExaone(given: Config, checkpoint: Checkpoint): Plan {
  const config = given.with({
    num_hidden_layers: given.get("num_layers") ?? given.get("num_hidden_layers"),
    hidden_act: given.get("activation_function"),
  });
  return planGrouped("exaone", config, checkpoint, {
    names: NAMES,
    epsilon: ["attention.layer_norm_rms_epsilon", "layer_norm_epsilon"],
    ownMetadata: ({ head }) => [["rope.dimension_count", "u32", head]],
  });
}
