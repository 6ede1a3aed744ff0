/**
 * What models have that keep recurrent states, and the mixers that they share. A hybrid has attention where its file
 * gives a layer heads of keys, and a mixer elsewhere.
 */
import { HyperParameters, keyHeadsOf } from "./hyper_parameters";
import { Activation, Builder, WIDTH_LIMIT } from "../program/builder";

/** Tokens of a convolution, values of a channel's or of a key's state, and heads. */
const TAP_LIMIT: u32 = 64;
const STATE_LIMIT: u32 = 4096;

/** What layers of state space models say of themselves; of Mamba-2 `timeRank` is the number of heads. */
export function readStateSpace(b: Builder, h: HyperParameters): void {
  h.taps = b.count(".ssm.conv_kernel", 2, TAP_LIMIT);
  h.inner = b.count(".ssm.inner_size", 1, WIDTH_LIMIT);
  h.stateSize = b.count(".ssm.state_size", 1, STATE_LIMIT);
  h.timeRank = b.count(".ssm.time_step_rank", 1, h.inner);
  h.stateGroups = b.countOr(".ssm.group_count", 1, 0, h.inner);
  if (h.stateGroups == 0) h.stateGroups = 1;
}

/** What Mamba-2's say: heads divide the inner width, and groups the heads. */
export function readDualHeads(b: Builder, h: HyperParameters): void {
  readStateSpace(b, h);
  if (h.inner % h.timeRank != 0 || h.timeRank % h.stateGroups != 0) {
    b.broken(
      "ssm.time_step_rank {} must divide ssm.inner_size {}, and ssm.group_count {} the former; convert the model anew",
      h.timeRank, h.inner, h.stateGroups,
    );
  }
  b.within(".ssm.group_count times ssm.state_size", h.stateGroups * h.stateSize, 1, WIDTH_LIMIT);
}

/** Tokens that a short convolution sees. */
export function readTaps(b: Builder): u32 {
  return b.count(".shortconv.l_cache", 2, TAP_LIMIT);
}

/** The first layer that has heads of keys: its numbers say how large a head is, where the file does not. */
export function firstAttention(b: Builder): u32 {
  for (let l: u32 = 0; l < b.layers; l++) if (keyHeadsOf(b, l) > 0) return l;
  b.broken("attention.head_count_kv is 0 in every layer: such a model has no attention; convert the model anew");
  return 0;
}

/**
 * LFM2's gated short convolution: [b | c | u] = Win y      Wout · (c ⊙ convolution(b ⊙ u))
 */
export function shortConvolution(b: Builder, y: u32, taps: u32): u32 {
  const n = b.hidden;
  const all = b.linear(y, "shortconv.in_proj", 3 * n);
  const z = b.convolution(b.times(b.part(all, 0, n), b.part(all, 2 * n, n)), "shortconv.conv", taps);
  return b.linear(b.times(b.part(all, n, n), z), "shortconv.out_proj", n);
}

/** B, C or the low rank of Δ of Jamba have norms with weights. */
export const NORMS: u32 = 1;
/** They have norms without (Falcon-Mamba). */
export const PLAIN_NORMS: u32 = 2;

/**
 * Mamba (arXiv:2312.00752): [u | z] = Win y      u = silu(convolution(u))      [δ | B | C] = Wx u
 *
 *     o = selective scan of u by Δ = softplus(Wdt δ + b), B, C      Wout · (o ⊙ silu(z))
 */
export function mambaMixer(b: Builder, h: HyperParameters, y: u32, flags: u32): u32 {
  const all = b.linear(y, "ssm_in", 2 * h.inner);
  const u = b.activation(Activation.SILU, b.convolution(b.part(all, 0, h.inner), "ssm_conv1d", h.taps));
  const made = b.linearOfState(u, "ssm_x", h.timeRank + 2 * h.stateSize);
  const low = normed(b, b.part(made, 0, h.timeRank), "ssm_dt_norm", flags);
  let bc = b.part(made, h.timeRank, 2 * h.stateSize);
  if (flags) {
    const c = b.part(made, h.timeRank + h.stateSize, h.stateSize);
    bc = b.join(
      normed(b, b.part(made, h.timeRank, h.stateSize), "ssm_b_norm", flags), normed(b, c, "ssm_c_norm", flags),
    );
  }
  const o = b.selectiveScan(u, b.join(b.linear(low, "ssm_dt", h.inner), bc), h.stateSize);
  return b.linear(b.swiglu(b.part(all, h.inner, h.inner), o), "ssm_out", b.hidden);
}

function normed(b: Builder, x: u32, name: string, flags: u32): u32 {
  if (flags & NORMS) return b.rmsNorm(x, name);
  return flags & PLAIN_NORMS ? b.plainRmsNorm(x) : x;
}

/**
 * Mamba-2 (Dao and Gu 2024, arXiv:2405.21060): [z | xBC | Δ] = Win y      xBC = silu(convolution(xBC))
 *
 *     o = scan of xBC by Δ, head by head      Wout · RMSNorm of each group(o ⊙ silu(z))
 */
export function dualMixer(b: Builder, h: HyperParameters, y: u32): u32 {
  const width = h.inner + 2 * h.stateGroups * h.stateSize;
  const all = b.linear(y, "ssm_in", h.inner + width + h.timeRank);
  const u = b.activation(Activation.SILU, b.convolution(b.part(all, h.inner, width), "ssm_conv1d", h.taps));
  const delta = b.part(all, h.inner + width, h.timeRank);
  const o = b.swiglu(b.part(all, 0, h.inner), b.dualScan(u, delta, h.inner, h.stateSize, h.timeRank, h.stateGroups));
  return b.linear(b.hasWeight("ssm_norm") ? b.groupedRmsNorm(o, "ssm_norm", h.stateGroups) : o, "ssm_out", b.hidden);
}

/** β and α come from one matrix, key head by key head (qwen3next). */
export const GROUPED: u32 = 1;

/**
 * A gated delta net (Yang et al. 2024, arXiv:2412.06464): [q | k | v] = silu(convolution(Wqkv y))      z = Wz y
 *
 *     o = delta rule over q, k, v by β = sigmoid(Wβ y), α = Wα y      Wout · (RMSNorm of each head(o) ⊙ silu(z))
 */
export function deltaNet(b: Builder, h: HyperParameters, y: u32, flags: u32): u32 {
  const keyHeads = h.stateGroups;
  const heads = h.timeRank;
  const size = h.stateSize;
  const u = b.activation(
    Activation.SILU, b.convolution(b.linearOfState(y, "attn_qkv", (2 * keyHeads + heads) * size), "ssm_conv1d", h.taps),
  );
  const z = b.linear(y, "attn_gate", heads * size);
  const gates =
    flags & GROUPED
      ? b.linear(y, "ssm_ba", 2 * heads)
      : b.join(b.linear(y, "ssm_beta", heads), b.linear(y, "ssm_alpha", heads));
  const o = b.deltaRule(u, gates, size, keyHeads, heads, b.epsilon, (flags & GROUPED) != 0);
  return b.linear(b.swiglu(z, b.rmsNorm(o, "ssm_norm", heads)), "ssm_out", b.hidden);
}

/** What delta nets say: value heads of `ssm.state_size` values are a multiple of the key heads, ssm.group_count. */
export function readDeltaHeads(b: Builder, h: HyperParameters): void {
  readStateSpace(b, h);
  if (h.timeRank % h.stateGroups != 0 || <u64>h.timeRank * h.stateSize != h.inner) {
    b.broken(
      "ssm.time_step_rank {} must be a multiple of ssm.group_count {}, and times ssm.state_size it must be \
ssm.inner_size; convert the model anew", h.timeRank, h.stateGroups,
    );
  }
  b.within(".ssm.inner_size and keys together", 3 * h.inner, 1, WIDTH_LIMIT);
}
