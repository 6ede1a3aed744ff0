/**
 * The architectures, once for all that tests, benches and scripts do with each: shapes of made models, the tensors and
 * keys of their files, what a checkpoint calls them, and what is asked of the oracle.
 *
 * A new architecture is a file of architectures/, its line here, and its forward in test/oracle/architectures/;
 * test/architectures.test.ts says what is missing for one that the core runs.
 */
import { gemma } from "./architectures/gemma.mjs";
import { gemma2 } from "./architectures/gemma2.mjs";
import { gemma3 } from "./architectures/gemma3.mjs";
import { llama } from "./architectures/llama.mjs";
import { memoryformer } from "./architectures/memoryformer.mjs";
import { phi2 } from "./architectures/phi2.mjs";
import { plm } from "./architectures/plm.mjs";
import { qwen2 } from "./architectures/qwen2.mjs";
import { qwen2moe } from "./architectures/qwen2moe.mjs";
import { qwen3 } from "./architectures/qwen3.mjs";
import { qwen3moe } from "./architectures/qwen3moe.mjs";

/** @typedef {import("./gguf-writer.mjs").TensorType} TensorType */
/** @typedef {import("./vocabulary.mjs").Entry} Entry */
/** @typedef {import("./random-models.mjs").Weights} Weights */

/**
 * @typedef {object} Shape
 * @property {string} architecture
 * @property {number} layers @property {number} hidden @property {number} heads
 * @property {number} ffn of a memoryformer: between its two tables
 * @property {number} vocabulary @property {number} context @property {number} theta @property {number} epsilon
 * @property {string} pre the pre-tokenizer's name
 * @property {number} [nope] @property {number} [rope] @property {number} [value] @property {number} [rank] of plm
 * @property {number} [chunks] @property {number} [bits] of a memoryformer: tables, and bits of a code; rope: as of plm and phi2
 * @property {number} [kvHeads] @property {number} [headSize] of the others
 * @property {number} [window] tokens that a token sees in layers with a window
 * @property {number} [experts] @property {number} [used] of which a token goes to @property {number} [expertWidth]
 * @property {number} [sharedWidth] of an expert that all tokens go to
 * @property {boolean} [tied] no output matrix of its own
 * @property {boolean} [ropeFactors] Llama 3.1's rope_freqs tensor
 */

/**
 * @typedef {object} Architecture
 * @property {string} models what is known by that name, for docs/models.md
 * @property {string} [refuses] what a file of it may ask for and limpet does not do
 * @property {Record<string, Omit<Shape, "architecture">>} shapes of made models by name; the first one is small, and tests run it
 * @property {(w: Weights) => void} block adds the tensors of a layer
 * @property {(w: Weights) => void} [ends] adds tensors of no layer, beside embedding, last norm and head
 * @property {(shape: Shape) => Entry[]} keys of the metadata behind those that all decoders have, without the prefix
 * @property {readonly TensorType[]} types for which the oracle's logits are stored
 * @property {readonly ("llama.cpp" | "transformers")[]} [peers] engines that run it too, and whose logits are stored
 * @property {boolean} [latent] attention has an absorbed and an expanded form
 * @property {boolean} [hashes] rounding a cache may turn a sign, and so look up another row: the oracle is met in F32
 * @property {Checkpoint} checkpoint what a checkpoint in Hugging Face's layout has
 */

/**
 * @typedef {object} Checkpoint
 * @property {(key: (name: string) => any) => Record<string, unknown>} config keys of config.json, of the file's
 * @property {readonly (readonly [from: RegExp, to: string])[]} [names] of tensors, before those of all decoders
 *   where a name has #, the file's tensor is one of each expert, whose number stands there
 * @property {boolean} [halves] q and k turn values i and i + n/2 where GGUF has 2i and 2i + 1
 * @property {RegExp} [plusOne] tensors of the file that are 1 more than the checkpoint's
 * @property {(name: string, key: (name: string) => any) => Layout | undefined} [layout] of a tensor of the file that is
 *   some rows of one of the checkpoint
 * @property {RegExp} [transposed] matrices of the file whose rows are columns in the checkpoint
 */

/**
 * @typedef {object} Layout
 * @property {readonly number[]} shape of the checkpoint's tensor, the last along a row
 * @property {(row: number) => number} rowOf where each row of the file's tensor lies in it
 */

/** Each with the name that GGUF gives it, in the order of the core's registry. @type {Record<string, Architecture>} */
export const ARCHITECTURES = {
  llama,
  qwen2,
  qwen3,
  plm,
  memoryformer,
  phi2,
  gemma,
  gemma2,
  gemma3,
  qwen3moe,
  qwen2moe,
};

/** The names that GGUF gives them, in the order of the list. */
export const NAMES = Object.keys(ARCHITECTURES);

/** The shapes of all made models. @type {Record<string, Shape>} */
export const SHAPES = Object.fromEntries(
  Object.entries(ARCHITECTURES).flatMap(([architecture, { shapes }]) =>
    Object.entries(shapes).map(([kind, shape]) => [kind, { architecture, ...shape }]),
  ),
);

/** The kind of made model that tests run of an architecture. @param {string} architecture */
export const tinyOf = (architecture) => Object.keys(ARCHITECTURES[architecture].shapes)[0];

/** The small model of each architecture, in the order of the list. */
export const TINY = NAMES.map(tinyOf);

/** The architecture of a made model. @param {string} kind */
export const architectureOf = (kind) => ARCHITECTURES[SHAPES[kind].architecture];
