/**
 * maincoder: Maincoder 1B (Maincode 2025). As llama, with each head of q and k normalised behind RoPE.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(RoPE(q)), RMSNorm(RoPE(k)) head by head
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { HEAD_NORMS_BEHIND, commonDecoder } from "./blocks";
import { readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function maincoder(b: Builder): void {
  commonDecoder(b, readDecoder(b), Pairs.NEIGHBOURS, HEAD_NORMS_BEHIND);
}
