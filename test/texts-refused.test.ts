/** Files of encoders and encoder-decoders whose sizes cannot be, and ids beyond the vocabulary: refused by their names. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvType } from "../bindings/numbers.ts";
import { TINY_RECURRENT } from "../scripts/architectures.mjs";
import { PAIRS } from "../scripts/encoder-decoders.mjs";
import { TINY_ENCODERS } from "../scripts/encoders.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { all, blank, type Change, key, tensor } from "./support/changes.ts";
import { Code, Engine, EngineError, modelBytes, prompt, refuses } from "./support/engine.ts";
import { TextContext } from "./support/texts.ts";

const engine = new Engine("portable");
const { BAD_FILE, UNSUPPORTED } = Code;

const heads = (architecture: string, size: number): Change =>
  all(key(`${architecture}.attention.key_length`, size), key(`${architecture}.attention.value_length`, size));

const CASES: readonly (readonly [kind: string, change: Change, code: number, words: RegExp])[] = [
  ["bert-tiny", key("bert.attention.head_count", 0), BAD_FILE, /attention\.head_count is 0/],
  ["bert-tiny", key("bert.attention.head_count", 5), BAD_FILE, /attn_q|odd/],
  ["bert-tiny", key("bert.attention.head_count", 0xffffffff), BAD_FILE, /head_count/],
  ["bert-tiny", key("bert.attention.key_length", 24), BAD_FILE, /attn_q|key_length/],
  ["bert-tiny", key("bert.attention.layer_norm_epsilon"), BAD_FILE, /layer_norm_epsilon/],
  ["bert-tiny", key("bert.attention.layer_norm_epsilon", Number.NaN, "f32"), BAD_FILE, /layer_norm_epsilon/],
  ["bert-tiny", key("bert.block_count", 4), BAD_FILE, /blk\.3/],
  ["bert-tiny", key("bert.block_count", 2), UNSUPPORTED, /blk\.2/],
  ["bert-tiny", key("bert.feed_forward_length", 0), BAD_FILE, /feed_forward_length is 0/],
  ["bert-tiny", key("bert.feed_forward_length", 96), BAD_FILE, /ffn_up/],
  ["bert-tiny", key("bert.context_length", 601), BAD_FILE, /position_embd/],
  ["bert-tiny", key("bert.pooling_type", 9), BAD_FILE, /pooling_type is 9/],
  ["bert-tiny", key("tokenizer.ggml.token_type_count", 0), BAD_FILE, /token_type_count/],
  ["bert-tiny", tensor("position_embd.weight"), BAD_FILE, /position_embd/],
  ["bert-tiny", tensor("blk.1.attn_k.bias", { shape: [95] }), BAD_FILE, /attn_k\.bias/],
  ["bert-tiny", tensor("token_embd_norm.weight", { shape: [96, 1, 2] }), BAD_FILE, /token_embd_norm/],
  ["bert-rank", tensor("cls.output.weight", { shape: [60, 3] }), BAD_FILE, /cls\.output/],
  ["bert-dense", key("bert.dense_2_feat_out", 0), BAD_FILE, /dense_2/],
  ["nomic-bert-tiny", key("nomic-bert.rope.dimension_count", 15), BAD_FILE, /rope\.dimension_count/],
  ["nomic-bert-tiny", key("nomic-bert.rope.freq_base", -1, "f32"), BAD_FILE, /rope\.freq_base/],
  ["nomic-bert-moe-tiny", key("nomic-bert-moe.expert_count", 0), BAD_FILE, /expert|ffn/],
  ["nomic-bert-moe-tiny", key("nomic-bert-moe.expert_used_count", 99), BAD_FILE, /expert_used_count/],
  ["nomic-bert-moe-tiny", key("nomic-bert-moe.moe_every_n_layers", 0xffffffff), BAD_FILE, /moe_every|ffn/],
  ["jina-bert-v2-tiny", key("jina-bert-v2.attention.max_alibi_bias", Number.NaN, "f32"), BAD_FILE, /max_alibi_bias/],
  ["jina-bert-v3-tiny", key("jina-bert-v3.attention.head_count", 5), BAD_FILE, /attn_qkv/],
  ["modern-bert-tiny", key("modern-bert.attention.head_count", 5), BAD_FILE, /attn_qkv/],
  ["eurobert-tiny", key("eurobert.attention.head_count_kv", 5), BAD_FILE, /head_count_kv/],
  ["gemma-embedding-tiny", key("gemma-embedding.attention.key_length", 7), BAD_FILE, /key_length|rope|attn_q/],
  ["t5-tiny", key("t5.attention.head_count", 0), BAD_FILE, /head_count is 0/],
  ["t5-tiny", key("t5.attention.head_count", 7), BAD_FILE, /attn_q|attn_rel_b/],
  ["t5-tiny", key("t5.attention.key_length", 0), BAD_FILE, /key_length is 0/],
  ["t5-tiny", heads("t5", 26), BAD_FILE, /attn_q|attn_k/],
  ["t5-tiny", key("t5.attention.layer_norm_rms_epsilon"), BAD_FILE, /epsilon/],
  ["t5-tiny", key("t5.attention.relative_buckets_count", 3), BAD_FILE, /attn_rel_b|buckets/],
  ["t5-tiny", tensor("enc.blk.0.attn_rel_b.weight", { shape: [4, 32] }), BAD_FILE, /attn_rel_b/],
  ["t5-tiny", tensor("dec.blk.1.cross_attn_v.weight", { shape: [96, 96] }), BAD_FILE, /cross_attn_v/],
  ["t5encoder-tiny", heads("t5encoder", 22), BAD_FILE, /attn_q|attn_k/],
  ["mu-tiny", key("mu.attention.head_count_kv", 4), BAD_FILE, /head_count_kv/],
  ["mu-tiny", key("mu.attention.head_count_kv", 0), BAD_FILE, /head_count_kv/],
  ["mu-tiny", key("mu.attention.key_length", 15), BAD_FILE, /key_length|rope|attn_q/],
  ["mu-tiny", key("mu.rope.dimension_count", 0xfffffffe), BAD_FILE, /rope\.dimension_count/],
];

for (const [kind, change, code, words] of CASES) {
  test(`${kind}: ${words.source} is refused in words`, () => {
    const file = makeModel(kind, "F32");
    change(file);
    refuses(() => engine.load(encodeGguf(file)), code, words);
  });
}

test("ids beyond the vocabulary are refused by each encoder, and the next text has its vector", () => {
  for (const kind of [...TINY_ENCODERS, "t5encoder-tiny"]) {
    const model = engine.load(modelBytes(kind, "F32"));
    const context = new TextContext(model);
    const [before] = context.encode([[1, 2, 3]]);
    for (const id of [model.vocabulary, 0x7fffffff, 0x80000000, 0xffffffff]) {
      refuses(() => context.encode([[1], [2, id]]), Code.BAD_ARGUMENT, /not in the vocabulary/);
    }
    assert.equal(context.encode([[1, 2, 3]])[0], before);
    context.release();
    model.release();
  }
});

test("ids beyond the vocabulary are refused by layers with states and by both stacks of a pair", () => {
  for (const kind of [...TINY_RECURRENT, ...Object.keys(PAIRS).filter((name) => PAIRS[name].decoder > 0)]) {
    const model = engine.load(modelBytes(kind, "F32"));
    const context = model.context({ rows: 16, batch: 16, kv: KvType.F32 });
    const isPair = kind in PAIRS;
    const source = () => isPair && context.run(prompt([5, 9]), { isSource: true });
    source();
    const want = context.run(prompt([0, 7]));
    for (const id of [model.vocabulary, 0x7fffffff, 0x80000000, 0xffffffff]) {
      context.reset();
      if (isPair) refuses(() => context.run(prompt([1, id]), { isSource: true }), Code.BAD_ARGUMENT, /vocabulary/);
      source();
      refuses(() => context.run(prompt([0, id])), Code.BAD_ARGUMENT, /vocabulary/);
    }
    context.reset();
    source();
    assert.equal(context.run(prompt([0, 7])), want, kind);
    context.release();
    model.release();
  }
});

test("weights that are no numbers or zeros end in numbers or words, not in a trap", () => {
  for (const kind of [...TINY_ENCODERS, "t5encoder-tiny"]) {
    for (const fill of [blank, (chunk: Uint8Array) => void chunk.fill(255)]) {
      const file = makeModel(kind, "F32");
      for (const { name } of file.tensors) if (/norm\.weight$/.test(name)) tensor(name, { fill })(file);
      try {
        const model = engine.load(encodeGguf(file));
        const context = new TextContext(model);
        assert.is(context.encode([[1, 2, 3]]).length > 0, true);
        context.release();
        model.release();
      } catch (error) {
        assert.instance(error, EngineError);
      }
    }
  }
});

test.run();
