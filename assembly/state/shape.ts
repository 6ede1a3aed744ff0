/**
 * What a layer keeps of each token: the kind of its rows, and how large they are.
 */
export namespace StateKind {
  /** A layer without state. */
  export const NONE: u32 = 0;
  export const KEY_VALUE: u32 = 1;
  export const LATENT: u32 = 2;
  /** Keys and values of an encoder's output, written once for a source. */
  export const CROSS: u32 = 3;
  /** One state for all tokens of a sequence (recurrent.ts). */
  export const RECURRENT: u32 = 4;
}

/** What the rows of a group of layers are: layers that ask for the same share one pool. */
@unmanaged
export class StateShape {
  /** Layers that have it. */
  layers: u32;
  // What makes two shapes one (`form`).
  kind: u32;
  heads: u32;
  /** Values of a head's key, of a latent, or of a recurrent state. */
  first: u32;
  /** Values of a head's value, or of a rope key. */
  second: u32;
  /** Tokens that a token sees, with itself; 0: all before it. */
  window: u32;
  /** 1: not those of a window, but those of its chunk of so many, up to itself. */
  isChunked: u32;
  /**
   * How keys were turned, so that rows can move: the program's rope, plus 1, 0: not at all; pairs of dimensions, from
   * which one on.
   */
  rope: u32;
  ropePairs: u32;
  ropeFrom: u32;
  /** 1: the pairs are (2i, 2i + 1), else (i, i + n/2). */
  ropeNeighbours: u32;

  /** 1: rows cannot be moved: a norm stands behind the turn, or positions are learned. */
  isFixed: u32;

  @inline
  get form(): usize {
    return changetype<usize>(this) + offsetof<StateShape>("kind");
  }

  /** Values of a row. */
  @inline
  get values(): u32 {
    return this.heads * (this.first + this.second);
  }
}

/** Bytes of `form`. */
export const FORM_BYTES: usize = offsetof<StateShape>() - offsetof<StateShape>("kind");
