/** hunyuan-moe: Hunyuan-A13B's checkpoints, whose `model_type` is hunyuan_v1_moe. */
import { expertMatrix, matrix, router } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { readRope, ropeObject, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planHunyuanMoe(config: Config, checkpoint: Checkpoint): Plan {
  const experts = same(config, "num_experts");
  const used = same(config, "moe_topk");
  return planGrouped("hunyuan-moe", config, checkpoint, {
    claims: ["use_qk_norm", "num_experts"],
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
    feedForward({ hidden, ffn }, to, from) {
      const parts = [
        ["gate", hidden, ffn],
        ["up", hidden, ffn],
        ["down", ffn, hidden],
      ] as const;
      return [
        router(`${to}ffn_gate_inp.weight`, `${from}mlp.gate.wg.weight`, hidden, experts),
        ...parts.flatMap(([name, columns, rows]) => [
          expertMatrix(
            `${to}ffn_${name}_exps.weight`,
            `${from}mlp.experts.#.${name}_proj.weight`,
            columns,
            rows,
            experts,
          ),
          matrix(`${to}ffn_${name}_shexp.weight`, `${from}mlp.shared_mlp.${name}_proj.weight`, columns, rows),
        ]),
      ];
    },
    ownMetadata: ({ ffn }) => [
      ["expert_count", "u32", experts],
      ["expert_used_count", "u32", used],
      ["expert_feed_forward_length", "u32", ffn],
      ["expert_shared_feed_forward_length", "u32", ffn],
    ],
  });
}

/** A number that a config may have for each layer: a model of which they differ is refused. */
function same(config: Config, key: string): number {
  const given = config.get(key);
  if (!Array.isArray(given)) return config.size(key);
  const [first, ...rest] = given as unknown[];
  if (rest.some((value) => value !== first)) throw config.wrong(`${key} differs from layer to layer`, "UNSUPPORTED");
  return config.with({ [key]: first }).size(key);
}
