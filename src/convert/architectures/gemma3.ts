/** gemma3: the text part of gemma3, or a gemma3_text; two ropes, of layers with a window and of those without. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { localTheta, readRope, ropeObject } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { windowKeys } from "../windows.ts";
import { GEMMA } from "./gemma.ts";
import { FOUR_NORMS, requireScale } from "./gemma2.ts";

/** What transformers takes where a config says nothing: those of models that see say little of their text part. */
const USUAL = {
  vocab_size: 262208,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-6,
};

/** Layers of the 27B model, whose scores have another scale. */
const LARGEST = 62;
const LOCAL_THETA = 10000;

export function planGemma3(whole: Config, checkpoint: Checkpoint): Plan {
  return planGemma3As("gemma3", whole, checkpoint);
}

/** The same under another name. */
export function planGemma3As(architecture: string, whole: Config, checkpoint: Checkpoint): Plan {
  const config = whole.part("text_config", USUAL);
  config.refuse("use_bidirectional_attention");
  const plan = planGrouped(architecture, config, checkpoint, {
    ...GEMMA,
    claims: ["final_logit_softcapping", "query_pre_attn_scalar", "sliding_window"],
    names: FOUR_NORMS,
    headNorms: "head",
    rope(head) {
      const rope = readRope(config, head, { given: ropeObject(config, "full_attention"), theta: 1e6 });
      const local = localTheta(config) ?? LOCAL_THETA;
      const own: GgufEntry[] = local === LOCAL_THETA ? [] : [["rope.freq_base_swa", "f32", local]];
      return { ...rope, keys: [...rope.keys, ...own] };
    },
    ownMetadata(sizes) {
      requireScale(config, sizes, LARGEST);
      const cap = config.get("final_logit_softcapping");
      const caps: GgufEntry[] = cap
        ? [["final_logit_softcapping", "f32", config.number("final_logit_softcapping")]]
        : [];
      return [...caps, ...windowKeys(config, sizes.layers, 6)];
    },
  });
  return { ...plan, without: /^(model\.)?(vision_tower|multi_modal_projector)\./ };
}
