/**
 * The encoder-decoders, as architectures.mjs has the decoders: made models of random weights, whose tensors stand in two
 * stacks. They read a source and write a text, so tests of decoders walk the other list.
 */
import { TENSOR_TYPES } from "./gguf-writer.mjs";
import { Weights } from "./random-models.mjs";
import { buildVocabulary, tokenizerMetadata } from "./vocabulary.mjs";

/** @typedef {import("./gguf-writer.mjs").TensorType} TensorType */
/** @typedef {import("./gguf-writer.mjs").GgufFile} GgufFile */
/** @typedef {import("./vocabulary.mjs").Entry} Entry */

/**
 * @typedef {object} Pair a made model
 * @property {"t5" | "t5encoder" | "mu"} architecture
 * @property {number} layers of the encoder @property {number} decoder layers of the decoder
 * @property {number} hidden @property {number} heads @property {number} [kvHeads] @property {number} headSize
 * @property {number} ffn @property {number} vocabulary @property {number} context
 * @property {boolean} [gated] @property {boolean} [tied] no output matrix of its own
 * @property {boolean} [each] every layer has its bias by distance @property {number} [buckets]
 */

const T5 = { context: 512, vocabulary: 300, buckets: 32 };
const MU = { context: 512, vocabulary: 300, tied: true };

/** @type {Record<string, Pair>} */
export const PAIRS = {
  // As FLAN-T5; h · d is not n, and the decoder is the longer.
  "t5-tiny": {
    ...T5,
    architecture: "t5",
    layers: 2,
    decoder: 3,
    hidden: 96,
    heads: 5,
    headSize: 24,
    ffn: 160,
    gated: true,
  },
  // As the first T5: the head is the embedding, scaled.
  "t5-relu": {
    ...T5,
    architecture: "t5",
    layers: 3,
    decoder: 2,
    hidden: 60,
    heads: 4,
    headSize: 12,
    ffn: 76,
    tied: true,
  },
  // As UMT5.
  "t5-each": {
    ...{ ...T5, architecture: "t5", layers: 2, decoder: 2, hidden: 64, heads: 4, headSize: 16, ffn: 96 },
    ...{ gated: true, each: true },
  },
  // Buckets of another number.
  "t5-few": {
    ...{ ...T5, architecture: "t5", layers: 1, decoder: 1, hidden: 32, heads: 1, headSize: 8, ffn: 32 },
    ...{ buckets: 8 },
  },
  "t5encoder-tiny": {
    ...{ ...T5, architecture: "t5encoder", layers: 2, decoder: 0, hidden: 96, heads: 5, headSize: 24, ffn: 160 },
    ...{ gated: true, tied: true },
  },
  "mu-tiny": {
    ...MU,
    architecture: "mu",
    layers: 4,
    decoder: 2,
    hidden: 96,
    heads: 6,
    kvHeads: 3,
    headSize: 16,
    ffn: 160,
  },
  "mu-one": {
    ...MU,
    architecture: "mu",
    layers: 1,
    decoder: 2,
    hidden: 60,
    heads: 6,
    kvHeads: 1,
    headSize: 12,
    ffn: 76,
  },
};

/** Configurations by chance, the same in every run: 20 of t5, and 20 of mu behind them. @type {Record<string, Pair>} */
export const CHANCE_PAIRS = Object.fromEntries(
  Array.from({ length: 40 }, (_, i) => {
    let state = (i + 1) * 2654435761;
    const among = (/** @type {number} */ from, /** @type {number} */ to) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return from + Math.floor((state / 2 ** 32) * (to - from + 1));
    };
    for (let k = 0; k < 4; k++) among(0, 1);
    const isT5 = i < 20;
    const kvHeads = among(1, 3);
    const heads = isT5 ? among(1, 6) : kvHeads * among(1, 3);
    const sizes = { layers: among(1, 3), decoder: among(1, 3), hidden: 4 * among(6, 20), ffn: 4 * among(6, 30) };
    const shape = { ...sizes, heads, headSize: 2 * among(4, 12) };
    const gated = among(0, 1) === 1;
    const own = { gated, tied: !gated && among(0, 1) === 1, each: among(0, 2) === 0, buckets: 8 * among(1, 5) };
    /** @type {Pair} */
    const pair = isT5
      ? { ...T5, ...shape, ...own, architecture: "t5" }
      : { ...MU, ...shape, kvHeads, architecture: "mu" };
    return [`${pair.architecture}-chance-${i % 20}`, pair];
  }),
);

/** The architectures, and the small model of each. */
export const PAIR_NAMES = /** @type {const} */ (["t5", "t5encoder", "mu"]);

/**
 * A model of random weights.
 * @param {Pair} shape @param {TensorType} type @param {number} [seed] @returns {GgufFile}
 */
export function randomPair(shape, type, seed = 1) {
  const { architecture, hidden, vocabulary, layers, decoder, tied } = shape;
  const isMu = architecture === "mu";
  const w = new Weights({ ...shape, theta: 0, epsilon: 1e-6, pre: "gpt-2" }, type, seed, undefined);
  // What is scaled before the head is as much larger behind its norm.
  const scaled = !isMu && tied && !shape.gated ? Math.sqrt(hidden) : 1;
  w.embedding();
  if (!tied) w.matrix("output.weight", hidden, vocabulary, w.unit, true);
  w.norm("enc.output_norm.weight", hidden);
  if (decoder) w.add("dec.output_norm.weight", [hidden], "F32", 0.1 * scaled, scaled);
  for (const [side, count] of /** @type {const} */ ([
    ["enc", layers],
    ["dec", decoder],
  ])) {
    for (let i = 0; i < count; i++) {
      const block = `${side}.blk.${i}.`;
      attention(w, shape, `${block}attn_`);
      if (!isMu && (i === 0 || shape.each)) {
        w.add(`${block}attn_rel_b.weight`, [shape.heads, shape.buckets ?? 32], "F32", 1);
      }
      if (side === "dec") attention(w, shape, `${block}cross_attn_`);
      feedForward(w, shape, block);
    }
  }
  return { metadata: metadataOf(shape, type), tensors: w.tensors };
}

/** @param {Weights} w @param {Pair} shape @param {string} name */
function attention(w, { architecture, hidden, heads, headSize, kvHeads = heads }, name) {
  const isMu = architecture === "mu";
  const own = heads * headSize;
  const keys = kvHeads * headSize;
  /** @param {string} part @param {number} columns @param {number} rows @param {number} deviation */
  const linear = (part, columns, rows, deviation, bias = 0.5) => {
    w.matrix(`${name}${part}.weight`, columns, rows, deviation);
    if (isMu) w.add(`${name}${part}.bias`, [rows], "F32", bias);
  };
  w.norm(`${name}norm.weight`, hidden);
  // Scores of T5 are not scaled.
  linear("q", hidden, own, isMu ? 2 * w.unit : (2 * w.unit) / Math.sqrt(headSize));
  linear("k", hidden, keys, w.unit);
  linear("v", hidden, keys, w.unit);
  linear("o", own, hidden, (2 * w.added) / Math.sqrt(own), w.added);
}

/** @param {Weights} w @param {Pair} shape @param {string} block */
function feedForward(w, { architecture, hidden, ffn, gated }, block) {
  const isMu = architecture === "mu";
  w.norm(`${block}ffn_norm.weight`, hidden);
  if (gated) w.matrix(`${block}ffn_gate.weight`, hidden, ffn, w.unit);
  w.matrix(`${block}ffn_up.weight`, hidden, ffn, w.unit);
  if (isMu) w.add(`${block}ffn_up.bias`, [ffn], "F32", 0.5);
  w.matrix(`${block}ffn_down.weight`, ffn, hidden, w.added / (0.7 * Math.sqrt(ffn)));
  if (isMu) w.add(`${block}ffn_down.bias`, [hidden], "F32", w.added);
}

/** @param {Pair} shape @param {TensorType} type @returns {Entry[]} */
function metadataOf(shape, type) {
  const { architecture, heads, headSize, kvHeads, decoder } = shape;
  const isMu = architecture === "mu";
  const own = /** @type {Entry[]} */ ([
    ["block_count", "u32", shape.layers],
    ["context_length", "u32", shape.context],
    ["embedding_length", "u32", shape.hidden],
    ["feed_forward_length", "u32", shape.ffn],
    ...(decoder && decoder !== shape.layers ? [["decoder_block_count", "u32", decoder]] : []),
    ["attention.head_count", "u32", heads],
    ...(kvHeads ? [["attention.head_count_kv", "u32", kvHeads]] : []),
    ["attention.key_length", "u32", headSize],
    ["attention.value_length", "u32", headSize],
    ["attention.layer_norm_rms_epsilon", "f32", 1e-6],
    ...(isMu
      ? [
          ["rope.freq_base", "f32", 10000],
          ["rope.dimension_count", "u32", headSize],
        ]
      : [["attention.relative_buckets_count", "u32", shape.buckets ?? 32]]),
    ...(decoder ? [["decoder_start_token_id", "u32", isMu ? 1 : 0]] : []),
  ]);
  return [
    ["general.architecture", "string", architecture],
    ["general.name", "string", `random ${architecture}, ${type}`],
    ["general.file_type", "u32", TENSOR_TYPES[type].fileType],
    ...own.map(([name, kind, value]) => /** @type {Entry} */ ([`${architecture}.${name}`, kind, value])),
    ...tokenizerMetadata(buildVocabulary(shape.vocabulary, [" the", " and", " of"]), "gpt-2"),
  ];
}
