/**
 * What a paper says of layers that keep one state for all tokens of a sequence: convolutions, scans, shifts. Each takes
 * its part of the layer's state by itself, in the order in which the paper writes them.
 */
import { Flag, NOTHING, Op, Step } from "./program";
import { StreamWords } from "./streams";
import { ErrorCode } from "../memory/core";
import { WeightKind } from "../weights/weight";

/** Values of a layer's state at most. */
const STATE_VALUES: u32 = 1 << 26;

@unmanaged
export class RecurrentWords extends StreamWords {
  /** The step keeps `values` values of each sequence behind those that the layer keeps already. */
  private remember(step: Step, values: u64): void {
    const draft = this.draft(this.segment - 1);
    // A multiple of four, so that what follows lies on whole lanes.
    const padded = (values + 3) & ~(<u64>3);
    if (draft.recurrentValues + padded > STATE_VALUES) {
      this.refuse(ErrorCode.UNSUPPORTED, "a layer's recurrent state has more than {} values", STATE_VALUES);
      return;
    }
    step.n1 = draft.recurrentValues;
    draft.recurrentValues += <u32>padded;
  }

  /** The first step of a layer with a recurrent state makes room for what the pass makes of it. */
  private advance(): void {
    if (this.draft(this.segment - 1).recurrentValues == 0) this.append(Op.ADVANCE, NOTHING);
  }

  /** Causal depthwise convolution over `taps` tokens by `name`.weight {taps, width}, and a bias if the file has one. */
  convolution(x: u32, name: string, taps: u32): u32 {
    this.advance();
    const width = this.width(x);
    const out = this.like(x, width);
    const step = this.append(Op.CONVOLUTION, out, x);
    step.n0 = taps;
    step.weight = this.find(name, ".weight", taps, width, WeightKind.VECTOR, true);
    step.bias = this.find(name, ".bias", width, 1, WeightKind.VECTOR, false);
    this.remember(step, <u64>(taps - 1) * width);
    return out;
  }

  /**
   * The selective scan of Mamba (arXiv:2312.00752): x [tokens, inner]; `steps` is Δ before its softplus, and beside it
   * B and C of `size` values. `a` {size, inner} and `d` {inner} have no suffix in files.
   */
  selectiveScan(x: u32, steps: u32, size: u32): u32 {
    const inner = this.width(x);
    const out = this.like(x, inner);
    const step = this.append(Op.SELECTIVE_SCAN, out, x, steps);
    step.n0 = size;
    step.weight = this.find("ssm_a", "", size, inner, WeightKind.VECTOR, true);
    step.weight2 = this.find("ssm_d", "", inner, 1, WeightKind.VECTOR, true);
    this.remember(step, <u64>size * inner);
    return out;
  }

  /**
   * The scan of Mamba-2 (arXiv:2405.21060): x [inner | groups · size: B | groups · size: C], `steps` a Δ for each of
   * `heads` heads before its bias and softplus.
   */
  dualScan(x: u32, steps: u32, inner: u32, size: u32, heads: u32, groups: u32): u32 {
    const out = this.like(x, inner);
    const step = this.append(Op.DUAL_SCAN, out, x, steps);
    step.n0 = heads;
    step.n2 = groups;
    step.weight = this.find("ssm_a", "", 1, heads, WeightKind.VECTOR, true);
    step.weight2 = this.find("ssm_d", "", 1, heads, WeightKind.VECTOR, true);
    step.bias = this.find("ssm_dt", ".bias", heads, 1, WeightKind.VECTOR, true);
    this.remember(step, <u64>size * inner);
    return out;
  }

  /**
   * The gated delta rule (arXiv:2412.06464): x [q | k of `keyHeads` heads | v of `heads` heads], all of `size` values;
   * `gates` are β and α before their functions, one of each a head: [β | α], or with `grouped` of each key head first
   * its β, then its α. Value head h goes with key head h mod keyHeads, with `grouped` with h / (heads / keyHeads).
   */
  deltaRule(x: u32, gates: u32, size: u32, keyHeads: u32, heads: u32, epsilon: f32, grouped: bool): u32 {
    const out = this.like(x, heads * size);
    const step = this.append(Op.DELTA_RULE, out, x, gates);
    step.n0 = heads;
    step.n2 = keyHeads;
    step.f = epsilon;
    if (grouped) step.flags |= Flag.GROUPED;
    step.weight = this.find("ssm_a", "", heads, 1, WeightKind.VECTOR, true);
    step.bias = this.find("ssm_dt", ".bias", heads, 1, WeightKind.VECTOR, true);
    this.remember(step, <u64>heads * size * size);
    return out;
  }

  /** What RWKV mixes: the row of the token before, less its own. */
  tokenShift(x: u32): u32 {
    this.advance();
    const width = this.width(x);
    const out = this.like(x, width);
    this.remember(this.append(Op.TOKEN_SHIFT, out, x), width);
    return out;
  }

  /** RWKV-6 (arXiv:2404.05892): x [r | k | v | w, as it is before its functions], heads of `size`; `name` is u. */
  wkv6(x: u32, name: string, size: u32): u32 {
    const width = this.width(x) >> 2;
    const out = this.like(x, width);
    const step = this.append(Op.WKV6, out, x);
    step.n0 = size;
    step.weight = this.find(name, ".weight", size, width / size, WeightKind.VECTOR, true);
    this.remember(step, <u64>width * size);
    return out;
  }

  /**
   * RWKV-7 (arXiv:2503.14456): x [r | k | v | w | a, both before their functions] of heads of `size`. Gives o, and
   * behind it the bonus v · Σ r·k·r_k, both [tokens, width].
   */
  wkv7(x: u32, size: u32): u32 {
    const width = this.width(x) / 5;
    const out = this.like(x, width);
    const bonus = this.like(x, width);
    const step = this.append(Op.WKV7, out, x);
    step.out2 = bonus;
    step.n0 = size;
    step.weight = this.find("time_mix_k_k", ".weight", width, 1, WeightKind.VECTOR, true);
    step.bias = this.find("time_mix_k_a", ".weight", width, 1, WeightKind.VECTOR, true);
    step.weight2 = this.find("time_mix_r_k", ".weight", width, 1, WeightKind.VECTOR, true);
    this.remember(step, <u64>width * size);
    return out;
  }
}
