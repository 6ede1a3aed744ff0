/**
 * hunyuan-dense: Hunyuan 0.5B to 7B (Tencent 2025). As llama, with RoPE on the halves of a head, and each head of q and
 * k normalised behind it.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(RoPE(q)), RMSNorm(RoPE(k)) head by head
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { HEAD_NORMS_BEHIND, commonDecoder } from "./blocks";
import { readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function hunyuanDense(b: Builder): void {
  commonDecoder(b, readDecoder(b), Pairs.HALVES, HEAD_NORMS_BEHIND);
}
