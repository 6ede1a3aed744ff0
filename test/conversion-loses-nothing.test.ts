/** Convert carries over what a checkpoint says, or refuses it by name; what it calls done is a file that is read. */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../src/api/model.ts";
import { Config, Folder } from "../src/convert/folder.ts";
import { tokenizerEntries } from "../src/convert/tokenizer.ts";
import { convert } from "../src/convert.ts";
import { Core } from "../src/host/instance.ts";
import type { GgufValue } from "../src/load/gguf-entries.ts";
import { readHead } from "../src/load/gguf-head.ts";
import { openSource } from "../src/load/source.ts";
import { type CheckpointParts, checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { errorOf, temporaryFile } from "./support/models.ts";

type Json = Record<string, unknown>;

const OUT = temporaryFile("nothing-lost.gguf");
const KIND = "llama-tiny";

interface Change {
  parts?: (parts: CheckpointParts) => void;
  files?: (folder: string) => void;
  shards?: number;
}

function folderOf({ parts: change, files, shards = 1 }: Change): string {
  const { parts } = checkpointOf(KIND);
  change?.(parts);
  const folder = writeCheckpoint("nothing-lost", parts, shards);
  files?.(folder);
  return folder;
}

async function keysOf(change: Change): Promise<Map<string, GgufValue>> {
  await convert(folderOf(change), OUT);
  const sources = await openSource(OUT);
  const { metadata } = await readHead(await Core.create({}), sources);
  for (const source of sources) source.close();
  return new Map(metadata.map(([key, , value]) => [key, value]));
}

async function refused(words: RegExp, change: Change): Promise<void> {
  rmSync(OUT, { force: true });
  const error = await errorOf(() => convert(folderOf(change), OUT));
  assert.match(error.message, words);
  assert.is(error.name, "LimpetError", error.stack);
  const left = readdirSync(dirname(OUT)).filter((name) => name.startsWith("nothing-lost.gguf"));
  assert.equal(left, [], error.message);
}

const config = (values: Json): Change => ({ parts: ({ config: own }) => void Object.assign(own, values) });
const tokenizer = (values: Json): Change => ({ parts: ({ tokenizer: own }) => void Object.assign(own, values) });
const model = (values: Json): Change => ({
  parts: ({ tokenizer: own }) => void Object.assign(own["model"] as Json, values),
});
const generation = (values: unknown): Change => ({
  files: (folder) => writeFileSync(join(folder, "generation_config.json"), JSON.stringify(values)),
});

test("config.json: what changes answers and has no key is refused by its name", async () => {
  const cases: [words: RegExp, values: Json][] = [
    [/sliding_window is 16, which changes answers/, { sliding_window: 16 }],
    [/layer_types has "sliding_attention"/, { layer_types: ["full_attention", "sliding_attention"] }],
    [/final_logit_softcapping is 30/, { final_logit_softcapping: 30 }],
    [/attn_logit_softcapping is 50/, { attn_logit_softcapping: 50 }],
    [/logit_scale is 0.25/, { logit_scale: 0.25 }],
    [/logits_scaling is 8/, { logits_scaling: 8 }],
    [/embedding_multiplier is 12/, { embedding_multiplier: 12 }],
    [/residual_multiplier is 0.22/, { residual_multiplier: 0.22 }],
    [/partial_rotary_factor is 0.5/, { partial_rotary_factor: 0.5 }],
    [/quantization_config is \{"bits":4\}/, { quantization_config: { bits: 4 } }],
    [/alpha is 1000/, { rope_scaling: { type: "dynamic", alpha: 1000 } }],
    [/truncate of rope_scaling is false/, { rope_scaling: { type: "yarn", factor: 4, truncate: false } }],
    [/long_factor of rope_scaling is no list of 16/, { rope_scaling: { type: "longrope", long_factor: [1, 2] } }],
    [/rope_parameters differ/, { rope_parameters: { full_attention: {}, sliding_attention: {} } }],
    [/beta_fast is 16/, { rope_scaling: { type: "yarn", factor: 4, beta_fast: 16 } }],
    [/rms|epsilon/, { rms_norm_eps: -1 }],
    [/rope|theta|base/i, { rope_theta: 1e300 }],
  ];
  for (const [words, values] of cases) await refused(words, config(values));
  for (const values of [
    { sliding_window: null, logit_scale: 1, layer_types: ["full_attention"], partial_rotary_factor: 1 },
    { sliding_window: 4096, use_sliding_window: false },
    { sliding_window: 1 << 20, attn_logit_softcapping: null, quantization_config: null },
  ]) {
    assert.ok(await keysOf(config(values)));
  }
});

test("tokenizer.json: normalizers, post-processors, rules of merges and of added tokens", async () => {
  const single = (...words: string[]) => ({
    type: "TemplateProcessing",
    single: words.map((id) => (id === "" ? { Sequence: { id: "A" } } : { SpecialToken: { id } })),
  });
  for (const normalizer of [
    { type: "Lowercase" },
    { type: "NFKC" },
    { type: "Strip" },
    { type: "Prepend", prepend: "▁" },
  ]) {
    await refused(/its normalizer is \{"type":/, tokenizer({ normalizer }));
    await refused(/its normalizer is/, tokenizer({ normalizer: { type: "Sequence", normalizers: [normalizer] } }));
  }
  await refused(
    /its post_processor is \{"type":"BertProcessing"/,
    tokenizer({ post_processor: { type: "BertProcessing" } }),
  );
  for (const words of [["a", ""], ["a", "b", ""], ["", "b", "c"], ["a"]]) {
    await refused(/can say BOS and EOS alone/, tokenizer({ post_processor: single(...words) }));
  }
  await refused(/dropout of its model is 0.1/, model({ dropout: 0.1 }));
  await refused(/end_of_word_suffix of its model is "<\/w>"/, model({ end_of_word_suffix: "</w>" }));
  const plain = checkpointOf(KIND).parts.tokenizer as { added_tokens: Json[]; pre_tokenizer: unknown; model: Json };
  for (const rule of ["lstrip", "rstrip", "single_word"]) {
    const added_tokens = [{ ...plain.added_tokens[0], [rule]: true }];
    await refused(new RegExp(`has ${rule}, which a GGUF file cannot say`), tokenizer({ added_tokens }));
  }
  assert.ok(await keysOf(tokenizer({ normalizer: { type: "NFC" }, post_processor: { type: "ByteLevel" } })));
});

test("vocabularies: one token a place and a text, merges of tokens, texts that have bytes", async () => {
  const { vocab, merges } = (
    checkpointOf(KIND).parts.tokenizer as { model: { vocab: Record<string, number>; merges: string[] } }
  ).model;
  const [one, two] = Object.keys(vocab);
  await refused(/have the same id/, model({ vocab: { ...vocab, [one]: vocab[two] } }));
  await refused(/\["",""\] is no merge/, model({ merges: [["", ""]] }));
  await refused(/is no merge/, model({ merges: [["a b", "c"]] }));
  await refused(
    /has to do with "never there", which is no token|is no merge/,
    model({ merges: [["never there", "x"]] }),
  );
  await refused(/which is no token/, model({ merges: [...merges, "nowhere seen"] }));
  const last = Object.keys(vocab).at(-1)!;
  const { [last]: id, ...others } = vocab;
  await refused(
    /half of a surrogate pair has no bytes|which is no token/,
    model({ vocab: { ...others, "\ud800": id }, merges: [] }),
  );
  const twice = { added_tokens: [{ id, content: one, special: false }] };
  await refused(/./, tokenizer(twice));
  const broken = (file: string): Change => ({
    files: (folder) =>
      writeFileSync(join(folder, file), Buffer.concat([readFileSync(join(folder, "config.json")), Buffer.of(0xff)])),
  });
  await refused(/tokenizer.json is no UTF-8/, broken("tokenizer.json"));
  await refused(/chat_template.jinja is no UTF-8/, broken("chat_template.jinja"));
});

test("generation_config.json: ends and sampling are kept, rules of tokens are refused", async () => {
  const keys = await keysOf(
    generation({ eos_token_id: [3, 4], temperature: 0.5, top_p: 0.25, top_k: 20, repetition_penalty: 1.5 }),
  );
  assert.equal([keys.get("tokenizer.ggml.eot_token_id"), keys.get("tokenizer.ggml.eom_token_id")], [3, 4]);
  const sampling = ["top_k", "top_p", "temp", "penalty_repeat"].map((key) => keys.get(`general.sampling.${key}`));
  assert.equal(sampling, [20, 0.25, 0.5, 1.5]);
  const greedy = await keysOf(generation({ do_sample: false, temperature: 0.5 }));
  assert.not(greedy.has("general.sampling.temp"));
  await refused(/3 tokens beside EOS end an answer/, generation({ eos_token_id: [3, 4, 5] }));
  await refused(/suppress_tokens is \[1\]/, generation({ suppress_tokens: [1] }));
  await refused(/forced_bos_token_id is 2/, generation({ forced_bos_token_id: 2 }));
  await refused(/temperature is "warm"/, generation({ temperature: "warm" }));
});

test("a licence with its name and link", async () => {
  const card = "---\nlicense: other\nlicense_name: tide-1\nlicense_link: https://example.org/tide\n---\n# Tide\n";
  const keys = await keysOf({ files: (folder) => writeFileSync(join(folder, "README.md"), card) });
  const found = ["", ".name", ".link"].map((key) => keys.get(`general.license${key}`));
  assert.equal(found, ["other", "tide-1", "https://example.org/tide"]);
  const loaded = await Model.load(OUT);
  assert.is(loaded.info.license, "other");
  loaded.dispose();
});

test("weights: no shared bytes, a head that is the embedding, an index that is heeded", async () => {
  const rewrite = (change: (header: Record<string, { data_offsets: number[] }>) => void): Change => ({
    files(folder) {
      const path = join(folder, "model.safetensors");
      const bytes = readFileSync(path);
      const length = Number(bytes.readBigUInt64LE(0));
      const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
      change(header);
      const text = Buffer.from(JSON.stringify(header));
      const size = Buffer.alloc(8);
      size.writeBigUInt64LE(BigInt(text.length));
      writeFileSync(path, Buffer.concat([size, text, bytes.subarray(8 + length)]));
    },
  });
  const [gate, up] = ["gate", "up"].map((name) => `model.layers.0.mlp.${name}_proj.weight`);
  await refused(
    /share bytes: their data_offsets overlap/,
    rewrite((header) => (header[up].data_offsets = header[gate].data_offsets)),
  );
  const shift = (header: Record<string, { data_offsets: number[] }>) => {
    header[up].data_offsets = header[gate].data_offsets.map((at) => at + 4);
  };
  await refused(/overlap/, rewrite(shift));
  await refused(/lm_head.weight is not the embedding/, {
    parts({ weights, config: own }) {
      const embedding = weights["model.embed_tokens.weight"];
      weights["lm_head.weight"] = {
        ...embedding,
        bytes: embedding.bytes.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
      };
      own["tie_word_embeddings"] = true;
    },
  });
  const index = (change: (map: Record<string, string>) => void): Change => ({
    shards: 2,
    files(folder) {
      const path = join(folder, "model.safetensors.index.json");
      const value = JSON.parse(readFileSync(path, "utf8"));
      change(value.weight_map);
      writeFileSync(path, JSON.stringify(value));
    },
  });
  await refused(
    /and model.safetensors.index.json does not say so/,
    index((map) => delete map[up]),
  );
  await refused(
    /nowhere.weight is not in/,
    index((map) => (map["nowhere.weight"] = map[up])),
  );
});

test("files: links out of the folder, pipes, and sizes that nothing bears out", async () => {
  const secret = temporaryFile("secret.jinja", "secret");
  await refused(/is a link to .*secret.jinja, outside the folder/, {
    files: (folder) => symlinkSync(secret, join(folder, "chat_template.jinja")),
  });
  // Links within the folder, and those that the hub's cache is made of.
  const within = await keysOf({
    files(folder) {
      writeFileSync(join(folder, "other"), "within");
      symlinkSync("other", join(folder, "chat_template.jinja"));
    },
  });
  assert.is(within.get("tokenizer.chat_template"), "within");
  const cache = join(dirname(OUT), "models--tide");
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(join(cache, "snapshots", "abc"), { recursive: true });
  mkdirSync(join(cache, "blobs"));
  const folder = folderOf({});
  for (const name of readdirSync(folder)) {
    renameSync(join(folder, name), join(cache, "blobs", `hash-${name}`));
    symlinkSync(`../../blobs/hash-${name}`, join(cache, "snapshots", "abc", name));
  }
  assert.is((await convert(join(cache, "snapshots", "abc"), OUT)).architecture, "llama");
  if (process.platform === "linux") {
    for (const name of ["config.json", "README.md", "model.safetensors", "tokenizer.json"]) {
      await refused(/is a device or pipe, not a file/, {
        files(place) {
          rmSync(join(place, name), { force: true });
          execFileSync("mkfifo", [join(place, name)]);
        },
      });
    }
  }
  await refused(/are the most that such a file has/, {
    files: (place) => truncateSync(join(place, "config.json"), 2 ** 33),
  });
  const place = new Folder(folderOf(config({ vocab_size: 60_000_000 })));
  const many = await errorOf(() => tokenizerEntries(place, Config.of(place), "llama", 60_000_000));
  assert.match(many.message, /vocab_size is 60000000, and tokenizer.json of \d+ bytes cannot hold so many tokens/);
});

test.run();
