/**
 * mamba: Mamba 130M to 2.8B (Gu and Dao 2023, arXiv:2312.00752), Falcon-Mamba 7B (arXiv:2410.05355), which norms Δ, B
 * and C without weights: no attention, no feed-forward network, no positions.
 *
 *     x += Mamba(RMSNorm(x))
 */
import { readStream } from "./hyper_parameters";
import { PLAIN_NORMS, mambaMixer, readStateSpace } from "./recurrent";
import { Builder, StateKind } from "../program/builder";

export function mamba(b: Builder): void {
  b.need(".attention.layer_norm_rms_epsilon");
  const h = readStream(b);
  readStateSpace(b, h);
  const flags = b.flag(".ssm.dt_b_c_rms", false) ? PLAIN_NORMS : 0;
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    b.layer(l, StateKind.RECURRENT);
    x = b.add(x, mambaMixer(b, h, b.rmsNorm(x, "attn_norm"), flags));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
