/**
 * How exact the operands of each matrix are in the fast build: a byte a value, or two halves (kernels/quant/forms.ts). In
 * the portable build every operand has sixteen bits.
 *
 * docs/benchmarks.md has the KL to the oracle of each place at eight bits alone (bench/precision.mjs measures it): what
 * costs most is kept in halves.
 *
 * May call: kernels/quant/forms.ts. Is called by: model.ts, when a weight is declared.
 */
import { OperandForm, formFor } from "../kernels/quant/forms";
import { Slot } from "./slots";

/** The form of the operands of a layer's matrix. */
export function formOfSlot(slot: u32, type: u32): u32 {
  switch (slot) {
    case Slot.ATTENTION_OUTPUT:
    case Slot.LATENT_UP:
    case Slot.FFN_DOWN: return formFor(type, OperandForm.HALVES);
    default: return formFor(type, OperandForm.EIGHT);
  }
}

/** … of the head. */
export function formOfHead(type: u32): u32 {
  return formFor(type, OperandForm.EIGHT);
}
