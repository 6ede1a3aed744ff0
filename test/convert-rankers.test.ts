/**
 * Decoders that make vectors or rank, from their checkpoints: Qwen3-Embedding, a base model in a folder of
 * sentence-transformers, and Qwen3-Reranker, whose card says what it is. What both give is in the logits that
 * transformers has of the same weights.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvType } from "../bindings/numbers.ts";
import { makeModel } from "../scripts/make-model.mjs";
import { convert } from "../src/convert.ts";
import { Model } from "../src/index.ts";
import { inspectFile } from "../src/load/inspect.ts";
import transformers from "./golden/transformers.json" with { type: "json" };
import { type CheckpointParts, checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { Engine } from "./support/engine.ts";
import { errorOf, temporaryFile } from "./support/models.ts";
import { divergence, fromBase64 } from "./support/peers.ts";
import { farthest, Pooling, vectorsOf } from "./support/texts.ts";

const KIND = "qwen3-tiny";
const engine = new Engine("portable");
const golden = transformers.models.find(({ kind, special }) => kind === KIND && special === "")!;
const logits = fromBase64(golden.logits);
const card = (title: string) => new TextEncoder().encode(`---\nlicense: apache-2.0\n---\n# ${title}\n\nA model.\n`);

async function converted(parts: CheckpointParts): Promise<string> {
  const out = temporaryFile("converted.gguf");
  await convert(writeCheckpoint("ranker", parts), out, { type: "F32" });
  return out;
}

/** The embedding [vocabulary, hidden], which is the head, too. */
function embeddingOf(): { values: Float32Array; hidden: number } {
  const { shape, fill } = makeModel(KIND, "F32").tensors.find(({ name }) => name === "token_embd.weight")!;
  const bytes = new Uint8Array(4 * shape[0] * shape[1]);
  fill(bytes);
  return { values: new Float32Array(bytes.buffer), hidden: shape[0] };
}

/** An embedder: a base model, the pooling of its folder, and texts that end with a token of their own. */
function embedder(): CheckpointParts {
  const { parts } = checkpointOf(KIND);
  parts.weights = Object.fromEntries(
    Object.entries(parts.weights).map(([name, weight]) => [name.replace(/^model\./, ""), weight]),
  );
  parts.others = {
    "modules.json": [
      { path: "", type: "sentence_transformers.models.Transformer" },
      { path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
      { path: "2_Normalize", type: "sentence_transformers.models.Normalize" },
    ],
    "1_Pooling/config.json": { word_embedding_dimension: 96, pooling_mode_lasttoken: true, include_prompt: true },
    "config_sentence_transformers.json": { prompts: { query: "Instruct: find\nQuery:", document: "" } },
  };
  const end = (parts.tokenizerConfig["eos_token"] as { content: string }).content;
  parts.tokenizer["post_processor"] = {
    type: "Sequence",
    processors: [
      { type: "ByteLevel" },
      { type: "TemplateProcessing", single: [{ Sequence: { id: "A" } }, { SpecialToken: { id: end, type_id: 0 } }] },
    ],
  };
  return parts;
}

test("Qwen3-Embedding: the last token's row, whose products with the embedding are transformers' logits", async () => {
  const path = await converted(embedder());
  const [vector] = vectorsOf(engine, new Uint8Array(readFileSync(path)), [transformers.tokens], { kv: KvType.F32 });
  const { values, hidden } = embeddingOf();
  assert.is(vector.length, hidden);
  const products = Float32Array.from({ length: values.length / hidden }, (_, row) =>
    vector.reduce((sum, value, i) => sum + value * values[row * hidden + i], 0),
  );
  const far = divergence(logits, products);
  assert.ok(far < 1e-9, `KL ${far}`);
});

test("Qwen3-Embedding: texts end with their token, and queries have their prompt", async () => {
  const model = await Model.load(await converted(embedder()));
  const end = model.tokenize("a", { bos: true });
  assert.is(end.length, model.tokenize("a").length + 1);
  const [query] = await model.embed(["tide"], { prompt: "query" });
  const [same] = await model.embed(["Instruct: find\nQuery:tide"]);
  const [other] = await model.embed(["tide"]);
  assert.is(farthest(query, same), 0);
  assert.ok(farthest(query, other) > 0.01);
  await model.dispose();
});

/** A reranker: the same folder as of any qwen3, but for its card. */
function reranker(title = "Qwen3-Reranker-0.6B"): CheckpointParts {
  const { parts } = checkpointOf(KIND);
  parts.others = { "README.md": card(title) };
  const vocab = (parts.tokenizer["model"] as { vocab: Record<string, number> }).vocab;
  // Two words of the made vocabulary give their places to these.
  for (const [word, id] of [
    ["yes", 300],
    ["no", 301],
  ] as const) {
    const old = Object.keys(vocab).find((text) => vocab[text] === id)!;
    delete vocab[old];
    vocab[word] = id;
  }
  (parts.tokenizer["model"] as { merges: string[] }).merges = [];
  return parts;
}

for (const tied of [true, false]) {
  test(`Qwen3-Reranker, ${tied ? "its head the embedding" : "with a head"}: scores are transformers' logits of yes and no`, async () => {
    const parts = reranker();
    if (!tied) {
      parts.config["tie_word_embeddings"] = false;
      parts.weights["lm_head.weight"] = parts.weights["model.embed_tokens.weight"];
    }
    const path = await converted(parts);
    const bytes = new Uint8Array(readFileSync(path));
    const [scores] = vectorsOf(engine, bytes, [transformers.tokens], { pooling: Pooling.RANK, kv: KvType.F32 });
    assert.ok(farthest(scores, logits.subarray(300, 302)) < 1e-4, `${scores} and ${logits.subarray(300, 302)}`);
    const { metadata, tensors } = await inspectFile(path);
    assert.not(tensors.some(({ name }) => name === "output.weight"));
    assert.equal(metadata.get("qwen3.classifier.output_labels")?.value, ["yes", "no"]);
    assert.match(String(metadata.get("tokenizer.chat_template.rerank")?.value), /<Query>: \{query\}\n<Document>: /);
    const model = await Model.load(path);
    const ranked = await model.rerank("Who sleeps?", ["A cat.", "Rates rose."]);
    assert.equal(ranked.map(({ index }) => index).sort(), [0, 1]);
    assert.ok(ranked[0].score >= ranked[1].score);
    await model.dispose();
  });
}

test("another card leaves a decoder one that writes; a reranker without its words is refused", async () => {
  const model = await Model.load(await converted(reranker("Qwen3-0.6B")));
  assert.type(await model.generate("a", { maxTokens: 2 }).text(), "string");
  await model.dispose();
  const { parts } = checkpointOf(KIND);
  parts.others = { "README.md": card("Qwen3-Reranker-4B") };
  const error = await errorOf(() => converted(parts));
  assert.match(error.message, /tokenizer\.json has no token "yes", which ranks documents/);
});

test.run();
