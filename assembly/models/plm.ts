/**
 * plm: PLM-1.8B (Deng et al. 2025, arXiv:2503.12167). Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, 2.1)
 * with a full-rank query, and an FFN of ReLU² without a gate. The head is tied to the embedding.
 *
 *     a = RMSNorm(x)   q = Wq a: heads of [nope | rope]   [c | k] = Wa a   c = RMSNorm(c)   RoPE on q.rope and k
 *     cache row: [c | k], nothing else
 *     x += Wo · MLA(q, rows)                                    scale 1/√(nope + rope)
 *     m = RMSNorm(x)      x += Wdown · relu(Wup m)²
 */
import { Context } from "../pass/context";
import { Model, Slot, Want, declareLayer } from "../engine/model";
import { multiply, multiplyAdd, normalize, rotate, squareRelu } from "../ops/pass";
import { absorbQuery, attendLatent, expandValues, keepLatent, normalizeLatent } from "../ops/latent";
import { declareEnds, readDecoder, readLatent } from "./hyper_parameters";

export const PLM_STAGES: u32 = 12;

/** plm rotates the pairs (2i, 2i+1) of the rope dimensions. */
export const PLM_INTERLEAVED: bool = true;

/** Reads the hyper-parameters and declares the tensors. */
export function declarePlm(model: Model): i32 {
  let status = readDecoder(model);
  if (status == 0) status = readLatent(model);
  if (status == 0) status = declareEnds(model);
  for (let layer: u32 = 0; layer < model.layers && status == 0; layer++) status = declareLayers(model, layer);
  return status;
}

function declareLayers(m: Model, layer: u32): i32 {
  const width = m.hidden;
  const nope = m.keySize - m.ropeSize;
  let s = declareLayer(m, layer, Slot.ATTENTION_NORM, "attn_norm.weight", width, 1, Want.VECTOR);
  if (!s) s = declareLayer(m, layer, Slot.QUERY, "attn_q.weight", width, m.heads * m.keySize, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.LATENT_DOWN, "attn_kv_a_mqa.weight", width, m.rank + m.ropeSize, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.LATENT_NORM, "attn_kv_a_norm.weight", m.rank, 1, Want.VECTOR);
  if (!s) {
    s = declareLayer(m, layer, Slot.LATENT_UP, "attn_kv_b.weight", m.rank, m.heads * (nope + m.valueSize), Want.MATRIX);
  }
  if (!s) {
    s = declareLayer(m, layer, Slot.ATTENTION_OUTPUT, "attn_output.weight", m.heads * m.valueSize, width, Want.MATRIX);
  }
  if (!s) s = declareLayer(m, layer, Slot.FFN_NORM, "ffn_norm.weight", width, 1, Want.VECTOR);
  if (!s) s = declareLayer(m, layer, Slot.FFN_UP, "ffn_up.weight", width, m.ffn, Want.MATRIX);
  if (!s) s = declareLayer(m, layer, Slot.FFN_DOWN, "ffn_down.weight", m.ffn, width, Want.SPARSE);
  return s;
}

/** One stage of the layer that the pass is in. */
export function stagePlm(c: Context): i32 {
  const m = c.model;
  const layer = c.layer;
  switch (c.stage) {
    case 0: return normalize(c, c.hidden, m.at(layer, Slot.ATTENTION_NORM), c.normed);
    case 1: return multiply(c, m.at(layer, Slot.QUERY), c.normed, c.query);
    case 2: return multiply(c, m.at(layer, Slot.LATENT_DOWN), c.normed, c.key);
    case 3:
      normalizeLatent(c, m.at(layer, Slot.LATENT_NORM));
      rotate(c, c.query, m.heads * m.keySize, m.heads, m.keySize, m.keySize - m.ropeSize, PLM_INTERLEAVED);
      rotate(c, c.key, m.rank + m.ropeSize, 1, m.rank + m.ropeSize, m.rank, PLM_INTERLEAVED);
      return keepLatent(c);
    case 4: return absorbQuery(c, m.at(layer, Slot.LATENT_UP));
    case 5: return attendLatent(c, m.at(layer, Slot.LATENT_UP));
    case 6: return expandValues(c, m.at(layer, Slot.LATENT_UP));
    case 7: return multiplyAdd(c, m.at(layer, Slot.ATTENTION_OUTPUT), c.attended);
    case 8: return normalize(c, c.hidden, m.at(layer, Slot.FFN_NORM), c.normed);
    case 9: return multiply(c, m.at(layer, Slot.FFN_UP), c.normed, c.up);
    case 10: return squareRelu(c);
    default: return multiplyAdd(c, m.at(layer, Slot.FFN_DOWN), c.up);
  }
}
