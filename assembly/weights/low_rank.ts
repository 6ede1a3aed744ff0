/**
 * Adapters' low rank (LoRA, Hu et al. 2021, arXiv:2106.09685): beside a weight W {in, out} of the model a pair of small
 * matrices, A {in, r} and B {r, out}, whose product is added to it where a sequence asks for it:
 *
 *     y[t] = W x[t] + Σ_i  w_i · s_i · B_i (A_i x[t])        i over the set of t's sequence,  s = α / r, 1 where α is 0
 *
 *     an adapter    ┌ Adapter ┐┌ Pair[weights of the model] ┐┌ Weight[…]: A and B of each pair ┐
 *     a context     ┌ AdapterSet[sequences + 1] ┐┌ U ┬ product ┬ kernel's scratch ┬ rows of x ┐
 *
 * The rank is that of B's rows, so each pair may have another one. An aLoRA (activated LoRA) begins at a token: its
 * place in a set says from which position on it is used.
 */
import { Weight, Weights } from "./weight";
import { matmulScratchBytes } from "../kernels/quant/matmul";
import { Type } from "../kernels/quant/types";

/** The largest rank of a pair. */
export const RANK_LIMIT: u32 = 1024;
/** Adapters of a set at most. */
export const SET_LIMIT: u32 = 8;
/** Of an aLoRA whose invocation has not come: no token uses it. */
export const NOT_YET: i32 = i32.MAX_VALUE;

/** Tokens that meet a pair together, the floats that they become, and those of their product that are added at once. */
export const PAIR_TOKENS: u32 = 32;
export const INNER_FLOATS: u32 = 4096;
export const PRODUCT_FLOATS: u32 = 4096;
/** Rows of an operand that are read back at once. */
export const READ_TOKENS: u32 = 4;

/** A and B beside a weight; null: none. */
@unmanaged
export class Pair {
  a: Weight;
  b: Weight;
}

@unmanaged
export class Adapter {
  /** The weights of the model that it is for. */
  base: Weights;
  /** Sequences whose sets hold it. */
  users: u32;
  alpha: f32;
  /** FNV-1a of the file: what saved sessions know it by. */
  digest: u64;
  /** Pairs, and values in them. */
  pairCount: u32;
  rank: u32;
  values: u64;
  /** u32[invocationCount]: the tokens that an aLoRA begins with; none: the adapter is a LoRA. */
  invocation: usize;
  invocationCount: u32;
  /** Pair[base.count]: of products. */
  pairs: usize;
  /** Of the embedding's rows: A has a row for each token; and which weight that is of. */
  rows: Pair;
  rowsOf: u32;

  @inline
  pair(index: u32): Pair {
    return changetype<Pair>(this.pairs + <usize>index * offsetof<Pair>());
  }

  /** s of a pair of rank r. */
  @inline
  scale(rank: u32): f32 {
    return this.alpha == 0 ? 1 : this.alpha / <f32>rank;
  }
}

/** An adapter of a set, its weight there, and from which position on it is used. */
@unmanaged
export class SetMember {
  adapter: Adapter;
  weight: f32;
  from: i32;
}

@unmanaged
export class AdapterSet {
  count: u32;
  /** 1: rows that another set has made were kept. */
  isMixed: u32;

  @inline
  member(index: u32): SetMember {
    return changetype<SetMember>(
      changetype<usize>(this) + offsetof<AdapterSet>() + <usize>index * offsetof<SetMember>(),
    );
  }
}

export const SET_BYTES: usize = offsetof<AdapterSet>() + <usize>SET_LIMIT * offsetof<SetMember>();

/** What a context needs as soon as a sequence has a set, where the longest operand that is read back has `columns`. */
export function lowRankBytes(sequences: u32, columns: u32): u64 {
  return <u64>(sequences + 1) * SET_BYTES + <u64>floatsEnd() + ((<u64>columns) << 2) * READ_TOKENS;
}

/** Where the rows of x begin, behind the sets. */
@inline
export function floatsEnd(): usize {
  return ((<usize>INNER_FLOATS + PRODUCT_FLOATS) << 2) + pairScratchBytes();
}

function pairScratchBytes(): usize {
  const wide = max(matmulScratchBytes(Type.F32, PAIR_TOKENS), matmulScratchBytes(Type.F16, PAIR_TOKENS));
  // A row of A of the embedding is unpacked there.
  return max(wide, (<usize>RANK_LIMIT) << 2);
}
