/**
 * Mixture of experts in place of a feed-forward network (Shazeer et al. 2017, arXiv:1701.06538), as decoders have it:
 *
 *     S, w = route(Wr m)      Σ over e in S of w_e · (Wdown_e · (f(Wgate_e m) ⊙ Wup_e m))      + a shared expert
 */
import { swiglu } from "./blocks";
import { HyperParameters } from "./hyper_parameters";
import { Activation, Builder, Gating, WIDTH_LIMIT } from "../program/builder";

const EXPERT_LIMIT: u32 = 4096;

/** The weights of chosen experts are divided by their sum. */
export const NORMALISED: u32 = 1;
/** Without a width of their own, experts are the feed-forward width divided by how many are used. */
export const SHARES_WIDTH: u32 = 2;

/** What a model with experts says of them; of its gating the key, or `gating`. */
export function readExperts(b: Builder, h: HyperParameters, gating: u32, flags: u32): void {
  h.experts = b.count(".expert_count", 1, EXPERT_LIMIT);
  h.used = b.count(".expert_used_count", 1, min(h.experts, 64));
  const width = flags & SHARES_WIDTH ? max<u32>(h.ffn / h.used, 1) : h.ffn;
  h.expertWidth = b.countOr(".expert_feed_forward_length", width, 1, WIDTH_LIMIT / h.used);
  h.gating = b.countOr(".expert_gating_func", gating, Gating.SOFTMAX, Gating.CHOSEN);
  h.normalised = b.flag(".expert_weights_norm", (flags & NORMALISED) != 0);
  h.expertFactor = b.float(".expert_weights_scale", 1);
  if (h.expertFactor == 0) h.expertFactor = 1;
  readGroups(b, h);
  b.within(".expert_count times their width", h.experts * h.expertWidth, 1, WIDTH_LIMIT);
}

/** Experts may stand in groups (DeepSeek-V3, arXiv:2412.19437, 2.1.2), of which a token uses some. */
function readGroups(b: Builder, h: HyperParameters): void {
  h.groups = max<u32>(b.countOr(".expert_group_count", 1, 0, h.experts), 1);
  h.usedGroups = b.countOr(".expert_group_used_count", h.groups, 0, h.groups);
  if (h.usedGroups == 0) h.usedGroups = h.groups;
  if (h.experts % h.groups != 0 || h.used > h.usedGroups * (h.experts / h.groups)) {
    b.broken(
      "expert_group_count {} must divide the experts, and expert_group_used_count {} of the groups must hold the {} \
that a token goes to; convert the model anew", h.groups, h.usedGroups, h.used,
    );
  }
}

/** The experts of the layer at work: what they give for m. Their biases, and the router's, may be required. */
export function experts(b: Builder, h: HyperParameters, m: u32, activation: u32, bias: u32 = 0): u32 {
  const chosen = b.route(
    m, "ffn_gate_inp", "exp_probs_b", h.experts, h.used, h.gating, h.normalised, h.expertFactor, bias,
  );
  b.groupExperts(h.groups, h.usedGroups);
  return expertsOf(b, h, m, chosen, activation, bias);
}

/** What the chosen experts give for m; Wgate and Wup may lie in one tensor, Wgate first. */
export function expertsOf(b: Builder, h: HyperParameters, m: u32, chosen: u32, activation: u32, bias: u32 = 0): u32 {
  const width = h.expertWidth;
  let made: u32;
  if (b.hasWeight("ffn_gate_up_exps")) {
    const both = b.expertLinear(m, chosen, "ffn_gate_up_exps", 2 * width, h.experts, false, bias);
    made = b.gatedHalves(activation, both, h.used);
  } else {
    const gate = b.expertLinear(m, chosen, "ffn_gate_exps", width, h.experts, false, bias);
    const up = b.expertLinear(m, chosen, "ffn_up_exps", width, h.experts, false, bias);
    made = b.activation(activation, gate, up);
  }
  return b.mixExperts(b.expertLinear(made, chosen, "ffn_down_exps", b.hidden, h.experts, true, bias), chosen);
}

/**
 * SwiGLU where a layer is dense, else the experts, and beside them one of width `shared` that every token goes to; 0:
 * there is none.
 */
export function denseOrExperts(b: Builder, h: HyperParameters, m: u32, isDense: bool, shared: u32): u32 {
  if (isDense) return swiglu(b, h, m);
  const routed = experts(b, h, m, Activation.SILU);
  return shared ? b.add(routed, sharedExpert(b, m, shared)) : routed;
}

/** The width of the experts that every token goes to, which stand side by side: as many as the file says, or none. */
export function readSharedWidth(b: Builder, h: HyperParameters): u32 {
  const count = b.countOr(".expert_shared_count", 0, 0, WIDTH_LIMIT / h.expertWidth);
  if (count == 0) return 0;
  return count * b.countOr(".expert_shared_feed_forward_length", h.expertWidth, 1, WIDTH_LIMIT / count);
}

/** Experts without a gate: Σ w_e · (Wdown_e · f(Wup_e m)). */
export function plainExperts(b: Builder, h: HyperParameters, m: u32, activation: u32): u32 {
  const chosen = b.route(m, "ffn_gate_inp", "exp_probs_b", h.experts, h.used, h.gating, h.normalised, h.expertFactor);
  const up = b.expertLinear(m, chosen, "ffn_up_exps", h.expertWidth, h.experts, false);
  const made = b.activation(activation, up);
  return b.mixExperts(b.expertLinear(made, chosen, "ffn_down_exps", b.hidden, h.experts, true), chosen);
}

/** An expert that every token goes to: SwiGLU of the tensors `…_shexp`, of its own width. */
export function sharedExpert(b: Builder, m: u32, width: u32): u32 {
  const gate = b.linear(m, "ffn_gate_shexp", width);
  const up = b.linear(m, "ffn_up_shexp", width);
  return b.linear(b.activation(Activation.SILU, gate, up), "ffn_down_shexp", b.hidden);
}
