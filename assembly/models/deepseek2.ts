/**
 * deepseek2: DeepSeek-V2 (Lite too) and V3, Moonlight, GLM-4.7-Flash, Youtu-LLM (DeepSeek-AI 2024, arXiv:2405.04434,
 * arXiv:2412.19437). Latent attention, whose query may be made of a latent too; first dense layers, then experts and
 * shared ones beside them.
 *
 *     a = RMSNorm(x)      x += Wo · MLA(q, rows)                          scale μ² / √(nope + rope)
 *     m = RMSNorm(x)      x += SwiGLU(m), or Experts(m) + SwiGLU(m)       μ = 1 + 0.1 · log multiplier · ln(factor)
 *
 * YaRN's gain stands in the scale μ², not in cosines and sines.
 */
import { denseOrExperts, readExperts } from "./experts";
import { HyperParameters, readDecoder } from "./hyper_parameters";
import { beginLatentLayer, latentAttention, readLatentHeads } from "./latent";
import { readFactor } from "./rope";
import { Builder, Gating, LAYER_LIMIT, Pairs, WIDTH_LIMIT } from "../program/builder";

/** GLM-4.7-Flash, whose first files do not say that its gates are sigmoids: it is told by its vocabulary. */
const GLM_VOCABULARY: u32 = 154880;

export function deepseek2(b: Builder): void {
  const h = readDecoder(b);
  readLatentHeads(b, h);
  scaleScores(b, h);
  const dense = b.countOr(".leading_dense_block_count", 0, 0, LAYER_LIMIT);
  const isGlm = b.vocabulary == GLM_VOCABULARY && (b.layers == 47 || b.layers == 48);
  if (dense < b.layers) readExperts(b, h, isGlm ? Gating.SIGMOID : Gating.SOFTMAX, 0);
  else leaveOutExperts(b);
  const shared = b.countOr(".expert_shared_count", 0, 0, WIDTH_LIMIT / max<u32>(h.expertWidth, 1));
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLatentLayer(b, h, l);
    x = b.add(x, latentAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS));
    x = b.add(x, denseOrExperts(b, h, b.rmsNorm(x, "ffn_norm"), l < dense, shared * h.expertWidth));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}

/** Where all layers are dense, what is said of experts changes nothing. */
function leaveOutExperts(b: Builder): void {
  b.leaveOutKey(".expert_count");
  b.leaveOutKey(".expert_used_count");
}

/** The key holds a tenth of the log multiplier. */
function scaleScores(b: Builder, h: HyperParameters): void {
  const tenth = b.float(".rope.scaling.yarn_log_multiplier", 0);
  const factor = readFactor(b);
  if (tenth == 0 || factor <= 1 || !b.says(".rope.scaling.type", "yarn")) return;
  const magnitude = b.float(".rope.scaling.attn_factor", 1);
  const gain = <f64>magnitude * (1 + <f64>tenth * b.ln(factor));
  b.ropeAt(h.rope).magnitude = magnitude;
  h.scale = <f32>(<f64>h.scale * gain * gain);
}
