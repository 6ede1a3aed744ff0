/**
 * modern-bert: ModernBERT (Warner et al. 2024, arXiv:2412.13663), GTE-ModernBERT, Granite Embedding R2, Ettin. Norms
 * stand before the branches and have no biases; of three layers the first sees all, and two see 64 tokens to either
 * side and turn by another base.
 *
 *     x = LayerNorm(token)      x += Attention(LayerNorm(x)), in the first layer Attention(x)
 *                               x += Wdown · (gelu(Wgate m) ⊙ Wup m), m = LayerNorm(x)
 */
import { beginEncoder, beginNormed, fusedFeedForward, readEncoder, textAttention, textVectors } from "./encoders";
import { readLocalRope, readWindows } from "./hyper_parameters";
import { Activation, Bias, Builder, Pooling } from "../program/builder";

export function modernBert(b: Builder): void {
  const h = readEncoder(b);
  readWindows(b, h, 3, 128);
  readLocalRope(b, h, 10000);
  const activation = b.choice(".hidden_activation", "gelu", "silu") ? Activation.SILU : Activation.GELU_ERF;
  let x = beginNormed(b, b.rowsOf("token_embd", b.hidden));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    const isLocal = h.pattern == 0 ? b.flagIn(".attention.sliding_window_pattern", l, false) : l % h.pattern != 0;
    h.turn = isLocal ? h.localRope : h.rope;
    const a = b.hasWeight("attn_norm") ? b.layerNorm(x, "attn_norm", Bias.OPTIONAL) : x;
    x = b.add(x, textAttention(b, h, a, isLocal ? h.window >> 1 : 0));
    x = b.add(x, fusedFeedForward(b, h, b.layerNorm(x, "ffn_norm", Bias.OPTIONAL), activation));
  }
  b.output();
  textVectors(b, b.layerNorm(x, "output_norm", Bias.OPTIONAL), Pooling.CLS, Pooling.MEAN, Activation.GELU_ERF);
}
