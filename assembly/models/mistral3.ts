/**
 * mistral3: Ministral 3 (Mistral AI 2026, arXiv:2601.08584). As llama, with YaRN whose β the file says, and queries
 * that grow with their position: q · (1 + β · ln(⌊p / original⌋ + 1)), where `original` is the length before YaRN.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { commonDecoder } from "./blocks";
import { readDecoder } from "./hyper_parameters";
import { readOriginal, refineYarn } from "./rope";
import { Builder, Pairs } from "../program/builder";

export function mistral3(b: Builder): void {
  const h = readDecoder(b);
  refineYarn(b, h.rope);
  h.growth = b.float(".attention.temperature_scale", 0);
  h.growthLength = readOriginal(b);
  commonDecoder(b, h, Pairs.NEIGHBOURS, 0);
}
