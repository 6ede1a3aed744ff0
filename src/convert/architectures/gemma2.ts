/** gemma2: norms behind both halves of a layer too, windows, and caps. */
import { requireTiedHead } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { type Grouped, type GroupedDecoder, planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { windowKeys } from "../windows.ts";
import { GEMMA } from "./gemma.ts";

/** What gemma2 and gemma3 call their four norms. */
export const FOUR_NORMS: Grouped["names"] = {
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: "pre_feedforward_layernorm",
  post_ffw_norm: "post_feedforward_layernorm",
};

/** Layers of the 27B model, whose scores have another scale. */
const LARGEST = 46;

export function planGemma2(config: Config, checkpoint: Checkpoint): Plan {
  requireTiedHead(config);
  // Without a key the cap is the usual one. Null is none, and llama.cpp would divide by it.
  const cap = (key: string, usual: number) => {
    if (config.isNull(key)) throw config.wrong(`${key} is null: such a model has a cap`, "UNSUPPORTED");
    return config.number(key, usual);
  };
  return planGrouped("gemma2", config, checkpoint, {
    ...GEMMA,
    claims: ["attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "sliding_window"],
    names: FOUR_NORMS,
    ownMetadata(sizes) {
      requireScale(config, sizes, LARGEST);
      return [
        ["attn_logit_softcapping", "f32", cap("attn_logit_softcapping", 50)],
        ["final_logit_softcapping", "f32", cap("final_logit_softcapping", 30)],
        ...windowKeys(config, sizes.layers, 2),
      ];
    },
  });
}

/** Refuses a scale of scores that no file says: it is 1/√head, but of a model of `largest` layers √(heads / hidden). */
export function requireScale(config: Config, sizes: GroupedDecoder, largest: number): void {
  const { layers, hidden, heads, head } = sizes;
  const usual = layers === largest ? hidden / heads : head;
  if (config.number("query_pre_attn_scalar", 256) === usual) return;
  throw config.wrong(`query_pre_attn_scalar is ${config.get("query_pre_attn_scalar")}, not ${usual}`, "UNSUPPORTED");
}
