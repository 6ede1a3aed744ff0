/**
 * What Gemma 3n and Gemma 4 share beside Gemma 3's blocks: an input of each layer's own, made of the token alone, and
 * last layers that make no keys and values, but read those of the last layer of their kind before them.
 *
 *     e = √p · E'[token], r = RMSNorm(W x / √n) head by head: p values for each layer      input_l = (r_l + e_l) / √2
 *     what the layer adds     RMSNorm(Wproj · (gelu(Wgate x) ⊙ input_l))
 *     attention               heads of Wq a, Wk a, Wv a are normed, those of v without weights; scores are q kᵀ
 */
import { projection, turned } from "./blocks";
import { HyperParameters, beginLayer, readHeads, readWidths, windowOf } from "./hyper_parameters";
import { Activation, Bias, Builder, Pairs, WIDTH_LIMIT } from "../program/builder";

/** Width of a layer's input; 0: layers have none. */
export function readInputWidth(b: Builder, otherwise: u32): u32 {
  const width = b.countOr(".embedding_length_per_layer_input", otherwise, 0, WIDTH_LIMIT);
  b.within(".embedding_length_per_layer_input times the layers", width * b.layers, 0, WIDTH_LIMIT);
  return width;
}

/**
 * The inputs of all layers, side by side. `rows` are the embeddings as the file has them: that they are multiplied with
 * √n, and what the matrix makes of them divided by it, takes itself away.
 */
export function layerInputs(b: Builder, rows: u32, width: u32): u32 {
  const own = b.scale(b.rowsOf("per_layer_token_embd", width * b.layers), <f32>sqrt<f64>(width));
  const made = b.linear(rows, "per_layer_model_proj", width * b.layers);
  return b.scale(b.add(b.rmsNorm(made, "per_layer_proj_norm", b.layers), own), <f32>sqrt<f64>(0.5));
}

/** What the input of the layer at work adds to the stream, whose rows are x. */
export function addedInput(b: Builder, x: u32, inputs: u32, width: u32): u32 {
  const gate = b.linear(x, "inp_gate", width);
  const open = b.activation(Activation.GELU, gate, b.slice(inputs, width));
  return b.rmsNorm(b.linear(open, "proj", b.hidden), "post_norm");
}

/** Layer `l` begins: the first `kept` layers keep rows, each other reads those of the last of them with its window. */
export function beginSharing(b: Builder, h: HyperParameters, l: u32, kept: u32): void {
  const window = windowOf(b, h, l);
  if (l < kept) return beginLayer(b, h, l, window);
  let source = kept - 1;
  while (source > 0 && windowOf(b, h, source) != window) source -= 1;
  if (windowOf(b, h, source) != window) {
    b.broken(
      "attention.shared_kv_layers: a layer has no layer of its kind before it whose keys it reads; convert anew",
    );
  }
  readHeads(b, h, l);
  readWidths(b, h, l);
  h.turn = window ? h.localRope : h.rope;
  b.layerOver(l, source);
}

/** Attention of layer `l`. Keys and values that layers behind the first `kept` may have are not read. */
export function sharingAttention(b: Builder, h: HyperParameters, a: u32, l: u32, kept: u32): u32 {
  const keys = h.kvHeads * h.keySize;
  const all = projection(b, h, a, "attn_q", 0, h.heads * h.keySize, Bias.OPTIONAL);
  const q = turned(b, h, b.rmsNorm(all, "attn_q_norm", h.heads), h.heads, Pairs.HALVES);
  if (l >= kept) {
    b.leaveOut("attn_k", ".weight");
    b.leaveOut("attn_k_norm", ".weight");
    b.leaveOut("attn_v", ".weight");
    return b.linear(b.attentionOver(q, h.heads, h.scale), "attn_output", b.hidden);
  }
  const made = projection(b, h, a, "attn_k", h.heads * h.keySize, keys, Bias.OPTIONAL);
  const hasValues = b.hasWeight("attn_v") || b.hasWeight("attn_qkv");
  const v = hasValues ? projection(b, h, a, "attn_v", h.heads * h.keySize + keys, keys, Bias.OPTIONAL) : made;
  const k = turned(b, h, b.rmsNorm(made, "attn_k_norm", h.kvHeads), h.kvHeads, Pairs.HALVES);
  const mixed = b.attention(q, k, b.plainRmsNorm(v, h.kvHeads), h.heads, h.scale);
  return b.linear(mixed, "attn_output", b.hidden);
}
