/** Text is kept over generations: a character that a limit cuts is whole in the next one, also in a restored session. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { byteCharacters } from "../scripts/vocabulary.mjs";
import { unfinishedCharacter } from "../src/generate/unfinished.ts";
import { Model, type Session } from "../src/index.ts";

const HIDDEN = 288;
const VOCABULARY = 257;
const FACE = [...new TextEncoder().encode("😊")];
const X = "x".charCodeAt(0);

/** A model that follows each byte by another: bytes are tokens, and a token's embedding points at the next. */
async function follower(next: Map<number, number>): Promise<Model> {
  const f32 = (values: Float32Array) => {
    let at = 0;
    return (chunk: Uint8Array) => {
      chunk.set(new Uint8Array(values.buffer, at, chunk.length));
      at += chunk.length;
    };
  };
  const tensor = (name: string, shape: number[], values = new Float32Array(shape.reduce((a, b) => a * b))) => ({
    name,
    type: "F32" as const,
    shape,
    fill: f32(values),
  });
  const embedding = new Float32Array(HIDDEN * VOCABULARY);
  const head = new Float32Array(HIDDEN * VOCABULARY);
  for (let token = 0; token < VOCABULARY; token++) {
    embedding[token * HIDDEN + token] = 1;
    const following = next.get(token);
    if (following !== undefined) head[following * HIDDEN + token] = 8;
  }
  const ones = (name: string, value = 1) => tensor(name, [HIDDEN], new Float32Array(HIDDEN).fill(value));
  const bytes = encodeGguf({
    metadata: [
      ["general.architecture", "string", "llama"],
      ["llama.block_count", "u32", 1],
      ["llama.context_length", "u32", 64],
      ["llama.embedding_length", "u32", HIDDEN],
      ["llama.feed_forward_length", "u32", 32],
      ["llama.attention.head_count", "u32", 9],
      ["llama.attention.layer_norm_rms_epsilon", "f32", 1e-12],
      ["tokenizer.ggml.model", "string", "gpt2"],
      ["tokenizer.ggml.pre", "string", "gpt-2"],
      ["tokenizer.ggml.tokens", "string[]", [...byteCharacters(), "ab"]],
      ["tokenizer.ggml.merges", "string[]", ["a b"]],
    ],
    tensors: [
      tensor("token_embd.weight", [HIDDEN, VOCABULARY], embedding),
      ones("output_norm.weight", 1 / Math.sqrt(HIDDEN)),
      tensor("output.weight", [HIDDEN, VOCABULARY], head),
      ones("blk.0.attn_norm.weight"),
      ...["q", "k", "v", "output"].map((name) => tensor(`blk.0.attn_${name}.weight`, [HIDDEN, HIDDEN])),
      ones("blk.0.ffn_norm.weight"),
      tensor("blk.0.ffn_gate.weight", [HIDDEN, 32]),
      tensor("blk.0.ffn_up.weight", [HIDDEN, 32]),
      tensor("blk.0.ffn_down.weight", [32, HIDDEN]),
    ],
  });
  return Model.load(new Uint8Array(bytes));
}

const chain = new Map([[X, FACE[0]], ...FACE.map((byte, i): [number, number] => [byte, FACE[i + 1] ?? X])]);
const model = await follower(chain);

async function inParts(session: Session, ...counts: number[]): Promise<string[]> {
  const parts: string[] = [];
  for (const maxTokens of counts) parts.push(await session.generate(undefined, { maxTokens }).text());
  return parts;
}

function begun(): Session {
  const session = model.session();
  session.append([X]);
  return session;
}

test("a character cut by maxTokens comes whole with the next generation", async () => {
  assert.equal(await inParts(begun(), 2, 2), ["", "😊"]);
  assert.equal(await inParts(begun(), 1, 1, 1, 1, 1), ["", "", "", "😊", "x"]);
  assert.equal(await inParts(begun(), 3, 7), ["", "😊x😊x"]);
  assert.equal(await inParts(begun(), 4, 2, 4), ["😊", "x", "😊x"]);
});

test("so it is when the loop is left, the session saved and restored, and with log probabilities", async () => {
  const left = begun();
  for await (const { token } of left.generate(undefined, { maxTokens: 9 })) if (token === FACE[1]) break;
  const copy = model.restore(left.save());
  assert.equal(await inParts(left, 2), ["😊"]);
  const pieces: string[] = [];
  for await (const { text, top } of copy.generate(undefined, { maxTokens: 3, logprobs: 1 })) {
    assert.is(top?.length, 1);
    pieces.push(text);
  }
  assert.equal(pieces, ["", "😊", "x"]);
});

test("pieces and the result say the same, and a text that cannot go on shows what it has", async () => {
  const session = begun();
  let text = "";
  const generation = session.generate(undefined, { maxTokens: 7 });
  for await (const piece of generation) text += piece.text;
  assert.is(text, "😊x");
  assert.is(generation.result?.text, text);
  assert.equal(generation.result?.tokens, [...FACE, X, FACE[0], FACE[1]], "the tokens are all there");
  const stray = await follower(
    new Map([
      [X, FACE[0]],
      [FACE[0], X],
    ]),
  );
  const broken = stray.session();
  broken.append([X]);
  assert.equal(await inParts(broken, 1, 1, 2), ["", "\uFFFDx", "\uFFFDx"], "what does not become whole shows as such");
});

test("what is unfinished", () => {
  for (const character of ["é", "€", "😊", "\u{10FFFF}", "\u0800", "\uD7FF"]) {
    const bytes = new TextEncoder().encode(character);
    for (let n = 1; n < bytes.length; n++) {
      assert.is(unfinishedCharacter(Uint8Array.of(0x41, ...bytes.subarray(0, n))), n, `${n} bytes of ${character}`);
    }
    assert.is(unfinishedCharacter(bytes), 0);
  }
  const never = [
    [0x80],
    [0xc0],
    [0xc1],
    [0xf5],
    [0xff],
    [0xe0, 0x80],
    [0xed, 0xa0],
    [0xf0, 0x80],
    [0xf4, 0x90],
    [0x41],
  ];
  for (const bytes of [[], ...never]) assert.is(unfinishedCharacter(Uint8Array.from(bytes)), 0, String(bytes));
});

test.run();
