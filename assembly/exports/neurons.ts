/**
 * The exports of core neurons: thin functions on handles, with the conventions of exports/model.ts.
 */
import { HAS_CORE_NEURONS } from "../parts";
import { isPolicy } from "../engine/cache_policy";
import { Model } from "../engine/model";
import { Session } from "../engine/session";
import { setNeurons, withPolicy } from "../engine/neurons";
import { threadSlots } from "../pass/threads";
import { coreNeuronBytes } from "../program/core_neurons";

/**
 * Bytes that a session takes besides with core neurons (`session_set_neurons`); 0: no layer of these has any. The
 * weights must be known.
 */
export function model_neuron_bytes(model: Model, share: f64, first: u32, end: u32): u64 {
  if (!HAS_CORE_NEURONS || !model.hasProgram || !(share > 0 && share <= 1)) return 0;
  const p = model.program;
  return coreNeuronBytes(p, share, first, min(end, p.layerCount), threadSlots(p.weights.core));
}

/**
 * The tokens that an empty session will generate use the share `share` of the neurons of layers `first` … `end` − 1:
 * those that were most often among the share `alpha` of a token's largest while the prompt was read (CoreInfer,
 * arXiv:2410.18311). UNSUPPORTED with adapters or a policy of the cache, and where no such layer is SwiGLU or ReLU².
 */
export function session_set_neurons(s: Session, share: f64, alpha: f64, first: u32, end: u32): i32 {
  if (isPolicy(s.policy)) return withPolicy(s.core);
  return setNeurons(s.context, s.count != 0, share, alpha, first, end);
}

/** u32[session_neuron_count]: the neurons of a layer, ascending, that the last token used; 0: it used all. */
export function session_neurons(s: Session, layer: u32): usize {
  return session_neuron_count(s, layer) ? s.context.neurons.layer(layer).list : 0;
}

export function session_neuron_count(s: Session, layer: u32): u32 {
  if (!HAS_CORE_NEURONS) return 0;
  const n = s.context.neurons;
  if (changetype<usize>(n) == 0 || layer >= n.layerCount || n.choice == 0) return 0;
  return n.layer(layer).choice == n.choice ? n.layer(layer).kept : 0;
}
