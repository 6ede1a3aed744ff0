/** hunyuan-dense: checkpoints of Hunyuan, whose `model_type` is hunyuan_v1_dense. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { readRope, ropeObject, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planHunyuanDense(config: Config, checkpoint: Checkpoint): Plan {
  if (config.get("use_qk_norm") === false) {
    throw config.wrong("use_qk_norm is false: such a model has norms of queries and keys", "UNSUPPORTED");
  }
  return planGrouped("hunyuan-dense", config, checkpoint, {
    claims: ["use_qk_norm"],
    headNorms: "head",
    names: { attn_q_norm: "self_attn.query_layernorm", attn_k_norm: "self_attn.key_layernorm" },
    rope(head) {
      const given = ropeObject(config);
      const alpha = given["alpha"];
      if (typeof alpha !== "number" || !(alpha > 0)) return readRope(config, head);
      // The file has the base that comes out of it.
      const theta = ropeTheta(config, given) * alpha ** (head / (head - 2));
      return readRope(config, head, { given: { ...given, rope_theta: theta }, claims: ["alpha"] });
    },
  });
}
