/**
 * The architectures, once for all that tests, benches and scripts do with each: shapes of made models, the tensors and
 * keys of their files, what a checkpoint calls them, and what is asked of the oracle.
 *
 * A new architecture is a file of architectures/, its line here, and its forward in test/oracle/architectures/;
 * test/architectures.test.ts says what is missing for one that the core runs.
 */
import { afmoe } from "./architectures/afmoe.mjs";
import { apertus } from "./architectures/apertus.mjs";
import { arcee } from "./architectures/arcee.mjs";
import { baichuan } from "./architectures/baichuan.mjs";
import { bailingmoe } from "./architectures/bailingmoe.mjs";
import { bailingmoe2 } from "./architectures/bailingmoe2.mjs";
import { bitnet } from "./architectures/bitnet.mjs";
import { bitnetB158 } from "./architectures/bitnet-b1.58.mjs";
import { bloom } from "./architectures/bloom.mjs";
import { chatglm } from "./architectures/chatglm.mjs";
import { codeshell } from "./architectures/codeshell.mjs";
import { cohere2 } from "./architectures/cohere2.mjs";
import { cohere2moe } from "./architectures/cohere2moe.mjs";
import { commandR } from "./architectures/command-r.mjs";
import { deci } from "./architectures/deci.mjs";
import { deepseek } from "./architectures/deepseek.mjs";
import { deepseek2 } from "./architectures/deepseek2.mjs";
import { ernie4_5 } from "./architectures/ernie4_5.mjs";
import { ernie45Moe } from "./architectures/ernie4_5-moe.mjs";
import { exaone } from "./architectures/exaone.mjs";
import { exaone4 } from "./architectures/exaone4.mjs";
import { falcon } from "./architectures/falcon.mjs";
import { falconH1 } from "./architectures/falcon-h1.mjs";
import { gemma } from "./architectures/gemma.mjs";
import { gemma2 } from "./architectures/gemma2.mjs";
import { gemma3 } from "./architectures/gemma3.mjs";
import { gemma3n } from "./architectures/gemma3n.mjs";
import { gemma4 } from "./architectures/gemma4.mjs";
import { glm4 } from "./architectures/glm4.mjs";
import { gptOss } from "./architectures/gpt-oss.mjs";
import { gpt2 } from "./architectures/gpt2.mjs";
import { gptneox } from "./architectures/gptneox.mjs";
import { granite } from "./architectures/granite.mjs";
import { granitehybrid } from "./architectures/granitehybrid.mjs";
import { granitemoe } from "./architectures/granitemoe.mjs";
import { hunyuanDense } from "./architectures/hunyuan-dense.mjs";
import { hunyuanMoe } from "./architectures/hunyuan-moe.mjs";
import { internlm2 } from "./architectures/internlm2.mjs";
import { jais } from "./architectures/jais.mjs";
import { jais2 } from "./architectures/jais2.mjs";
import { jamba } from "./architectures/jamba.mjs";
import { lfm2 } from "./architectures/lfm2.mjs";
import { lfm2moe } from "./architectures/lfm2moe.mjs";
import { llama } from "./architectures/llama.mjs";
import { llama4 } from "./architectures/llama4.mjs";
import { maincoder } from "./architectures/maincoder.mjs";
import { mamba } from "./architectures/mamba.mjs";
import { mamba2 } from "./architectures/mamba2.mjs";
import { mellum } from "./architectures/mellum.mjs";
import { memoryformer } from "./architectures/memoryformer.mjs";
import { minicpm } from "./architectures/minicpm.mjs";
import { minicpm3 } from "./architectures/minicpm3.mjs";
import { mistral3 } from "./architectures/mistral3.mjs";
import { mpt } from "./architectures/mpt.mjs";
import { nemotron } from "./architectures/nemotron.mjs";
import { nemotronH } from "./architectures/nemotron_h.mjs";
import { olmo } from "./architectures/olmo.mjs";
import { olmo2 } from "./architectures/olmo2.mjs";
import { olmoe } from "./architectures/olmoe.mjs";
import { openelm } from "./architectures/openelm.mjs";
import { orion } from "./architectures/orion.mjs";
import { phi2 } from "./architectures/phi2.mjs";
import { phi3 } from "./architectures/phi3.mjs";
import { phimoe } from "./architectures/phimoe.mjs";
import { plm } from "./architectures/plm.mjs";
import { qwen } from "./architectures/qwen.mjs";
import { qwen2 } from "./architectures/qwen2.mjs";
import { qwen2moe } from "./architectures/qwen2moe.mjs";
import { qwen3 } from "./architectures/qwen3.mjs";
import { qwen3moe } from "./architectures/qwen3moe.mjs";
import { qwen3next } from "./architectures/qwen3next.mjs";
import { qwen35 } from "./architectures/qwen35.mjs";
import { refact } from "./architectures/refact.mjs";
import { rwkv6 } from "./architectures/rwkv6.mjs";
import { rwkv7 } from "./architectures/rwkv7.mjs";
import { seedOss } from "./architectures/seed_oss.mjs";
import { smallthinker } from "./architectures/smallthinker.mjs";
import { smollm3 } from "./architectures/smollm3.mjs";
import { stablelm } from "./architectures/stablelm.mjs";
import { starcoder } from "./architectures/starcoder.mjs";
import { starcoder2 } from "./architectures/starcoder2.mjs";
import { xverse } from "./architectures/xverse.mjs";
import { ENCODER_SHAPES, ENCODERS } from "./encoders.mjs";

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
 * @property {number} [nope] @property {number} [rope] @property {number} [value] @property {number} [rank] of latents
 * @property {number} [queryRank] of a latent that queries are made of
 * @property {number} [chunks] @property {number} [bits] of a memoryformer: tables, and bits of a code; rope: as of plm and phi2
 * @property {number} [kvHeads] @property {number} [headSize] of the others
 * @property {number} [window] tokens that a token sees in layers with a window
 * @property {number} [experts] @property {number} [used] of which a token goes to @property {number} [expertWidth]
 * @property {number} [sharedWidth] of an expert that all tokens go to @property {number} [dense] layers before experts
 * @property {number[]} [headsOf] @property {number[]} [kvHeadsOf] @property {number[]} [ffnOf] by layer
 * @property {number} [original] context before RoPE was scaled
 * @property {number} [localSize] of heads in layers with a window @property {number} [inputWidth] of a layer's own input
 * @property {number} [sharing] last layers that read keys and values of layers before them
 * @property {boolean} [parallel] attention and the feed-forward network read one norm
 * @property {boolean} [tied] no output matrix of its own
 * @property {number} [alpha] what RoPE's base is enlarged by @property {readonly number[]} [sections] of RoPE
 * @property {number} [taps] tokens that a convolution sees @property {number} [inner] width of a state space model
 * @property {number} [stateSize] values of a channel's or a key's state @property {number} [timeRank] of Δ, or heads
 * @property {number} [groups] of such heads, or key heads @property {boolean} [plainNorms] Δ, B and C are normed without weights
 * @property {boolean} [normed] whole rows of q and k are normed, and positions learned (mpt)
 * @property {boolean} [roots] RMSNorms where others have LayerNorms (cohere2moe)
 * @property {boolean} [ropeFactors] Llama 3.1's rope_freqs tensor
 *
 * Of encoders (encoders.mjs):
 * @property {number} [pooling] as files number them @property {number} [parts] of a pair @property {number} [separator] of them, a token
 * @property {boolean} [fused] queries, keys and values in one matrix @property {boolean} [silu] for GELU
 * @property {boolean} [rowNorms] of q and k, and a second norm behind the attention @property {number} [every] how many layers experts are (also ernie4_5-moe)
 * @property {"gated" | "fused" | "plain"} [feedForward] @property {number} [most] of ALiBi's bias
 * @property {[number, number]} [maps] widths of linear maps behind pooling
 * @property {number} [labels] of a classifier @property {"both" | "output" | "cls"} [classifier] the tensors that it has
 * @property {"distilbert" | "roberta"} [checkpoint] whose names it has; bert's where nothing is said
 */

/**
 * @typedef {object} Architecture
 * @property {string} models what is known by that name, for docs/models.md
 * @property {string} [refuses] what a file of it may ask for and limpet does not do
 * @property {Record<string, Omit<Shape, "architecture">>} shapes of made models by name; the first one is small, and tests run it
 * @property {Record<string, readonly ("llama.cpp" | "transformers")[]>} [variants] shapes that have what the first has not, each with
 *   the engines whose logits are stored beside the oracle's, in F32
 * @property {readonly string[]} [unconverted] variants whose keys no checkpoint gives
 * @property {(w: Weights) => void} block adds the tensors of a layer
 * @property {(w: Weights) => void} [ends] adds tensors of no layer, beside embedding, last norm and head
 * @property {(shape: Shape) => Entry[]} keys of the metadata behind those that all decoders have, without the prefix
 * @property {(shape: Shape) => Entry[]} [plainKeys] keys that have no prefix
 * @property {boolean} [plainOutput] the norm behind the layers has no weight
 * @property {string} [title] what its files call themselves, where a peer makes more of the architecture's name
 * @property {readonly TensorType[]} types for which the oracle's logits are stored
 * @property {readonly ("llama.cpp" | "transformers")[]} [peers] engines that run it too, and whose logits are stored
 * @property {boolean} [recurrent] layers keep a state for all tokens: rows cannot be dropped, moved or seen one by one
 * @property {boolean} [latent] attention has an absorbed and an expanded form
 * @property {boolean} [absolute] what a token answers depends on where it stands, not on distances alone
 * @property {boolean} [hashes] rounding a cache may turn a sign, and so look up another row: the oracle is met in F32
 * @property {boolean} [fixed] rows of state cannot be moved: positions are learned or distances, or keys are normed behind RoPE
 * @property {boolean} [distances] equal rows are not attended to alike: their distance counts (ALiBi)
 * @property {Checkpoint} [checkpoint] what a checkpoint in Hugging Face's layout has; without: none is converted
 */

/**
 * @typedef {object} Checkpoint
 * @property {(key: (name: string) => any, shape: Shape) => Record<string, unknown>} config keys of config.json, of the file's
 * @property {readonly (readonly [from: RegExp, to: string])[] | ((shape: Shape) => readonly (readonly [from: RegExp, to: string])[])} [names]
 *   of tensors, before those of all decoders;
 *   where a name has #, the file's tensor is several, of each expert say, whose number stands there
 * @property {string} [letters] or whose letter
 * @property {Record<string, number | number[]>} [scalars] tensors of one value, in a list or not, that the file has as keys
 * @property {boolean} [halves] q and k turn values i and i + n/2 where GGUF has 2i and 2i + 1
 * @property {RegExp} [plusOne] tensors of the file that are 1 more than the checkpoint's
 * @property {(name: string, key: (name: string) => any, shape: Shape) => Layout | undefined} [layout] of a tensor of the file that is
 *   some rows of one of the checkpoint
 * @property {RegExp} [negatedExp] tensors of the file that are −e^x of the checkpoint's x
 * @property {(name: string, key: (name: string) => any) => ((row: number) => number) | undefined} [times] what rows of the file's tensor
 *   are, of the checkpoint's: powers of 2
 * @property {RegExp} [transposed] matrices of the file whose rows are columns in the checkpoint
 */

/**
 * @typedef {object} Layout
 * @property {readonly number[]} shape of the checkpoint's tensor, the last along a row
 * @property {(row: number) => number} [rowOf] where each row of the file's tensor lies in it
 * @property {(value: number) => number} [placeOf] or where each value does
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
  phi3,
  smollm3,
  granite,
  granitemoe,
  minicpm,
  arcee,
  mistral3,
  apertus,
  olmo2,
  exaone,
  exaone4,
  cohere2,
  "command-r": commandR,
  "hunyuan-dense": hunyuanDense,
  glm4,
  internlm2,
  ernie4_5,
  olmoe,
  "gpt-oss": gptOss,
  deepseek2,
  minicpm3,
  deci,
  gpt2,
  gptneox,
  starcoder2,
  stablelm,
  gemma4,
  gemma3n,
  lfm2,
  mamba2,
  qwen35,
  qwen3next,
  granitehybrid,
  "falcon-h1": falconH1,
  nemotron_h: nemotronH,
  mamba,
  jamba,
  rwkv7,
  rwkv6,
  lfm2moe,
  starcoder,
  falcon,
  olmo,
  bloom,
  mpt,
  nemotron,
  jais2,
  seed_oss: seedOss,
  baichuan,
  qwen,
  chatglm,
  openelm,
  orion,
  xverse,
  refact,
  codeshell,
  jais,
  maincoder,
  bitnet,
  "bitnet-b1.58": bitnetB158,
  phimoe,
  "ernie4_5-moe": ernie45Moe,
  "hunyuan-moe": hunyuanMoe,
  bailingmoe,
  deepseek,
  bailingmoe2,
  afmoe,
  mellum,
  llama4,
  cohere2moe,
  smallthinker,
};

/** The names that GGUF gives them, in the order of the list. */
export const NAMES = Object.keys(ARCHITECTURES);

/** Decoders, and encoders behind them. @type {Record<string, import("./encoders.mjs").Encoder>} */
const ALL = { ...ARCHITECTURES, ...ENCODERS };

/** What the list of decoders or that of encoders has of an architecture. @param {string} name */
export const entryOf = (name) => ALL[name];

/** The shapes of all made models. @type {Record<string, Shape>} */
export const SHAPES = {
  ...Object.fromEntries(
    Object.entries(ARCHITECTURES).flatMap(([architecture, { shapes }]) =>
      Object.entries(shapes).map(([kind, shape]) => [kind, { architecture, ...shape }]),
    ),
  ),
  ...ENCODER_SHAPES,
};

/** The kind of made model that tests run of an architecture. @param {string} architecture */
export const tinyOf = (architecture) => Object.keys(ARCHITECTURES[architecture].shapes)[0];

/** The small model of each architecture, in the order of the list. */
export const TINY = NAMES.map(tinyOf);

/** Those whose layers keep nothing but a row a token. */
export const TINY_OF_ROWS = TINY.filter((_, i) => !ARCHITECTURES[NAMES[i]].recurrent);

/** Those with layers that keep one state for all tokens. */
export const TINY_RECURRENT = TINY.filter((_, i) => ARCHITECTURES[NAMES[i]].recurrent);

/** Made models that have what the small one of their architecture has not. */
export const VARIANTS = NAMES.flatMap((name) => Object.keys(ARCHITECTURES[name].variants ?? {}));

/** The architecture of a made model. @param {string} kind */
export const architectureOf = (kind) => entryOf(SHAPES[kind].architecture);

/** Whether what a cache rounds may change much: another row is looked up, another expert chosen. @param {string} kind */
export const jumps = (kind) => Boolean(architectureOf(kind).hashes || SHAPES[kind].experts);

/** The made models whose logits an engine gives: the small one of each architecture, and behind them its variants. */
export function kindsOf(/** @type {"llama.cpp" | "transformers"} */ peer) {
  const runs = (/** @type {readonly string[] | undefined} */ peers) => peers?.includes(peer) ?? false;
  const variants = VARIANTS.filter((kind) => runs(architectureOf(kind).variants?.[kind]));
  return [...NAMES.filter((name) => runs(ARCHITECTURES[name].peers)).map(tinyOf), ...variants];
}
