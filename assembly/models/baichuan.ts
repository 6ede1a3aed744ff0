/**
 * baichuan: Baichuan and Baichuan 2 (Yang et al. 2023, arXiv:2309.10305). The 7B models are llama; in the 13B models
 * nothing turns, and positions are distances (ALiBi: Press et al. 2021, arXiv:2108.12409).
 *
 *     a = RMSNorm(x)      x += Attention(a), 13B: Wo · softmax(q kᵀ / √d − slope · distance) v
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { commonDecoder } from "./blocks";
import { readDecoder, replaceRopeByAlibi } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

/** Layers of the 13B models: nothing else in a file tells them. */
const LARGEST: u32 = 40;

export function baichuan(b: Builder): void {
  const h = readDecoder(b);
  if (b.layers == LARGEST) replaceRopeByAlibi(b, h, 8);
  commonDecoder(b, h, Pairs.NEIGHBOURS, 0);
}
