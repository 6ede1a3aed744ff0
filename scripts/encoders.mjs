/**
 * The encoders, as architectures.mjs has the decoders: made models, the tensors and keys of their files, what a checkpoint
 * calls them. They make vectors of texts and no logits, so tests of decoders walk the other list.
 *
 * A new encoder is a file of encoders/, its line here, and its `encode` in test/oracle/architectures/.
 */
import { bert } from "./encoders/bert.mjs";
import { eurobert } from "./encoders/eurobert.mjs";
import { gemmaEmbedding } from "./encoders/gemma-embedding.mjs";
import { jinaBertV2 } from "./encoders/jina-bert-v2.mjs";
import { jinaBertV3 } from "./encoders/jina-bert-v3.mjs";
import { modernBert } from "./encoders/modern-bert.mjs";
import { nomicBert } from "./encoders/nomic-bert.mjs";
import { nomicBertMoe } from "./encoders/nomic-bert-moe.mjs";

/** @typedef {import("./architectures.mjs").Architecture} Architecture */
/** @typedef {Omit<Architecture, "checkpoint"> & Partial<Pick<Architecture, "checkpoint">>} Encoder */

/** Each with the name that GGUF gives it, in the order of the core's registry. @type {Record<string, Encoder>} */
export const ENCODERS = {
  bert,
  "nomic-bert": nomicBert,
  "nomic-bert-moe": nomicBertMoe,
  "jina-bert-v2": jinaBertV2,
  "jina-bert-v3": jinaBertV3,
  "modern-bert": modernBert,
  eurobert,
  "gemma-embedding": gemmaEmbedding,
};

/** The names that GGUF gives them, in the order of the list. */
export const ENCODER_NAMES = Object.keys(ENCODERS);

/** The shapes of all made encoders. @type {Record<string, import("./architectures.mjs").Shape>} */
export const ENCODER_SHAPES = Object.fromEntries(
  Object.entries(ENCODERS).flatMap(([architecture, { shapes }]) =>
    Object.entries(shapes).map(([kind, shape]) => [kind, { architecture, ...shape }]),
  ),
);

/** The kind of made model that tests run of an encoder. @param {string} name */
export const tinyEncoder = (name) => Object.keys(ENCODERS[name].shapes)[0];

/** The small model of each encoder, and behind them those that have what it has not. */
export const TINY_ENCODERS = ENCODER_NAMES.map(tinyEncoder);
export const ENCODER_VARIANTS = ENCODER_NAMES.flatMap((name) => Object.keys(ENCODERS[name].variants ?? {}));

/** The made encoders whose vectors an engine gives. @param {"llama.cpp" | "transformers"} peer */
export const encodersOf = (peer) => [
  ...ENCODER_NAMES.filter((name) => ENCODERS[name].peers?.includes(peer)).map(tinyEncoder),
  ...ENCODER_VARIANTS.filter((kind) => ENCODERS[ENCODER_SHAPES[kind].architecture].variants?.[kind].includes(peer)),
];
