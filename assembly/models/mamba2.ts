/**
 * mamba2: Mamba-2 130M to 2.7B, Mamba-Codestral 7B (Dao and Gu 2024, arXiv:2405.21060): no attention, no feed-forward
 * network, no positions.
 *
 *     x += Mamba-2(RMSNorm(x))
 */
import { readStream } from "./hyper_parameters";
import { dualMixer, readDualHeads } from "./recurrent";
import { Builder, StateKind } from "../program/builder";

export function mamba2(b: Builder): void {
  b.need(".attention.layer_norm_rms_epsilon");
  const h = readStream(b);
  readDualHeads(b, h);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    b.layer(l, StateKind.RECURRENT);
    x = b.add(x, dualMixer(b, h, b.rmsNorm(x, "attn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
