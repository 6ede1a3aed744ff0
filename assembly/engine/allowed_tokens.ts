/**
 * The candidates that a grammar allows, as far as they can come through the sampler's filters.
 *
 *     greedy, top-k     the first, or the first k, of those allowed
 *     min-p             down to its share of the likeliest that is allowed
 *     others            all that are allowed: each of them counts
 */
import { exp } from "../kernels/float/math";
import { HAS_SAMPLERS } from "../parts";
import { Tokenizer } from "../text/tokenizer";
import { Core } from "../memory/core";
import { Constraint, isAllowed, isInTrie, marksOf } from "./constraint";
import { idAt, logitAt, makeHeap, place, takeLargest } from "./sampler";
import { Sampler } from "./sampler_options";

/** More candidates than these are tried together. */
const MANY: u32 = 2048;

/** Whether a filter looks at more than one candidate. */
export function narrows(s: Sampler): bool {
  if (s.topK != 0 || s.topP < 1 || s.minP > 0) return true;
  if (!HAS_SAMPLERS) return false;
  return s.topNSigma > 0 || s.typicalP < 1 || s.xtcProbability > 0 || s.mirostat > 0 || s.dynamicRange > 0;
}

/** Moves allowed candidates to the front and gives how many. */
export function narrowToAllowed(
  core: Core, c: Constraint, t: Tokenizer, s: Sampler, candidates: usize, count: u32,
): u32 {
  if (s.temperature == 0) return likeliest(c, t, s, candidates, count, 1, false);
  const isByMinP = s.minP > 0 && s.topP == 1 && (!HAS_SAMPLERS || s.typicalP == 1);
  const isWeighed = HAS_SAMPLERS && s.topNSigma > 0;
  if ((s.topK == 0 && !isByMinP) || isWeighed) return all(core, c, t, candidates, count);
  return likeliest(c, t, s, candidates, count, s.topK != 0 ? s.topK : count, isByMinP);
}

function all(core: Core, c: Constraint, t: Tokenizer, candidates: usize, count: u32): u32 {
  const marks = count > MANY ? marksOf(core, c, t) : 0;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const token = idAt(candidates, i);
    if (!(marks != 0 && isInTrie(t, token) ? load<u8>(marks + token) != 0 : isAllowed(c, t, token))) continue;
    store<u64>(place(candidates, kept), load<u64>(place(candidates, i)));
    kept += 1;
  }
  return kept;
}

/** The likeliest `most` that are allowed, in rising order; `byMinP`: not those that min-p drops. */
function likeliest(c: Constraint, t: Tokenizer, s: Sampler, heap: usize, count: u32, most: u32, byMinP: bool): u32 {
  makeHeap(heap, count);
  let top: f64 = 0;
  let kept: u32 = 0;
  for (let left = count; left > 0 && kept < most; ) {
    left -= 1;
    takeLargest(heap, left);
    const logit = <f64>logitAt(heap, left);
    if (byMinP && kept > 0 && exp(logit - top) < <f64>s.minP) break;
    if (!isAllowed(c, t, idAt(heap, left))) continue;
    if (kept == 0) top = logit;
    kept += 1;
    store<u64>(place(heap, count - kept), load<u64>(place(heap, left)));
  }
  memory.copy(heap, place(heap, count - kept), (<usize>kept) << 3);
  return kept;
}
