/**
 * How exact the operands of each matrix are (kernels/quant/activations/precision.ts). In the portable build: sixteen
 * bits, and twice sixteen for the up-projection of latents, where the two forms of latent attention meet: as exact as
 * f32, they agree. The rest of this page is about the fast build.
 *
 * docs/benchmarks.md has the KL to the oracle of each choice, place by place; bench/precision.mjs measures it. A byte a
 * value alone is too coarse for a trained model: its outliers make the steps of their whole block coarse. With a second
 * byte for those blocks the KL falls to a quarter and the speed stays.
 */
import { ActivationPrecision, precisionFor } from "../kernels/quant/activations/precision";

/** The form of a matrix's operands. */
export function precisionOfMatrix(type: u32): u32 {
  return precisionFor(type, ActivationPrecision.OUTLIERS);
}

/** The form for the up-projection of latents: they have more, because every later token reads them. */
export function precisionOfLatents(type: u32): u32 {
  return precisionFor(type, ActivationPrecision.TWO_SIXTEENS);
}

/**
 * The form for what a recurrent state keeps, where bytes are too coarse: the state carries their rounding on to all
 * later tokens. The KL of the mean token of mamba-tiny and of qwen35-tiny, in Q4_K: 2.0e-3 and 1.4e-3 with one byte,
 * 8.5e-4 and 7.4e-4 with two.
 */
export function precisionOfState(type: u32): u32 {
  return precisionFor(type, ActivationPrecision.TWO_BYTES);
}
