/**
 * Words of the Builder for streams that lie side by side in a row (AltUp, arXiv:2301.13310), and for gates that keep
 * their largest values alone.
 */
import { Drafts } from "./drafts";
import { Op } from "./program";

@unmanaged
export class StreamWords extends Drafts {
  /** max(x − (mean + multiple · deviation), 0), with mean and deviation of the row: the largest values are left. */
  sparsify(x: u32, multiple: f32): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.SPARSIFY, out, x);
    step.f = multiple;
    return out;
  }

  /** x, each of whose four streams has the sum of all added, by the sixteen numbers of `by`, four for each. */
  mixStreams(x: u32, by: u32): u32 {
    const out = this.like(x, this.width(x));
    this.append(Op.MIX_STREAMS, out, x, by);
    return out;
  }

  /** x for each of four streams: 0 for the first `none`, and times 1 + its number of `by` where there is one. */
  spread(x: u32, none: u32, by: u32 = 0xffff_ffff): u32 {
    const out = this.like(x, 4 * this.width(x));
    const step = this.append(Op.SPREAD, out, x, by);
    step.n0 = 4;
    step.n1 = none;
    return out;
  }

  /** x, made as long as `model`; the mean of its squares counts as `least` at least. */
  level(x: u32, model: u32, least: f32): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.LEVEL, out, x, model);
    step.f = least;
    return out;
  }

  /** x, and y beside it. */
  join(x: u32, y: u32): u32 {
    const out = this.like(x, this.width(x) + this.width(y));
    this.append(Op.JOIN, out, x, y);
    return out;
  }
}
