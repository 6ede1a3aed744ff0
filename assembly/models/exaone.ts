/**
 * exaone: EXAONE 3.0 and 3.5 (LG AI Research 2024, arXiv:2408.03541, arXiv:2412.04862). As llama, with RoPE on the
 * halves of a head, its angles divided by Llama 3's factors.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { commonDecoder } from "./blocks";
import { readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function exaone(b: Builder): void {
  commonDecoder(b, readDecoder(b), Pairs.HALVES, 0);
}
