/** qwen3next: qwen35 with experts, and a shared one behind a gate; checkpoints call it qwen3_next. */
import { countOf, matrix, vector } from "../decoder.ts";
import { expertKeys, gatedExperts } from "../experts.ts";
import type { Config } from "../folder.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { planDeltaHybrid } from "./qwen35.ts";

export function planQwen3next(given: Config, checkpoint: Checkpoint): Plan {
  const experts = countOf(given, "num_experts", checkpoint);
  const width = given.size("moe_intermediate_size");
  const shared = given.size("shared_expert_intermediate_size");
  // Where every layer has experts, nothing is as wide as it says.
  const config = given.with({ intermediate_size: given.get("intermediate_size") ?? width });
  return planDeltaHybrid("qwen3next", config, checkpoint, {
    claims: ["num_experts"],
    headOf: (head) => head,
    // For each head of keys there are the rows of its query, its key, its values and their gates, one behind the other.
    inputs(to, from, { hidden, keyHeads, valueHeads, head }) {
      const each = (valueHeads / keyHeads) * head;
      const stride = 2 * head + 2 * each;
      const parts = [
        { length: head, first: 0, before: 0 },
        { length: head, first: head, before: keyHeads * head },
        { length: each, first: 2 * head, before: 2 * keyHeads * head },
      ];
      const rowOf = (row: number) => {
        const { length, first, before } = parts.filter((part) => row >= part.before).at(-1)!;
        const place = row - before;
        return Math.floor(place / length) * stride + first + (place % length);
      };
      const source = `${from}in_proj_qkvz.weight`;
      const sourceShape = [keyHeads * stride, hidden];
      const values = valueHeads * head;
      const gateOf = (row: number) => Math.floor(row / each) * stride + 2 * head + each + (row % each);
      return [
        { ...matrix(`${to}attn_qkv.weight`, source, hidden, 2 * keyHeads * head + values), sourceShape, rowOf },
        { ...matrix(`${to}attn_gate.weight`, source, hidden, values), sourceShape, rowOf: gateOf },
        matrix(`${to}ssm_ba.weight`, `${from}in_proj_ba.weight`, hidden, 2 * valueHeads),
      ];
    },
    feedForward(to, from, hidden) {
      const own = `${from}mlp.shared_expert`;
      return [
        ...gatedExperts(to, from, hidden, width, experts),
        // A matrix of one row.
        { ...vector(`${to}ffn_gate_inp_shexp.weight`, `${own}_gate.weight`, hidden), sourceShape: [1, hidden] },
        matrix(`${to}ffn_gate_shexp.weight`, `${own}.gate_proj.weight`, hidden, shared),
        matrix(`${to}ffn_up_shexp.weight`, `${own}.up_proj.weight`, hidden, shared),
        matrix(`${to}ffn_down_shexp.weight`, `${own}.down_proj.weight`, shared, hidden),
      ];
    },
    own: [...expertKeys(config, experts, width, true), ["expert_shared_feed_forward_length", "u32", shared]],
  });
}
