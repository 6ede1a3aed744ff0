/**
 * Where the weights of a model stand in its table (runtime/model.ts).
 */

/** Weights that do not belong to a layer. */
export namespace Global {
  export const EMBEDDING: u32 = 0;
  export const OUTPUT_NORM: u32 = 1;
  /** Absent when the head is tied to the embedding. */
  export const OUTPUT: u32 = 2;
  export const ROPE_FACTORS: u32 = 3;
  export const COUNT: u32 = 4;
}

/** Weights of a layer, over all architectures. */
export namespace Slot {
  export const ATTENTION_NORM: u32 = 0;
  /** These three, and the two of the feed-forward network, are matrices or look-up tables. */
  export const QUERY: u32 = 1;
  export const KEY: u32 = 2;
  export const VALUE: u32 = 3;
  export const ATTENTION_OUTPUT: u32 = 4;
  export const QUERY_BIAS: u32 = 5;
  export const KEY_BIAS: u32 = 6;
  export const VALUE_BIAS: u32 = 7;
  export const OUTPUT_BIAS: u32 = 8;
  export const QUERY_NORM: u32 = 9;
  export const KEY_NORM: u32 = 10;
  export const LATENT_DOWN: u32 = 11;
  export const LATENT_NORM: u32 = 12;
  export const LATENT_UP: u32 = 13;
  export const FFN_NORM: u32 = 14;
  export const FFN_GATE: u32 = 15;
  export const FFN_UP: u32 = 16;
  export const FFN_DOWN: u32 = 17;
  export const FFN_UP_BIAS: u32 = 18;
  export const FFN_DOWN_BIAS: u32 = 19;
  /** Between the two tables of a feed-forward network. */
  export const FFN_MID_NORM: u32 = 20;
  export const FFN_MID_NORM_BIAS: u32 = 21;
  /** Scales of the rows of tables. */
  export const QUERY_SCALE: u32 = 22;
  export const KEY_SCALE: u32 = 23;
  export const VALUE_SCALE: u32 = 24;
  export const FFN_UP_SCALE: u32 = 25;
  export const FFN_DOWN_SCALE: u32 = 26;
  export const COUNT: u32 = 27;
}
