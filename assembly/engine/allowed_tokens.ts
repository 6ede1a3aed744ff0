/**
 * The candidates that a grammar allows, as far as they can come through the sampler's filters.
 *
 *     greedy, top-k     the first, or the first k, of those allowed
 *     min-p             down to its share of the likeliest that is allowed
 *     top-p             until it is certain where the probability is reached: what was not tried may be allowed or not,
 *                       and both must end the range at the same candidate
 *     others            all that are allowed: each of them counts
 */
import { exp } from "../kernels/float/math";
import { HAS_SAMPLERS } from "../parts";
import { Tokenizer } from "../text/tokenizer";
import { Constraint, isAllowed } from "./constrained";
import { idAt, logitAt, makeHeap, place, takeLargest } from "./sampler";
import { Sampler } from "./sampler_options";

/** Whether a filter looks at more than one candidate. */
export function narrows(s: Sampler): bool {
  if (s.topK != 0 || s.topP < 1 || s.minP > 0) return true;
  if (!HAS_SAMPLERS) return false;
  return s.topNSigma > 0 || s.typicalP < 1 || s.xtcProbability > 0 || s.mirostat > 0 || s.dynamicRange > 0;
}

/** Moves allowed candidates to the front and gives how many; where top-p has had its say, it is turned off. */
export function narrowToAllowed(c: Constraint, t: Tokenizer, s: Sampler, candidates: usize, count: u32): u32 {
  if (s.temperature == 0) return likeliest(c, t, s, candidates, count, 1, false, false);
  const isWeighed = HAS_SAMPLERS && (s.topNSigma > 0 || (s.typicalP < 1 && s.topK == 0));
  if (isWeighed) return all(c, t, candidates, count);
  if (s.topK != 0) {
    const others = s.topP < 1 || (HAS_SAMPLERS && s.typicalP < 1);
    return likeliest(c, t, s, candidates, count, s.topK, false, s.minP > 0 && !others);
  }
  if (s.topP < 1) return likeliest(c, t, s, candidates, count, count, true, false);
  return s.minP > 0 ? likeliest(c, t, s, candidates, count, count, false, true) : all(c, t, candidates, count);
}

function all(c: Constraint, t: Tokenizer, candidates: usize, count: u32): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (!isAllowed(c, t, idAt(candidates, i))) continue;
    store<u64>(place(candidates, kept), load<u64>(place(candidates, i)));
    kept += 1;
  }
  return kept;
}

/**
 * The likeliest `most` that are allowed, in rising order; `byMass`: as many as top-p lets through; `byMinP`: those that
 * min-p does.
 */
function likeliest(
  c: Constraint, t: Tokenizer, s: Sampler, heap: usize, count: u32, most: u32, byMass: bool, byMinP: bool,
): u32 {
  makeHeap(heap, count);
  const share = <f64>s.topP;
  let top: f64 = 0;
  let kept: u32 = 0;
  // What is allowed, what may be, and the range that makes up the share of what is.
  let mass: f64 = 0;
  let open: f64 = 0;
  let cut: u32 = 0;
  let cutMass: f64 = 0;
  for (let left = count; left > 0 && kept < most; ) {
    left -= 1;
    takeLargest(heap, left);
    const logit = <f64>logitAt(heap, left);
    const weight = kept > 0 ? exp(logit - top) : 1;
    if (byMinP && weight < <f64>s.minP) break;
    open = left == 0 ? 0 : open - weight;
    if (!isAllowed(c, t, idAt(heap, left))) {
      if (c.matcher.crowded) return 0;
    } else {
      kept += 1;
      store<u64>(place(heap, count - kept), load<u64>(place(heap, left)));
      mass += weight;
      if (kept == 1) {
        top = logit;
        open = 0;
        if (byMass) for (let i: u32 = 0; i < left; i++) open += exp(<f64>logitAt(heap, i) - top);
      }
    }
    if (!byMass || kept == 0) continue;
    while (cut == 0 || (cut < kept && cutMass < share * mass)) {
      cut += 1;
      cutMass += exp(<f64>logitAt(heap, count - cut) - top);
    }
    if (cutMass < share * (mass + max<f64>(open, 0))) continue;
    s.topP = 1;
    memory.copy(heap, place(heap, count - cut), (<usize>cut) << 3);
    return cut;
  }
  memory.copy(heap, place(heap, count - kept), (<usize>kept) << 3);
  return kept;
}
