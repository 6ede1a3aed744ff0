/**
 * memoryformer: MemoryFormer (Ding et al. 2024, arXiv:2411.12992), as its published code computes it. Each
 * fully-connected layer of a block is a look-up in tables (ops/lookup.ts); q, k and v share one hash; nothing projects
 * what attention gives; RoPE turns the halves of the first dimensions of a head. RMSNorm adds ε outside the root.
 *
 *     a = RMSNorm(x)      q, k, v = Tq[a], Tk[a], Tv[a]      q, k = RoPE(q), RoPE(k)
 *     x += softmax(q kᵀ / √d) v
 *     m = RMSNorm(x)      u = LayerNorm(Tup[m])      x += Tdown[u]          codes of τ bits, in u of τ' = τ + 2
 */
import { HyperParameters, readMemory } from "./hyper_parameters";
import { Builder, Pairs, StateKind } from "../program/builder";

export function memoryformer(b: Builder): void {
  const h = readMemory(b);
  const bits = h.codeBits;
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    b.layer(l, StateKind.KEY_VALUE, h.kvHeads, h.keySize, h.valueSize);
    const a = codes(b, h, b.rmsNorm(x, "attn_norm"), bits);
    let q = b.lookUp(a, "attn_q", bits, h.heads * h.keySize);
    let k = b.lookUp(a, "attn_k", bits, h.kvHeads * h.keySize);
    const v = b.lookUp(a, "attn_v", bits, h.kvHeads * h.valueSize);
    q = b.rope(q, h.heads, 0, h.rope, Pairs.HALVES);
    k = b.rope(k, h.kvHeads, 0, h.rope, Pairs.HALVES);
    x = b.add(x, b.attention(q, k, v, h.heads, h.scale));
    const m = codes(b, h, b.rmsNorm(x, "ffn_norm"), bits);
    const u = b.layerNorm(b.lookUp(m, "ffn_up", bits, h.ffn), "ffn_mid_norm");
    x = b.add(x, b.lookUp(codes(b, h, u, h.ffnCodeBits), "ffn_down", h.ffnCodeBits, b.hidden));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}

function codes(b: Builder, h: HyperParameters, z: u32, bits: u32): u32 {
  return b.hash(z, h.chunks, bits, h.weightRule, h.temperature, h.zeroIsOne);
}
