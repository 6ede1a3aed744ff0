/** What a model file says of itself: metadata, tensors, and the figures that a user asks for first. */
import type { Pointer } from "../../bindings/exports.ts";
import { Pooling, TokenizerModel, ValueType } from "../../bindings/numbers.ts";
import type { Core } from "../host/instance.ts";
import { typeName } from "../host/types.ts";

/** A value of a file's metadata: integers beyond 2^53 are bigints. */
export type MetadataValue = number | bigint | boolean | string | MetadataValue[];

/** A tensor of a file. */
export interface TensorInfo {
  /** Its name in the file. */
  readonly name: string;
  /** Its block format by name, or `type N` where the number N has no name. */
  readonly type: string;
  /** Sizes as GGUF gives them: the first is along a row. */
  readonly shape: readonly number[];
  /** Its data takes so many bytes. */
  readonly bytes: number;
  /** The file of a split model that holds it, from 0. */
  readonly file: number;
  /** Where in that file its data begins [bytes]. */
  readonly offset: number;
}

/** What is doubtful about a file that loads all the same. */
export interface ModelWarning {
  /** `NO_PRETOKENIZER`: byte-level BPE without `tokenizer.ggml.pre`. */
  readonly code: "NO_PRETOKENIZER";
  /** What is doubtful, and what to do. */
  readonly message: string;
}

/** A way from texts to tokens. */
export type TokenizerKind = "bpe" | "spm" | "wordpiece" | "unigram" | "rwkv";

/** What a model file says of itself. */
export interface ModelInfo {
  /** `general.name`, or the name of the file. */
  readonly name: string | null;
  /** `general.license` as the file has it, or else `general.license.name`; null where it names none. */
  readonly license: string | null;
  /** `general.architecture`; null where the file does not say. */
  readonly architecture: string | null;
  /** Weights in all. */
  readonly parameters: number;
  /** The model has so many layers. */
  readonly layers: number;
  /** A token is a vector of so many values between layers. */
  readonly hidden: number;
  /** The vocabulary has so many tokens. */
  readonly vocabulary: number;
  /** Tokens of context that the model was trained for. */
  readonly contextLength: number;
  /**
   * Its kind (byte-level BPE, SentencePiece's BPE, WordPiece, SentencePiece's unigrams, RWKV's vocabulary) and the name of
   * its pre-tokenizer, which only byte-level BPE needs.
   */
  readonly tokenizer: { readonly kind: TokenizerKind; readonly pre: string | null };
  /**
   * What it makes: `text`, one token after the other; `vectors` of texts; or `scores` of documents for a query. One that
   * makes text makes vectors, too.
   */
  readonly makes: "text" | "vectors" | "scores";
  /** Its vectors have so many values, and a text's rows become one by this pooling. */
  readonly embedding: { readonly dimensions: number; readonly pooling: "none" | "mean" | "cls" | "last" };
  /** How many tensors the file holds of each type. */
  readonly types: Readonly<Record<string, number>>;
  /** Bytes of all tensors. */
  readonly bytes: number;
  /** The file holds no weights, or they were not asked for. */
  readonly vocabularyOnly: boolean;
  /** What is doubtful about it. */
  readonly warnings: readonly ModelWarning[];
}

const KINDS: ReadonlyMap<number, TokenizerKind> = new Map([
  [TokenizerModel.BPE, "bpe"],
  [TokenizerModel.SPM, "spm"],
  [TokenizerModel.WORDPIECE, "wordpiece"],
  [TokenizerModel.UNIGRAM, "unigram"],
  [TokenizerModel.RWKV, "rwkv"],
]);

export function readInfo(core: Core, model: Pointer, fileName: string | null): ModelInfo {
  const { exports } = core;
  const gguf = exports.model_gguf(model);
  const tensors = readTensors(core, gguf);
  const types: Record<string, number> = {};
  let parameters = 0;
  let bytes = 0;
  for (const { type, shape, bytes: size } of tensors) {
    types[type] = (types[type] ?? 0) + 1;
    parameters += shape.reduce((product, n) => product * n, 1);
    bytes += size;
  }
  const architecture = metadataText(core, gguf, "general.architecture");
  const number = (key: string) => {
    const value = readKey(core, gguf, `${architecture}.${key}`);
    return typeof value === "number" ? value : 0;
  };
  return {
    name: metadataText(core, gguf, "general.name") ?? fileName,
    license: metadataText(core, gguf, "general.license") ?? metadataText(core, gguf, "general.license.name"),
    architecture,
    parameters,
    // Without weights the core does not read the shape: the metadata may have it all the same.
    layers: exports.model_layers(model) || number("block_count"),
    hidden: exports.model_hidden(model) || number("embedding_length"),
    vocabulary: exports.model_vocabulary(model),
    contextLength: exports.model_context_length(model) || number("context_length"),
    tokenizer: {
      kind: KINDS.get(exports.tokenizer_model(exports.model_tokenizer(model)))!,
      pre: metadataText(core, gguf, "tokenizer.ggml.pre"),
    },
    ...whatItMakes(core, model),
    types,
    bytes,
    vocabularyOnly: exports.model_vocabulary_only(model) !== 0,
    warnings: readWarnings(core, gguf),
  };
}

function whatItMakes(core: Core, model: Pointer): Pick<ModelInfo, "makes" | "embedding"> {
  const { exports } = core;
  const pooling = exports.model_pooling(model);
  const ranks = pooling === Pooling.RANK;
  const makes = ranks
    ? "scores"
    : exports.model_has_logits(model) || exports.model_vocabulary_only(model)
      ? "text"
      : "vectors";
  return {
    makes,
    embedding: {
      dimensions: ranks ? 0 : exports.model_vector_width(model),
      pooling: (["none", "mean", "cls", "last"] as const)[pooling] ?? "none",
    },
  };
}

export function readWarnings(core: Core, gguf: Pointer): ModelWarning[] {
  const { exports } = core;
  const warnings: ModelWarning[] = [];
  for (;;) {
    const index = warnings.length;
    const text = core.text(exports.gguf_warning(gguf, index), exports.gguf_warning_length(gguf, index));
    if (text === "") return warnings;
    const end = text.indexOf(" ");
    warnings.push({ code: text.slice(0, end) as ModelWarning["code"], message: text.slice(end + 1) });
  }
}

export function readTensors(core: Core, gguf: Pointer): TensorInfo[] {
  const { exports } = core;
  return Array.from({ length: exports.gguf_tensor_count(gguf) }, (_, i) => {
    const tensor = exports.gguf_tensor(gguf, i);
    return {
      name: core.text(exports.tensor_name(tensor), exports.tensor_name_length(tensor)),
      type: typeName(exports.tensor_type(tensor)),
      shape: Array.from({ length: exports.tensor_dimensions(tensor) }, (_, d) => exports.tensor_size(tensor, d) >>> 0),
      bytes: Number(exports.tensor_bytes(tensor)),
      file: exports.tensor_file(tensor),
      offset: Number(exports.tensor_offset(tensor)),
    };
  });
}

/** All keys in file order. Arrays longer than `limit` are cut. */
export function readMetadata(
  core: Core,
  gguf: Pointer,
  limit: number = Number.POSITIVE_INFINITY,
): Map<string, { value: MetadataValue; count: number | null }> {
  const { exports } = core;
  const all = new Map<string, { value: MetadataValue; count: number | null }>();
  for (let i = 0; i < exports.gguf_entry_count(gguf); i++) {
    const entry = exports.gguf_entry(gguf, i);
    const count = exports.entry_type(entry) === ValueType.ARRAY ? exports.entry_count(entry) : null;
    all.set(core.text(exports.entry_key(entry), exports.entry_key_length(entry)), {
      value: readEntry(core, entry, limit),
      count,
    });
  }
  return all;
}

/** The value of one key, or undefined. */
function readKey(core: Core, gguf: Pointer, key: string): MetadataValue | undefined {
  return core.scoped((arena) => {
    const entry = core.exports.gguf_find_entry(gguf, ...arena.putText(key));
    return entry === 0 ? undefined : readEntry(core, entry, Number.POSITIVE_INFINITY);
  });
}

/** A text of the metadata; null: there is none. */
export function metadataText(core: Core, gguf: Pointer, key: string): string | null {
  const value = readKey(core, gguf, key);
  return typeof value === "string" ? value : null;
}

/** The value of an entry. An array longer than `limit` is cut. */
export function readEntry(core: Core, entry: Pointer, limit: number): MetadataValue {
  const { exports, memory } = core;
  const type = exports.entry_type(entry);
  const elementType = type === ValueType.ARRAY ? exports.entry_element_type(entry) : type;
  const count = type === ValueType.ARRAY ? Math.min(exports.entry_count(entry), limit) : 1;
  const values: MetadataValue[] = [];
  let at = exports.entry_value(entry) >>> 0;
  for (let i = 0; i < count; i++) {
    if (elementType === ValueType.STRING) {
      const length = Number(memory.readU64(at));
      values.push(memory.readText(at + 8, length));
      at += 8 + length;
    } else if (elementType === ValueType.U64 || elementType === ValueType.I64) {
      const value = memory.readU64(at);
      const signed = elementType === ValueType.I64 ? BigInt.asIntN(64, value) : value;
      values.push(Number.isSafeInteger(Number(signed)) ? Number(signed) : signed);
      at += 8;
    } else {
      const value = exports.entry_number(entry, i);
      values.push(elementType === ValueType.BOOL ? value !== 0 : value);
    }
  }
  return type === ValueType.ARRAY ? values : values[0];
}
