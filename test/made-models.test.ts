/** The files that our scripts make: the same bytes everywhere, and a demo model whose text can be recited. */
import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DEMO_TEXT } from "../scripts/demo-model.mjs";
import { encodeGguf, tensorBytes, toHalf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { buildVocabulary } from "../scripts/vocabulary.mjs";
import golden from "./golden/logits.json" with { type: "json" };

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

for (const { kind, type, sha256: expected } of golden.models) {
  test(`${kind} in ${type} has the bytes that the golden logits were made from`, () => {
    assert.is(sha256(encodeGguf(makeModel(kind, type))), expected);
  });
}

test("a seed of one's own gives another model of the same size", () => {
  const first = encodeGguf(makeModel("plm-1m", "Q4_0"));
  const second = encodeGguf(makeModel("plm-1m", "Q4_0", 2));
  assert.is(first.length, second.length);
  assert.is.not(sha256(first), sha256(second));
});

test("a mix of Q4_K keeps the head in Q6_K and falls back where rows do not divide by 256", () => {
  const types = new Map(makeModel("qwen3-tiny", "Q4_K").tensors.map(({ name, type }) => [name, type]));
  assert.is(types.get("token_embd.weight"), "Q6_K");
  assert.is(types.get("blk.0.attn_q.weight"), "Q4_K");
  assert.is(types.get("blk.0.attn_output.weight"), "Q5_0"); // rows of 384
  assert.is(types.get("blk.3.ffn_down.weight"), "Q6_K");
});

test("PLM-1.8B has the shapes of the released file: 290 tensors, 1,825,458,176 weights", () => {
  const { tensors } = makeModel("plm-1.8b", "Q4_K");
  const weights = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  const count = (type: string) => tensors.filter((tensor) => tensor.type === type).length;
  assert.is(weights, 1_825_458_176);
  assert.equal([count("F32"), count("Q4_K"), count("Q6_K")], [97, 176, 17]);
  const payload = tensors.reduce((sum, { type, shape }) => sum + tensorBytes(type, shape), 0);
  assert.is(payload, 1_176_762_368);
});

test("halves: every finite code survives, and numbers between two codes go to the nearest, ties to even", () => {
  const fromHalf = (bits: number) => {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    return bits & 0x8000 ? -magnitude : magnitude;
  };
  for (let bits = 0; bits < 0x7c00; bits++) {
    assert.is(toHalf(fromHalf(bits)), bits);
    assert.is(toHalf(-fromHalf(bits)), bits | 0x8000);
    if (bits === 0x7bff) continue;
    const middle = (fromHalf(bits) + fromHalf(bits + 1)) / 2;
    assert.is(toHalf(middle), bits & 1 ? bits + 1 : bits);
    assert.is(toHalf(middle * (1 + 2 ** -20)), bits + 1);
  }
  assert.is(toHalf(65520), 0x7c00);
});

test("a made vocabulary has distinct tokens, and merges that build each of its words", () => {
  const { tokens, merges, ids, bytes } = buildVocabulary(768, DEMO_TEXT.match(/ ?[A-Za-z]+/g) ?? []);
  assert.is(tokens.length, 768);
  assert.is(new Set(tokens).size, 768);
  for (const merge of merges) assert.ok(ids.has(merge.replace(" ", "")), merge);
  assert.ok(ids.has(`${bytes[32]}limpet`));
});

test.run();
