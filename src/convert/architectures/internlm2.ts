/** internlm2: queries, keys and values lie in one matrix, group by group, and are turned by pairs in the file. */
import { matrix } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { type GroupedDecoder, planGrouped } from "../grouped.ts";
import { type Plan, type PlannedTensor, pairedRows, partOfRows } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

const NAMES = {
  token_embd: "model.tok_embeddings",
  output: "output",
  attn_norm: "attention_norm",
  attn_output: "attention.wo",
  ffn_norm: "ffn_norm",
  ffn_gate: "feed_forward.w1",
  ffn_down: "feed_forward.w2",
  ffn_up: "feed_forward.w3",
};

export function planInternlm2(config: Config, checkpoint: Checkpoint): Plan {
  if (config.get("bias")) throw config.wrong("bias: limpet converts no internlm2 with biases", "UNSUPPORTED");
  return planGrouped("internlm2", config, checkpoint, { names: NAMES, projections });
}

/** A group is the heads of queries that share a key, that key, and its value. */
function projections({ hidden, heads, kvHeads, head }: GroupedDecoder, to: string, from: string): PlannedTensor[] {
  const queries = (heads / kvHeads) * head;
  const stride = queries + 2 * head;
  const paired = pairedRows(head);
  const part = (name: string, first: number, length: number, turns: boolean): PlannedTensor => {
    const rowOf = partOfRows(first, length, stride);
    return {
      ...matrix(`${to}${name}.weight`, `${from}attention.wqkv.weight`, hidden, kvHeads * length),
      sourceShape: [kvHeads * stride, hidden],
      rowOf: turns ? (row) => rowOf(paired(row)) : rowOf,
    };
  };
  return [
    part("attn_q", 0, queries, true),
    part("attn_k", queries, head, true),
    part("attn_v", queries + head, head, false),
  ];
}
