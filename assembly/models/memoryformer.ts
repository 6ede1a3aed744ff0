/**
 * memoryformer: MemoryFormer (Ding et al. 2024, arXiv:2411.12992), as its published code computes it. Each
 * fully-connected layer of a block is a look-up in tables (memory.ts); q, k and v share one hash; nothing projects what
 * attention gives; RoPE turns the halves of the first dimensions of a head. RMSNorm adds ε outside the root.
 *
 *     a = RMSNorm(x)      q, k, v = Tq[a], Tk[a], Tv[a]      q, k = RoPE(q), RoPE(k)
 *     x += softmax(q kᵀ / √d) v
 *     m = RMSNorm(x)      u = LayerNorm(Tup[m])      x += Tdown[u]          codes of τ bits, in u of τ' = τ + 2
 */
import { Context } from "../pass/context";
import { Model, Slot, Want, declareLayer, layTogether } from "../engine/model";
import { addBranch, normalize, normalizeLayer, rotate } from "../ops/pass";
import { attend, keepKeyValue } from "../ops/attention";
import { declareEnds, readMemory } from "./hyper_parameters";
import { declareMemory, hash, lookUp } from "../ops/lookup";

export const MEMORYFORMER_STAGES: u32 = 13;

/** memoryformer rotates the pairs (i, i + r/2) of the first r dimensions. */
export const MEMORYFORMER_INTERLEAVED: bool = false;

/** Reads the hyper-parameters and declares the tensors. */
export function declareMemoryformer(model: Model): i32 {
  let status = readMemory(model);
  if (status == 0) status = declareEnds(model);
  for (let layer: u32 = 0; layer < model.layers && status == 0; layer++) status = declareLayers(model, layer);
  return status;
}

function declareLayers(m: Model, layer: u32): i32 {
  const width = m.hidden;
  const bits = m.codeBits;
  const downBits = m.ffnCodeBits;
  const queryWidth = m.heads * m.keySize;
  const keyWidth = m.kvHeads * m.keySize;
  const valueWidth = m.kvHeads * m.valueSize;
  let s = declareLayer(m, layer, Slot.ATTENTION_NORM, "attn_norm.weight", width, 1, Want.VECTOR);
  if (!s) s = declareMemory(m, layer, Slot.QUERY, bits, queryWidth, "attn_q.table", "attn_q.scale", "attn_q.bias");
  if (!s) s = declareMemory(m, layer, Slot.KEY, bits, keyWidth, "attn_k.table", "attn_k.scale", "attn_k.bias");
  if (!s) s = declareMemory(m, layer, Slot.VALUE, bits, valueWidth, "attn_v.table", "attn_v.scale", "attn_v.bias");
  if (!s) layTogether(m, layer, Slot.QUERY, 3);
  if (!s) s = declareLayer(m, layer, Slot.FFN_NORM, "ffn_norm.weight", width, 1, Want.VECTOR);
  if (!s) s = declareMemory(m, layer, Slot.FFN_UP, bits, m.ffn, "ffn_up.table", "ffn_up.scale", "ffn_up.bias");
  if (!s) s = declareLayer(m, layer, Slot.FFN_MID_NORM, "ffn_mid_norm.weight", m.ffn, 1, Want.VECTOR);
  if (!s) s = declareLayer(m, layer, Slot.FFN_MID_NORM_BIAS, "ffn_mid_norm.bias", m.ffn, 1, Want.VECTOR);
  if (!s) {
    s = declareMemory(m, layer, Slot.FFN_DOWN, downBits, width, "ffn_down.table", "ffn_down.scale", "ffn_down.bias");
  }
  return s;
}

/** One stage of the layer that the pass is in. */
export function stageMemoryformer(c: Context): i32 {
  const m = c.model;
  const layer = c.layer;
  switch (c.stage) {
    case 0: return normalize(c, c.hidden, m.at(layer, Slot.ATTENTION_NORM), c.normed);
    case 1: return hash(c, c.normed, m.codeBits);
    case 2: return lookUp(c, Slot.QUERY, 3);
    case 3:
      rotate(c, c.query, m.heads * m.keySize, m.heads, m.keySize, 0, MEMORYFORMER_INTERLEAVED);
      rotate(c, c.key, m.kvHeads * m.keySize, m.kvHeads, m.keySize, 0, MEMORYFORMER_INTERLEAVED);
      return keepKeyValue(c);
    case 4: return attend(c);
    case 5: return addBranch(c, c.attended);
    case 6: return normalize(c, c.hidden, m.at(layer, Slot.FFN_NORM), c.normed);
    case 7: return hash(c, c.normed, m.codeBits);
    case 8: return lookUp(c, Slot.FFN_UP, 1);
    case 9: return normalizeLayer(c, c.up, m.at(layer, Slot.FFN_MID_NORM), m.at(layer, Slot.FFN_MID_NORM_BIAS));
    case 10: return hash(c, c.up, m.ffnCodeBits);
    case 11: return lookUp(c, Slot.FFN_DOWN, 1);
    default: return addBranch(c, c.projected);
  }
}
