/**
 * qwen3: Qwen3 dense models (Yang et al. 2025, arXiv:2505.09388). As qwen2 without biases; each head of q and k is
 * normalised before RoPE, and the size of a head is its own number.
 *
 *     a = RMSNorm(x)      q, k, v = Wq a, Wk a, Wv a      q, k = RoPE(RMSNorm(q)), RoPE(RMSNorm(k)), head by head
 *     x += Wo · softmax(q kᵀ / √d) v
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { Context } from "../pass/context";
import { Model, Slot, Want, declareLayer } from "../engine/model";
import { gateSilu, multiplyAdd, multiplyBeside, normalize, normalizeHeads, rotate } from "../ops/pass";
import { attend, keepKeyValue } from "../ops/attention";
import { declareEnds, readDecoder } from "./hyper_parameters";

export const QWEN3_STAGES: u32 = 9;

/** qwen3 rotates the pairs (i, i + d/2). */
export const QWEN3_INTERLEAVED: bool = false;

/** Reads the hyper-parameters and declares the tensors. */
export function declareQwen3(model: Model): i32 {
  let status = readDecoder(model);
  if (status == 0) status = declareEnds(model);
  for (let layer: u32 = 0; layer < model.layers && status == 0; layer++) status = declareLayers(model, layer);
  return status;
}

function declareLayers(m: Model, layer: u32): i32 {
  const width = m.hidden;
  const queryWidth = m.heads * m.keySize;
  const keyWidth = m.kvHeads * m.keySize;
  const valueWidth = m.kvHeads * m.valueSize;
  let s = declareLayer(m, layer, Slot.ATTENTION_NORM, "attn_norm.weight", width, 1, Want.VECTOR);
  if (!s) s = declareLayer(m, layer, Slot.QUERY, "attn_q.weight", width, queryWidth, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.KEY, "attn_k.weight", width, keyWidth, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.VALUE, "attn_v.weight", width, valueWidth, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.QUERY_NORM, "attn_q_norm.weight", m.keySize, 1, Want.VECTOR);
  if (!s) s = declareLayer(m, layer, Slot.KEY_NORM, "attn_k_norm.weight", m.keySize, 1, Want.VECTOR);
  if (!s) {
    s = declareLayer(m, layer, Slot.ATTENTION_OUTPUT, "attn_output.weight", m.heads * m.valueSize, width, Want.MATRIX);
  }
  if (!s) s = declareLayer(m, layer, Slot.FFN_NORM, "ffn_norm.weight", width, 1, Want.VECTOR);
  if (!s) s = declareLayer(m, layer, Slot.FFN_GATE, "ffn_gate.weight", width, m.ffn, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.FFN_UP, "ffn_up.weight", width, m.ffn, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.FFN_DOWN, "ffn_down.weight", m.ffn, width, Want.MATRIX);
  return s;
}

/** One stage of the layer that the pass is in. */
export function stageQwen3(c: Context): i32 {
  const m = c.model;
  const layer = c.layer;
  switch (c.stage) {
    case 0: return normalize(c, c.hidden, m.at(layer, Slot.ATTENTION_NORM), c.normed);
    case 1: return multiplyBeside(c, Slot.QUERY, 3, c.normed);
    case 2:
      normalizeHeads(c, c.query, m.at(layer, Slot.QUERY_NORM), m.heads);
      normalizeHeads(c, c.key, m.at(layer, Slot.KEY_NORM), m.kvHeads);
      rotate(c, c.query, m.heads * m.keySize, m.heads, m.keySize, 0, QWEN3_INTERLEAVED);
      rotate(c, c.key, m.kvHeads * m.keySize, m.kvHeads, m.keySize, 0, QWEN3_INTERLEAVED);
      return keepKeyValue(c);
    case 3: return attend(c);
    case 4: return multiplyAdd(c, m.at(layer, Slot.ATTENTION_OUTPUT), c.attended);
    case 5: return normalize(c, c.hidden, m.at(layer, Slot.FFN_NORM), c.normed);
    case 6: return multiplyBeside(c, Slot.FFN_GATE, 2, c.normed);
    case 7: return gateSilu(c, m.at(layer, Slot.FFN_DOWN));
    default: return multiplyAdd(c, m.at(layer, Slot.FFN_DOWN), c.gate);
  }
}
