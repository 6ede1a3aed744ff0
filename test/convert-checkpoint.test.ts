/** Conversion: from a checkpoint back to the model that it was made of, and what is wrong with one in words. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { architectureOf, TINY, VARIANTS } from "../scripts/architectures.mjs";
import { tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { Model } from "../src/api/model.ts";
import { convert } from "../src/convert.ts";
import { Core } from "../src/host/instance.ts";
import { kernels } from "../src/kernels.ts";
import type { GgufValue } from "../src/load/gguf-entries.ts";
import { readHead } from "../src/load/gguf-head.ts";
import type { TensorInfo } from "../src/load/info.ts";
import { openSource } from "../src/load/source.ts";
import { type CheckpointParts, checkpointOf, safetensors, writeCheckpoint } from "./support/checkpoint.ts";
import { errorOf, temporaryFile } from "./support/models.ts";

const OUT = temporaryFile("converted.gguf");
const unfinished = () => readdirSync(dirname(OUT)).filter((name) => name.endsWith(".part"));

interface Converted {
  keys: Map<string, GgufValue>;
  tensors: Map<string, TensorInfo & { data: Uint8Array }>;
}

async function read(path: string): Promise<Converted> {
  const parts = await openSource(path);
  const { metadata, tensors } = await readHead(await Core.create({}), parts);
  for (const part of parts) part.close();
  const file = readFileSync(path);
  return {
    keys: new Map(metadata.map(([key, , value]) => [key, value])),
    tensors: new Map(
      tensors.map((tensor) => {
        const data = new Uint8Array(file.subarray(tensor.offset, tensor.offset + tensor.bytes));
        return [tensor.name, { ...tensor, data }];
      }),
    ),
  };
}

async function converted(parts: CheckpointParts, type = "F32", shards = 1): Promise<Converted> {
  await convert(writeCheckpoint("checkpoint", parts, shards), OUT, { type });
  return read(OUT);
}

/** An ε that nobody reads, which the made model has wrong on purpose. A pre-tokenizer may have several names. */
const NOT_SAID = /nemotron_h\.attention\.layer_norm_epsilon/;

for (const kind of [...TINY, ...VARIANTS].filter((kind) => architectureOf(kind).checkpoint)) {
  if (architectureOf(kind).unconverted?.includes(kind)) continue;
  test(`${kind}: the keys and the weights of the model that the checkpoint was made from`, async () => {
    const { model, parts } = checkpointOf(kind);
    if (kind === "llama-tiny") {
      const scaling = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
      parts.config["rope_scaling"] = { rope_type: "llama3", ...scaling };
    }
    const { keys, tensors } = await converted(parts, "F32", kind === "plm-1m" ? 3 : 1);
    for (const [key, type, value] of model.metadata) {
      if (/general\.name|token_type$|rope\.dimension_count|vocab_size/.test(key)) continue;
      if (NOT_SAID.test(key) || (kind === "falcon-h1-tiny" && key === "tokenizer.ggml.pre")) continue;
      const expected = type === "f32" ? Math.fround(Number(value)) : value;
      assert.equal(keys.get(key), expected, key);
    }
    const types = keys.get("tokenizer.ggml.token_type") as number[];
    assert.is(types.at(-1), 3);
    assert.equal([...tensors.keys()].sort(), model.tensors.map(({ name }) => name).sort());
    // Anew: a tensor's `fill` goes on where it ended.
    for (const { name, type, shape, fill } of makeModel(kind, "F32").tensors) {
      if (name === "rope_freqs.weight") continue;
      const expected = new Uint8Array(tensorBytes(type, shape));
      fill(expected);
      assert.ok(Buffer.from(expected).equals(tensors.get(name)!.data), name);
    }
    const loaded = await Model.load(OUT);
    assert.type(await loaded.generate("Once", { maxTokens: 3 }).text(), "string");
    await loaded.dispose();
  });
}

test("types: vectors stay F32, rows that do not divide fall back, blocks are the quantiser's", async () => {
  const { parts } = checkpointOf("qwen3-tiny");
  const k = await kernels();
  const name = "model.layers.0.mlp.up_proj.weight";
  const values = new Float32Array(parts.weights[name].bytes.buffer);
  for (const [type, narrow] of [
    ["F16", "F16"],
    ["BF16", "BF16"],
    ["Q8_0", "Q8_0"],
    ["Q4_K", "Q5_0"],
    ["Q6_K", "Q8_0"],
    ["Q2_K", "IQ4_NL"],
  ] as const) {
    // biome-ignore format: a table
    const { keys, tensors } = await converted(parts, type);
    assert.is(tensors.get("blk.0.attn_norm.weight")!.type, "F32");
    assert.is(tensors.get("blk.0.ffn_up.weight")!.type, type);
    assert.is(tensors.get("blk.0.attn_output.weight")!.type, narrow, `${type} in rows of 384`);
    assert.equal(tensors.get("blk.0.ffn_up.weight")!.data, k.quantize(type, values), type);
    assert.type(keys.get("general.file_type"), "number");
  }
});

test("tables become rows of bytes or of halves of bytes, each with its scale", async () => {
  const { parts } = checkpointOf("memoryformer-tiny");
  const source = parts.weights["model.layers.1.mlp.second.table"];
  const [rows, columns] = source.shape;
  const values = new Float32Array(source.bytes.buffer);
  for (const [type, width, half] of [
    ["Q8_0", columns, 0],
    ["Q4_K", columns / 2, columns / 2],
  ] as const) {
    // biome-ignore format: a table
    const { tensors } = await converted(parts, type);
    const table = tensors.get("blk.1.ffn_down.table")!;
    const scales = new Float32Array(tensors.get("blk.1.ffn_down.scale")!.data.buffer);
    assert.equal([table.type, table.shape, scales.length], ["I8", [width, rows], rows]);
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < columns; i++) {
        const byte = table.data[row * width + (half ? i % half : i)];
        const code = half ? ((byte >> (i < half ? 0 : 4)) & 15) - 8 : (byte << 24) >> 24;
        const error = Math.abs(code * scales[row] - values[row * columns + i]) / Math.abs(scales[row]);
        // Only the code 8 of what lies opposite to the longest value is missing.
        assert.ok(error < 0.5001 || (half && code === 7 && error <= 1.0001), `${type}: ${error} at ${row}, ${i}`);
      }
    }
    const loaded = await Model.load(OUT);
    assert.type(await loaded.generate("Once", { maxTokens: 3 }).text(), "string");
    await loaded.dispose();
  }
  const floats = await converted(parts, "F16");
  assert.is(floats.tensors.get("blk.1.ffn_down.table")!.type, "F16");
});

test("checkpoints of halves: widened exactly, kept as they are where the file has the same type", async () => {
  const { parts } = checkpointOf("llama-tiny");
  const k = await kernels();
  const name = "model.layers.0.mlp.up_proj.weight";
  const values = new Float32Array(parts.weights[name].bytes.buffer);
  for (const dtype of ["F16", "BF16"] as const) {
    // Zero below zero shows that nothing recomputes it.
    const bytes = k.quantize(dtype, values);
    new DataView(bytes.buffer).setUint16(0, 0x8000, true);
    parts.weights[name] = { ...parts.weights[name], dtype, bytes };
    assert.equal((await converted(parts, dtype)).tensors.get("blk.0.ffn_up.weight")!.data, bytes);
    const wide = (await converted(parts, "F32")).tensors.get("blk.0.ffn_up.weight")!.data;
    assert.equal(new Float32Array(wide.buffer), k.dequantize(dtype, bytes));
    assert.is(new Uint32Array(wide.buffer)[0], 0x80000000);
  }
});

test("heads: left out where they are the embedding, and a base model has no prefix", async () => {
  const { model, parts } = checkpointOf("qwen2-tiny");
  const { weights } = parts;
  assert.ok(parts.config["tie_word_embeddings"]);
  weights["lm_head.weight"] = weights["model.embed_tokens.weight"];
  weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = { dtype: "F32", shape: [1], bytes: new Uint8Array(4) };
  const tied = await converted(parts);
  assert.is(tied.tensors.size, model.tensors.length);
  parts.config["tie_word_embeddings"] = false;
  assert.ok((await converted(parts)).tensors.has("output.weight"));
  delete weights["lm_head.weight"];
  const missing = await errorOf(() => converted(parts));
  assert.match(missing.message, /has no lm_head.weight, which config.json promises/);
  parts.config["tie_word_embeddings"] = true;
  assert.not((await converted(parts)).tensors.has("output.weight"));
  parts.weights = Object.fromEntries(Object.entries(weights).map(([name, w]) => [name.replace("model.", ""), w]));
  assert.equal([...(await converted(parts)).tensors.keys()], [...tied.tensors.keys()]);
});

test("general keys, and those of RoPE", async () => {
  const { parts } = checkpointOf("llama-tiny");
  parts.config["rope_parameters"] = { rope_type: "linear", factor: 2, rope_theta: 500000 };
  delete parts.config["rope_theta"];
  const { keys } = await converted(parts, "F16");
  assert.is(keys.get("general.type"), "model");
  assert.is(keys.get("general.name"), "checkpoint");
  assert.match(String(keys.get("general.size_label")), /^\d+(\.\d)?[KM]$/);
  assert.is(keys.get("general.file_type"), 1);
  assert.is(keys.get("general.quantization_version"), 2);
  assert.is(keys.get("llama.rope.freq_base"), 500000);
  assert.is(keys.get("llama.rope.scaling.type"), "linear");
  assert.is(keys.get("llama.rope.scaling.factor"), 2);
  assert.is(keys.get("llama.vocab_size"), parts.config["vocab_size"]);
  assert.not(keys.has("general.license"));
  const folder = writeCheckpoint("checkpoint", parts);
  writeFileSync(join(folder, "README.md"), '---\nlanguage: en\nlicense: "apache-2.0"\n---\n# A model\nlicense: none\n');
  await convert(folder, OUT, { name: "Tide" });
  const named = (await read(OUT)).keys;
  assert.equal([named.get("general.name"), named.get("general.license")], ["Tide", "apache-2.0"]);
});

test("progress is told, and what is broken off leaves no file", async () => {
  const { parts } = checkpointOf("plm-1m");
  const folder = writeCheckpoint("checkpoint", parts);
  const out = `${OUT}.broken`;
  const seen: number[] = [];
  const { bytes, architecture } = await convert(folder, out, { onProgress: (done, all) => seen.push(done / all) });
  assert.is(architecture, "plm");
  assert.is(readFileSync(out).length, bytes);
  assert.is(seen.at(-1), 1);
  assert.equal(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  const controller = new AbortController();
  const onProgress = () => controller.abort(new Error("enough"));
  const error = await errorOf(() => convert(folder, `${out}.2`, { signal: controller.signal, onProgress }));
  assert.is(error.message, "enough");
  assert.not(existsSync(`${out}.2`));
  assert.equal(unfinished(), []);
});

test("what is wrong with a checkpoint is said, and no file is left", async () => {
  const out = `${OUT}.none`;
  const fails = async (code: string, words: RegExp, change: (parts: CheckpointParts) => void, type?: string) => {
    const { parts } = checkpointOf("llama-tiny");
    change(parts);
    const error = await errorOf(() => convert(writeCheckpoint("broken", parts), out, { type }));
    assert.match(error.message, words);
    assert.is(error.code, code, error.message);
    assert.not(existsSync(out));
    assert.equal(unfinished(), []);
  };
  const q = "model.layers.0.self_attn.q_proj.weight";
  const gate = "model.layers.0.mlp.gate_proj.weight";
  await fails("BAD_FILE", /hidden_size is missing/, ({ config }) => delete config["hidden_size"]);
  await fails("BAD_FILE", /hidden_size is no size: -1/, ({ config }) => (config["hidden_size"] = -1));
  await fails("BAD_FILE", /model_type is missing/, ({ config }) => delete config["model_type"]);
  await fails("UNSUPPORTED", /no "xlstm", but llama/, ({ config }) => (config["model_type"] = "xlstm"));
  await fails("UNSUPPORTED", /no "constructor"/, ({ config }) => (config["model_type"] = "constructor"));
  await fails(
    "UNSUPPORTED",
    /num_local_experts: limpet knows no experts/,
    ({ config }) => (config["num_local_experts"] = 8),
  );
  await fails("UNSUPPORTED", /hidden_act is "gelu"/, ({ config }) => (config["hidden_act"] = "gelu"));
  await fails("UNSUPPORTED", /rope_scaling is "ntk"/, ({ config }) => (config["rope_scaling"] = { type: "ntk" }));
  await fails("BAD_FILE", /has no .*q_proj.weight/, ({ weights }) => delete weights[q]);
  await fails("BAD_FILE", /has no .*layers\.\d+\.input/, ({ config }) => (config["num_hidden_layers"] = 20));
  await fails("BAD_FILE", /num_hidden_layers is 2000000000/, ({ config }) => (config["num_hidden_layers"] = 2e9));
  await fails("BAD_FILE", /heads of 7 values/, ({ config }) => (config["head_dim"] = 7));
  await fails("BAD_FILE", /gate_proj.weight is \d+ × \d+, and config.json/, ({ weights }) =>
    weights[gate].shape.reverse(),
  );
  await fails("BAD_FILE", /does not take its/, ({ weights }) => weights[q].shape.push(2));
  await fails("BAD_FILE", /no sound shape/, ({ weights }) => (weights[q].shape = [-1, 5]));
  await fails("UNSUPPORTED", /is of type F8_E4M3/, ({ weights }) => (weights[q].dtype = "F8_E4M3"));
  await fails("UNSUPPORTED", /knows no such tensor in llama/, ({ weights }) => (weights["extra"] = weights[q]));
  const poison =
    (value: number) =>
    ({ weights }: CheckpointParts) => {
      new Float32Array(weights[q].bytes.buffer, 40, 1)[0] = value;
    };
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    for (const type of ["F32", "Q8_0"])
      await fails("BAD_FILE", /attn_q.weight holds a weight that is no/, poison(value), type);
  }
  await fails("UNSUPPORTED", /holds 1000000, for which F16/, poison(1e6), "F16");
  await fails("BAD_ARGUMENT", /no type Q9_9/, () => {}, "Q9_9");
});

test("broken files: cut short, hostile lengths, no JSON, shards that leave the folder", async () => {
  const { parts } = checkpointOf("llama-tiny");
  const out = `${OUT}.none`;
  const fails = async (words: RegExp, change: (folder: string) => void, shards = 1) => {
    const folder = writeCheckpoint("broken", parts, shards);
    change(folder);
    const error = await errorOf(() => convert(folder, out));
    assert.match(error.message, words);
    assert.is(error.name, "LimpetError", error.stack);
    assert.not(existsSync(out));
    assert.equal(unfinished(), []);
  };
  const whole = safetensors(parts.weights);
  const put = (file: string, what: string | Uint8Array) => (folder: string) => writeFileSync(join(folder, file), what);
  const head = (length: bigint, text = "") => {
    const bytes = new Uint8Array(8 + text.length);
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    bytes.set(new TextEncoder().encode(text), 8);
    return put("model.safetensors", bytes);
  };
  await fails(/download it again/, (folder) => truncateSync(join(folder, "model.safetensors"), whole.length - 1));
  await fails(/ends within its first eight bytes/, put("model.safetensors", "abc"));
  await fails(/header claims/, head(2n ** 63n));
  await fails(/header claims 1000 bytes/, head(1000n));
  await fails(/header is no JSON/, head(3n, "{a}"));
  await fails(/no table of tensors/, head(2n, "[]"));
  await fails(/no JSON/, head(90000n, "[".repeat(90000)));
  await fails(/has no sound dtype/, head(10n, '{"a":null}'));
  await fails(/has no sound shape/, head(55n, '{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}'));
  await fails(/no sound data_offsets/, head(56n, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,"x"]}}'));
  await fails(/config.json is no JSON:/, put("config.json", "{"));
  await fails(/config.json is no JSON object/, put("config.json", "[]"));
  const index = "model.safetensors.index.json";
  await fails(/names no file/, put(index, "{}"), 2);
  await fails(/names "..\/x.safetensors"/, put(index, '{"weight_map":{"a":"../x.safetensors"}}'), 2);
  await fails(/x.safetensors: there is no such file/, put(index, '{"weight_map":{"a":"x.safetensors"}}'), 2);
  await fails(/is in another shard too/, (folder) => writeFileSync(join(folder, "model-1.safetensors"), whole), 2);
  const nowhere = await errorOf(() => convert("/nowhere", out));
  assert.match(nowhere.message, /^\/nowhere\/config.json: there is no such file$/);
});

test.run();
