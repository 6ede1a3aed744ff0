/** Vectors of texts, and scores of documents for a query: what models make that write no text, and what others can, too. */

import type { Pointer } from "../../bindings/exports.ts";
import { encodeText } from "../../bindings/memory.ts";
import { BATCH_LIMIT, Pooling as Poolings } from "../../bindings/numbers.ts";
import {
  flag,
  listOf,
  type OptionTable,
  oneOf,
  printable,
  readOptions,
  signal,
  text,
  whole,
} from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { Pace } from "../host/pace.ts";
import { metadataText } from "../load/info.ts";
import { ADAPTER_OPTIONS, type AdapterOptions, type AdapterSet, useInSequence } from "./adapter.ts";
import { droppedCalls, releaseCall } from "./call-context.ts";
import { type CacheType, plainType, typeKind } from "./kept-rows.ts";
import { requireAlive, runPass } from "./pass.ts";
import { cacheType, type LoadedModel, makeContext } from "./sequence-pool.ts";
import { promptOf } from "./tokenizer.ts";

/** How the rows of a text's tokens become one vector; `none`: they stay, one behind the other. */
export type Pooling = "none" | "mean" | "cls" | "last";

const POOLINGS: Readonly<Record<Pooling, number>> = {
  none: Poolings.NONE,
  mean: Poolings.MEAN,
  cls: Poolings.CLS,
  last: Poolings.LAST,
};

/** How texts are read. */
interface ReadOptions extends AdapterOptions {
  /** A text of more tokens than the model takes is cut at its end, and not refused. Default: no. */
  truncate?: boolean;
  /** Type of the cached keys and values, where the model keeps any. Default: as the model was loaded. */
  kv?: CacheType;
  /** Ends the call: the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** How texts become vectors. */
export interface EmbedOptions extends ReadOptions {
  /** Default: as the file says, else `mean` of models that see whole texts, and `last` of those that write. */
  pooling?: Pooling;
  /** Divide each vector by its length, so that products of two are cosines. Default: yes. */
  normalize?: boolean;
  /** So many of the first values alone, for models trained so (Matryoshka, arXiv:2205.13147). Default: all. */
  dimensions?: number;
  /** The name of one of the file's prompts, `query` for instance: its text is put before each text. Default: none. */
  prompt?: string;
}

/** How documents are ranked. */
export interface RerankOptions extends ReadOptions {
  /** Only so many of the best. Default: all. */
  top?: number;
}

/** A document and how well it answers the query. */
export interface Ranked {
  /** Its place among the documents. */
  readonly index: number;
  /** From 0 to 1: the model's probability that it answers the query. */
  readonly score: number;
}

const READ_OPTIONS: OptionTable<ReadOptions> = { ...ADAPTER_OPTIONS, truncate: flag, kv: typeKind, signal };

/** What each of `EmbedOptions` has to be. */
export const EMBED_OPTIONS: OptionTable<EmbedOptions> = {
  ...READ_OPTIONS,
  pooling: oneOf("none", "mean", "cls", "last"),
  normalize: flag,
  dimensions: whole(1, 2 ** 20),
  prompt: text,
};

/** What each of `RerankOptions` has to be. */
export const RERANK_OPTIONS: OptionTable<RerankOptions> = { ...READ_OPTIONS, top: whole(1, 2 ** 31) };

/** Tokens of a pass, where no text is longer: the products are as fast then as they get. */
const PASS_TOKENS = 256;
/** Texts of a pass, and of one of a model that keeps rows of each. */
const PASS_TEXTS = 256;
const KEPT_TEXTS = 32;

/** One vector a text, [tokens, width] of each without pooling. */
export async function embedTexts(
  loaded: LoadedModel,
  texts: unknown,
  given: EmbedOptions,
): Promise<Float32Array<ArrayBuffer>[]> {
  const options = readOptions(given, EMBED_OPTIONS);
  const prompts = promptsOf(texts);
  const { core, pointer, tokenizer } = loaded;
  const width = core.exports.model_vector_width(pointer);
  const pooling = options.pooling === undefined ? core.exports.model_pooling(pointer) : POOLINGS[options.pooling];
  const dimensions = options.dimensions ?? width;
  if (dimensions > width) {
    throw new LimpetError("BAD_ARGUMENT", `dimensions is ${dimensions}, and the model's vectors have ${width} values`);
  }
  const before = promptNamed(loaded, options.prompt);
  const ids = prompts.map((prompt) =>
    typeof prompt === "string" ? Uint32Array.from(tokenizer.tokenize(before + prompt, { bos: true })) : prompt,
  );
  const passes = new TextPasses(loaded, pooling === Poolings.RANK ? Poolings.MEAN : pooling, options);
  return passes.vectors(ids, dimensions, options.normalize ?? true);
}

/** The documents by how well they answer the query, the best first. */
export async function rankDocuments(
  loaded: LoadedModel,
  query: unknown,
  documents: unknown,
  given: RerankOptions,
): Promise<Ranked[]> {
  const options = readOptions(given, RERANK_OPTIONS);
  const asked = text("query", query);
  const all = listOf(text)("documents", documents);
  const { core, pointer } = loaded;
  const width = core.exports.model_vector_width(pointer);
  const passes = new TextPasses(loaded, Poolings.RANK, options);
  const scores = await passes.vectors(
    all.map((document) => pairTokens(loaded, asked, document)),
    width,
    false,
  );
  const ranked = scores.map((score, index) => ({ index, score: probability(score) }));
  ranked.sort((a, b) => b.score - a.score || a.index - b.index);
  return ranked.slice(0, options.top ?? ranked.length);
}

/** Of one score its sigmoid, of two the share of the first: yes, and no. */
function probability(scores: Float32Array): number {
  return 1 / (1 + Math.exp(-(scores.length === 2 ? scores[0] - scores[1] : scores[0])));
}

/** A query and a document as tokens, as the model ranks them. */
function pairTokens({ core, pointer }: LoadedModel, query: string, document: string): Uint32Array<ArrayBuffer> {
  const [asked, given] = [encodeText(query), encodeText(document)];
  return core.scoped((arena) => {
    const texts = [arena.put(asked), asked.length, arena.put(given), given.length] as const;
    for (let capacity = asked.length + given.length + 256; ; ) {
      const target = arena.allocate(capacity * 4);
      const count = core.check(core.exports.model_tokenize_pair(core.pointer, pointer, ...texts, target, capacity));
      if (count <= capacity) return core.memory.u32(target, count).slice();
      capacity = count;
    }
  });
}

/** Texts, or their token ids: read once. */
export function promptsOf(texts: unknown): (string | Uint32Array<ArrayBuffer>)[] {
  if (!Array.isArray(texts)) {
    throw new LimpetError("BAD_ARGUMENT", `texts is a list of texts, [text] for one, not ${printable(texts)}`);
  }
  return Array.from(texts, (one, i) => promptOf(`texts[${i}]`, one));
}

function promptNamed({ core, pointer }: LoadedModel, name: string | undefined): string {
  if (name === undefined) return "";
  const key = `sentence_transformers.prompts.${name}`;
  const prompt = metadataText(core, core.exports.model_gguf(pointer), key);
  if (prompt !== null) return prompt;
  throw new LimpetError("BAD_ARGUMENT", `the file has no prompt ${printable(name)}: put its words before the texts`);
}

/** Passes that hold several texts each, the shortest first. */
class TextPasses {
  readonly #loaded: LoadedModel;
  readonly #pooling: number;
  readonly #kv: CacheType;
  readonly #truncate: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #pace: Pace;
  /** Tokens of a text at most. */
  readonly #longest: number;
  readonly #texts: number;
  readonly #adapters: AdapterSet | undefined;

  constructor(loaded: LoadedModel, pooling: number, { truncate = false, kv, signal, adapters }: ReadOptions) {
    requireAlive(loaded);
    this.#adapters = adapters;
    const { exports } = loaded.core;
    this.#loaded = loaded;
    this.#pooling = pooling;
    this.#truncate = truncate;
    this.#kv = kv ?? plainType(loaded.defaults.kv);
    this.#signal = signal;
    this.#pace = new Pace(signal);
    this.#longest = Math.min(exports.model_context_length(loaded.pointer), BATCH_LIMIT);
    this.#texts = exports.model_is_within(loaded.pointer) ? PASS_TEXTS : KEPT_TEXTS;
  }

  /** The vector of each text, of so many values; a text without a token is zeros. */
  async vectors(
    given: readonly Uint32Array<ArrayBuffer>[],
    dimensions: number,
    normalize: boolean,
  ): Promise<Float32Array<ArrayBuffer>[]> {
    const texts = given.map((ids, i) => this.#fitting(ids, i));
    const order = [...texts.keys()].filter((i) => texts[i].length).sort((a, b) => texts[a].length - texts[b].length);
    const vectors: Float32Array<ArrayBuffer>[] = texts.map(() => new Float32Array(dimensions));
    const last = order.at(-1);
    if (last === undefined) {
      // What is wrong with the pooling is said also where there is nothing to do.
      if (given.length) releaseCall({ loaded: this.#loaded, context: this.#open(1, 1) });
      return vectors;
    }
    const total = order.reduce((sum, i) => sum + texts[i].length, 0);
    const tokens = Math.max(texts[last].length, Math.min(PASS_TOKENS, total));
    const context = this.#open(tokens, Math.min(order.length, this.#texts));
    droppedCalls.watch(this, { loaded: this.#loaded, context });
    try {
      for (let at = 0; at < order.length; ) {
        const end = this.#endOfPass(order, texts, at, tokens);
        await this.#pass(
          context,
          order.slice(at, end).map((i) => texts[i]),
        );
        // Between the end of a pass and here others have had their turn.
        requireAlive(this.#loaded);
        this.#take(context, order.slice(at, end), texts, vectors, dimensions, normalize);
        at = end;
      }
    } finally {
      droppedCalls.forget(this);
      releaseCall({ loaded: this.#loaded, context });
    }
    return vectors;
  }

  /** The text, cut where it is too long and may be. */
  #fitting(ids: Uint32Array<ArrayBuffer>, index: number): Uint32Array<ArrayBuffer> {
    if (ids.length <= this.#longest) return ids;
    if (!this.#truncate) {
      const words = `the text ${index} has ${ids.length} tokens, and the model takes ${this.#longest}`;
      const sizes = { tokens: ids.length, capacity: this.#longest };
      throw new LimpetError("CONTEXT_FULL", `${words}: give parts of it, or cut it with { truncate: true }`, { sizes });
    }
    const cut = ids.slice(0, this.#longest);
    // What ends a text ends what is left of it.
    const { eos, separator } = this.#loaded.tokenizer.specials;
    const end = ids[ids.length - 1];
    if (end === eos || end === separator) cut[cut.length - 1] = end;
    return cut;
  }

  #open(tokens: number, texts: number): Pointer {
    const { core, pointer, sequences } = this.#loaded;
    const [kv, pooling] = [cacheType(this.#kv), this.#pooling];
    return makeContext(core, sequences, () =>
      core.exports.context_create_for_texts(core.pointer, pointer, tokens, tokens, texts, kv, pooling),
    );
  }

  #endOfPass(order: readonly number[], texts: readonly Uint32Array[], at: number, tokens: number): number {
    let end = at;
    for (let sum = 0; end < order.length && end - at < this.#texts; end++) {
      sum += texts[order[end]].length;
      if (sum > tokens) break;
    }
    return end;
  }

  async #pass(context: Pointer, texts: readonly Uint32Array[]): Promise<void> {
    requireAlive(this.#loaded);
    const { exports, memory } = this.#loaded.core;
    exports.context_reset(context);
    for (const [sequence, text] of texts.entries()) {
      useInSequence(this.#loaded, context, sequence, this.#adapters, text);
    }
    const count = texts.reduce((sum, { length }) => sum + length, 0);
    const ids = memory.u32(exports.context_ids(context), count);
    const sequences = memory.u32(exports.context_sequences(context), count);
    const positions = memory.i32(exports.context_positions(context), count);
    const wanted = memory.u8(exports.context_wanted(context), count);
    const pooling = exports.context_pooling(context);
    let at = 0;
    for (const [sequence, text] of texts.entries()) {
      ids.set(text, at);
      sequences.fill(sequence, at, at + text.length);
      const one = pooling === Poolings.CLS ? 0 : pooling === Poolings.LAST ? text.length - 1 : -1;
      for (let i = 0; i < text.length; i++) {
        positions[at + i] = i;
        wanted[at + i] = one < 0 || i === one ? 1 : 0;
      }
      at += text.length;
    }
    await runPass(this.#loaded, context, count, this.#pace, this.#signal);
  }

  /** Takes what a pass has made: a vector of each of its texts, or of each of their tokens. */
  #take(
    context: Pointer,
    order: readonly number[],
    texts: readonly Uint32Array[],
    vectors: Float32Array<ArrayBuffer>[],
    dimensions: number,
    normalize: boolean,
  ): void {
    const { core } = this.#loaded;
    const { exports, memory } = core;
    const perToken = this.#pooling === Poolings.NONE;
    core.scoped((arena) => {
      const target = arena.allocate(dimensions * 4);
      let row = 0;
      for (const i of order) {
        const rows = perToken ? texts[i].length : 1;
        const vector = new Float32Array(rows * dimensions);
        for (let r = 0; r < rows; r++) {
          core.check(exports.context_put_vector(context, row++, dimensions, normalize ? 1 : 0, target));
          vector.set(memory.f32(target, dimensions), r * dimensions);
        }
        vectors[i] = vector;
      }
    });
  }
}
