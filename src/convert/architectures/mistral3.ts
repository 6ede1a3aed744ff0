/** mistral3: a ministral3, or the text part of a mistral3 that sees. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { readRope, ropeObject } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { llamaKeys } from "./llama.ts";

/** What it says of its YaRN, and what a file calls that. */
const YARN = [
  ["beta_fast", "rope.scaling.yarn_beta_fast"],
  ["beta_slow", "rope.scaling.yarn_beta_slow"],
  ["mscale_all_dim", "rope.scaling.yarn_log_multiplier"],
  ["llama_4_scaling_beta", "attention.temperature_scale"],
] as const;

export function planMistral3(whole: Config, checkpoint: Checkpoint): Plan {
  const config = whole.part("text_config");
  const plan = planGrouped("mistral3", config, checkpoint, {
    paired: true,
    rope(head) {
      const { mscale, ...given } = ropeObject(config);
      if (mscale !== undefined && mscale !== 1) throw config.wrong(`mscale is ${mscale}, not 1`, "UNSUPPORTED");
      const claims = YARN.map(([key]) => key);
      const rope = readRope(config, head, { given, claims });
      const own = YARN.flatMap(([key, name]): GgufEntry[] => {
        const value = given[key];
        return typeof value === "number" ? [[name, "f32", value]] : [];
      });
      return { ...rope, keys: [...rope.keys, ...own] };
    },
    ownMetadata: llamaKeys,
  });
  return { ...plan, without: /^(model\.)?(vision_tower|multi_modal_projector)\./ };
}
