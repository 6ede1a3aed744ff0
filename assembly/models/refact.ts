/**
 * refact: Refact 1.6B (Refact.ai 2023). As llama, with distances for positions (ALiBi: Press et al. 2021,
 * arXiv:2108.12409).
 *
 *     a = RMSNorm(x)      x += Wo · softmax(q kᵀ / √d − slope · distance) v
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { commonDecoder } from "./blocks";
import { readDecoder, replaceRopeByAlibi } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function refact(b: Builder): void {
  const h = readDecoder(b);
  replaceRopeByAlibi(b, h, 8);
  commonDecoder(b, h, Pairs.NEIGHBOURS, 0);
}
