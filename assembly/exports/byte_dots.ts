/** How the fast build sums products with bytes, as exports: of the builds that have a fast one beside them. */
import { ByteDots, hasQuads } from "../kernels/quant/byte_dots";
import { Core } from "../memory/core";

/** How the fast build sums products with bytes, of models that are loaded from now on: what suits this processor. */
export function core_byte_dots(core: Core): u32 {
  return core.byteDots;
}

/** Another way of it, where the host has it: the bits are the same. */
export function core_set_byte_dots(core: Core, how: u32): void {
  if (ASC_FEATURE_RELAXED_SIMD) core.byteDots = how == ByteDots.QUADS && hasQuads() ? how : ByteDots.PAIRS;
}
