#!/usr/bin/env node
/**
 * What activations in bytes cost in the fast build: KL to the numpy oracle of the rule that ships
 * (assembly/weights/precision.ts), of one byte and of two everywhere, and place by place.
 *
 *   node precision.mjs [--models smollm2,plm-100m-q4_0] [--tokens 256] [--text FILE] [--places] [--wasm FILE]
 *
 * Models are names or files. Trained ones want a text (SmolLM2 has WikiText-2); without one 64 ids are made up.
 * Needs what accuracy.mjs needs, and a host with relaxed SIMD (Node 22 or newer).
 */
import { openSync, readFileSync, readSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { numbersOf } from "../scripts/boundary.mjs";
import { compare, limpet, modelPath, oracle, ROOT, readLogits, workFile } from "./limpet.mjs";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "smollm2,plm-100m-q4_0,plm-100m-q8_0,plm-100m-q4_k" },
    tokens: { type: "string", default: "256" },
    text: { type: "string" },
    places: { type: "boolean", default: false },
    wasm: { type: "string", default: `${ROOT}build/limpet.relaxed.wasm` },
  },
});

/** Matrices by the names that the files give them; the head may be the embedding. */
const PLACES = {
  attn_q: ["attn_q"],
  attn_k: ["attn_k"],
  attn_v: ["attn_v"],
  attn_output: ["attn_output"],
  attn_kv_a_mqa: ["attn_kv_a_mqa"],
  attn_kv_b: ["attn_kv_b"],
  ffn_gate: ["ffn_gate"],
  ffn_up: ["ffn_up"],
  ffn_down: ["ffn_down"],
  head: ["output", "token_embd"],
};
const { BYTE, OUTLIERS, TWO_BYTES } = numbersOf("ActivationPrecision");
const { NEED_DATA } = numbersOf("Status");
const BATCH = 64;
const KV_F32 = numbersOf("KvType").F32;

const wasm = new WebAssembly.Module(readFileSync(values.wasm));

/** A model in an instance of its own. @param {string} path */
function load(path) {
  const x = /** @type {any} */ (new WebAssembly.Instance(wasm).exports);
  const core = x.core_create() >>> 0;
  const check = (/** @type {number} */ status) => {
    if (status >= 0) return status;
    const at = x.error_message(core) >>> 0;
    throw new Error(Buffer.from(x.memory.buffer, at, x.error_message_length(core)).toString());
  };
  const model = x.model_create(core, 1, 0) >>> 0;
  check(x.model_set_file_size(model, 0, BigInt(statSync(path).size)));
  const file = openSync(path, "r");
  for (let status = 1; status !== 0; ) {
    status = check(x.model_step(model));
    if (status !== NEED_DATA) continue;
    const target = new Uint8Array(
      x.memory.buffer,
      x.model_request_destination(model) >>> 0,
      x.model_request_length(model),
    );
    readSync(file, target, 0, target.length, Number(x.model_request_offset(model)));
  }
  const layers = x.model_layers(model);
  const vocabulary = x.model_vocabulary(model);

  /** @param {number[]} ids */
  const logits = (ids) => {
    const context = x.context_create(core, model, ids.length, BATCH, BATCH, 1, KV_F32) >>> 0;
    if (context === 0) check(-1);
    x.context_set_form(context, 1);
    const rows = new Float32Array(ids.length * vocabulary);
    for (let first = 0; first < ids.length; first += BATCH) {
      const count = Math.min(BATCH, ids.length - first);
      const words = (/** @type {number} */ at) => new Int32Array(x.memory.buffer, at >>> 0, count);
      words(x.context_ids(context)).set(ids.slice(first, first + count));
      words(x.context_positions(context)).set(Array.from({ length: count }, (_, i) => first + i));
      words(x.context_sequences(context)).fill(0);
      new Uint8Array(x.memory.buffer, x.context_wanted(context) >>> 0, count).fill(1);
      check(x.context_begin(context, count, 0, layers));
      while (check(x.context_step(context)) !== 0);
      const made = new Float32Array(x.memory.buffer, x.context_logits(context) >>> 0, count * vocabulary);
      rows.set(made, first * vocabulary);
    }
    x.context_release(context);
    return rows;
  };
  /** @param {string[]} names @param {number} form */
  const set = (names, form) => {
    for (const name of names) {
      const bytes = Buffer.from(name);
      const pointer = x.core_allocate(core, BigInt(bytes.length)) >>> 0;
      new Uint8Array(x.memory.buffer, pointer, bytes.length).set(bytes);
      check(x.model_set_operands(model, pointer, bytes.length, form));
      x.core_release(core, pointer);
    }
  };
  return { vocabulary, logits, set };
}

/** @param {string} name @param {string} path @param {number} vocabulary @param {number} count */
function idsOf(name, path, vocabulary, count) {
  const file = values.text ?? (name === "smollm2" ? `${ROOT}../shared/data/wikitext-2-valid.txt` : undefined);
  if (!file) return Array.from({ length: Math.min(count, 64) }, (_, i) => (i * 7919 + 13) % vocabulary);
  const text = readFileSync(file, "utf8").slice(0, count * 6);
  return JSON.parse(limpet("tokenize", path, text)).slice(0, count);
}

console.log("| model | bytes an activation | KL mean | KL largest | top token equal |\n|---|---|---|---|---|");
for (const name of values.models.split(",")) {
  const path = modelPath(name);
  const model = load(path);
  const ids = idsOf(name, path, model.vocabulary, Number(values.tokens));
  const out = workFile("oracle.f32");
  oracle(path, [ids], out);
  const exact = readLogits(out);
  const report = (/** @type {string} */ what) => {
    const { klMean, klMax, top1 } = compare(exact, model.logits(ids), model.vocabulary);
    console.log(
      `| ${name} | ${what} | ${klMean.toExponential(1)} | ${klMax.toExponential(1)} | ${(100 * top1).toFixed(1)} % |`,
    );
  };
  report("as shipped");
  const all = (/** @type {number} */ form) => {
    for (const names of Object.values(PLACES)) model.set(names, form);
  };
  all(TWO_BYTES);
  report("two everywhere");
  all(OUTLIERS);
  report("one, two where a block stands out");
  all(BYTE);
  report("one everywhere");
  if (values.places) {
    for (const form of [BYTE, OUTLIERS]) {
      all(TWO_BYTES);
      for (const [what, names] of Object.entries(PLACES)) {
        model.set(names, form);
        report(`two, but ${form === BYTE ? "one" : "two where a block stands out"} in ${what}`);
        model.set(names, TWO_BYTES);
      }
    }
  }
}
