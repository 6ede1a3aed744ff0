/**
 * plm: PLM-1.8B (Deng et al. 2025, arXiv:2503.12167). Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, 2.1)
 * with a full-rank query, and an FFN of ReLU² without a gate. The head is tied to the embedding.
 *
 *     a = RMSNorm(x)   q = Wq a: heads of [nope | rope]   [c | k] = Wa a   c = RMSNorm(c)   RoPE on q.rope and k
 *     state: [c | k], nothing else
 *     x += Wo · MLA(q, rows)                                    scale 1/√(nope + rope)
 *     m = RMSNorm(x)      x += Wdown · relu(Wup m)²
 */
import { readDecoder, readLatent } from "./hyper_parameters";
import { Builder, Pairs, StateKind } from "../program/builder";

export function plm(b: Builder): void {
  const h = readDecoder(b);
  readLatent(b, h);
  const rank = h.rank;
  const rope = h.ropeSize;
  const nope = h.keySize - rope;
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    b.layer(l, StateKind.LATENT, 1, rank, rope);
    const a = b.rmsNorm(x, "attn_norm");
    let q = b.linear(a, "attn_q", h.heads * h.keySize);
    const ck = b.linear(a, "attn_kv_a_mqa", rank + rope);
    const c = b.rmsNorm(b.part(ck, 0, rank), "attn_kv_a_norm");
    q = b.rope(q, h.heads, nope, h.rope, Pairs.NEIGHBOURS);
    const k = b.rope(b.part(ck, rank, rope), 1, 0, h.rope, Pairs.NEIGHBOURS);
    const o = b.latentAttention(q, c, k, "attn_kv_b", h.heads, nope, h.valueSize, h.scale);
    x = b.add(x, b.linear(o, "attn_output", b.hidden));
    const m = b.rmsNorm(x, "ffn_norm");
    x = b.add(x, b.linear(b.squaredRelu(b.linear(m, "ffn_up", h.ffn)), "ffn_down", b.hidden));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
