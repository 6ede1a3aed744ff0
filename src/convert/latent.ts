/** Latent attention (MLA): what a config says of it, and its tensors. */
import { matrix, vector } from "./decoder.ts";
import type { Config } from "./folder.ts";
import { type PlannedTensor, partOfRows } from "./plan.ts";

/** Sizes of such attention: of what a head has that turns not and that turns, of its value, of the latents. */
export interface LatentSizes {
  readonly hidden: number;
  readonly heads: number;
  readonly nope: number;
  readonly rope: number;
  readonly value: number;
  readonly rank: number;
  /** Of the latent that queries are made of; 0: they are made of the input. */
  readonly queryRank: number;
}

export function readLatent(config: Config, { hidden, heads }: { hidden: number; heads: number }): LatentSizes {
  return {
    hidden,
    heads,
    nope: config.size("qk_nope_head_dim"),
    rope: config.size("qk_rope_head_dim"),
    value: config.size("v_head_dim"),
    rank: config.size("kv_lora_rank"),
    queryRank: config.get("q_lora_rank") ? config.size("q_lora_rank") : 0,
  };
}

/**
 * The tensors of a layer, its norm before among them. `split`: what makes keys and what makes values of a latent are two
 * tensors of a matrix a head, the first of them turned round (deepseek2).
 */
export function latentTensors(sizes: LatentSizes, to: string, from: string, split = false): PlannedTensor[] {
  const { hidden, heads, nope, rope, value, rank, queryRank } = sizes;
  const attention = `${from}self_attn.`;
  const queries = heads * (nope + rope);
  const both = { sourceShape: [heads * (nope + value), rank] };
  const source = `${attention}kv_b_proj.weight`;
  const up = split
    ? [
        {
          ...{ ...matrix(`${to}attn_k_b.weight`, source, nope, rank), ...both },
          ...{ shape: [nope, rank, heads], transposed: true, matrices: heads },
        },
        {
          ...{ ...matrix(`${to}attn_v_b.weight`, source, rank, value), ...both },
          ...{ shape: [rank, value, heads], rowOf: partOfRows(nope, value, nope + value) },
        },
      ]
    : [matrix(`${to}attn_kv_b.weight`, source, rank, heads * (nope + value))];
  return [
    vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
    ...(queryRank
      ? [
          matrix(`${to}attn_q_a.weight`, `${attention}q_a_proj.weight`, hidden, queryRank),
          vector(`${to}attn_q_a_norm.weight`, `${attention}q_a_layernorm.weight`, queryRank),
          matrix(`${to}attn_q_b.weight`, `${attention}q_b_proj.weight`, queryRank, queries),
        ]
      : [matrix(`${to}attn_q.weight`, `${attention}q_proj.weight`, hidden, queries)]),
    matrix(`${to}attn_kv_a_mqa.weight`, `${attention}kv_a_proj_with_mqa.weight`, hidden, rank + rope),
    vector(`${to}attn_kv_a_norm.weight`, `${attention}kv_a_layernorm.weight`, rank),
    ...up,
    matrix(`${to}attn_output.weight`, `${attention}o_proj.weight`, heads * value, hidden),
  ];
}
