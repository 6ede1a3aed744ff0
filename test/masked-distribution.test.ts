/**
 * What a grammar allows is drawn by the renormalised softmax of the sampler's filters over the allowed tokens alone, to
 * 1e-12: the oracle is in float64 (support/sampling.ts), and seeds are chosen so that the number drawn lies as near to each
 * border between two tokens.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { compile } from "../src/grammar.ts";
import { Model, type Session } from "../src/index.ts";
import { Oracle, type Sampling, xoshiro } from "./support/sampling.ts";

const MASK = 2n ** 64n - 1n;

/** The inverse of an odd number modulo 2^64, by Newton. */
function inverse(odd: bigint): bigint {
  let found = odd;
  for (let i = 0; i < 6; i++) found = (found * (2n - odd * found)) & MASK;
  return found;
}

/** Undoes x ^= x >> by. */
function unshift(x: bigint, by: bigint): bigint {
  let found = x;
  for (let i = 0; i < 64; i++) found = x ^ (found >> by);
  return found;
}

/** The seed whose first draw is this number of [0, 1), rounded to 53 bits: splitmix64 and xoshiro256** turned back. */
function seedOf(uniform: number): bigint {
  const result = BigInt(Math.floor(uniform * 2 ** 53)) << 11n;
  const rotated = (result * inverse(9n)) & MASK;
  const state = ((((rotated >> 7n) | (rotated << 57n)) & MASK) * inverse(5n)) & MASK;
  let z = unshift(state, 31n);
  z = unshift((z * inverse(0x94d049bb133111ebn)) & MASK, 27n);
  z = unshift((z * inverse(0xbf58476d1ce4e5b9n)) & MASK, 30n);
  return (z - 2n * 0x9e3779b97f4a7c15n) & MASK;
}

test("seeds are chosen", () => {
  for (const uniform of [0, 0.25, 0.7182818284590452, 1 - 2 ** -53]) {
    assert.is(xoshiro(seedOf(uniform)).next().value, Math.floor(uniform * 2 ** 53) / 2 ** 53);
  }
});

/** Prefixes of the texts of a language: which tokens are allowed at its beginning. */
const LANGUAGES = [
  { regex: /[ a-m]{1,40}/u, prefix: /^[ a-m]{1,40}$/ },
  { regex: / ?(?:[b-m][aeiou]){1,9}x?/u, prefix: /^(?=.) ?(?:[b-m][aeiou])*(?:[b-m]|(?<=[aeiou])x)?$/ },
];
const ALL = 1e-30;
const SAMPLINGS: Sampling[] = [
  { temperature: 1, minP: ALL },
  { temperature: 2, topK: 23 },
  { temperature: 0.7, topP: 0.83 },
  { temperature: 1.3, topP: 0.4 },
  { temperature: 1, minP: 0.21 },
  { temperature: 1.5, topK: 40, topP: 0.95, minP: 0.05 },
  { temperature: 1, topP: 0.9, minP: 0.4 },
  { temperature: 0.9, topK: 60, repeatPenalty: 1.4, repeatWindow: 0 },
  { temperature: 1, typicalP: 0.7 },
  { temperature: 1, topK: 30, typicalP: 0.6, topP: 0.97 },
  { temperature: 1.2, topNSigma: 1.4, topP: 0.9 },
];
const PROMPT = [70, 71, 300, 70, 301, 256];

async function modelOf(vocabulary: number): Promise<Model> {
  const shape = {
    architecture: "llama",
    layers: 1,
    hidden: 64,
    heads: 2,
    kvHeads: 1,
    headSize: 32,
    ffn: 32,
    vocabulary,
    context: 64,
    theta: 1e4,
    epsilon: 1e-5,
    pre: "gpt-2",
    tied: true,
  };
  return Model.load(new Uint8Array(encodeGguf(randomModel(shape as never, "Q8_0"))));
}

async function drawn(session: Session, options: object): Promise<number> {
  const generation = session.generate(undefined, { ...options, maxTokens: 1 });
  await generation.text();
  const [token] = generation.result!.tokens;
  session.rewind(PROMPT.length);
  return token;
}

for (const [vocabulary, most] of [
  [512, 12],
  [151_936, 3],
] as const) {
  test(`a vocabulary of ${vocabulary}: the masked distribution to 1e-12`, async () => {
    const model = await modelOf(vocabulary);
    const session = model.session({ context: 32 });
    session.append(PROMPT);
    const own = await session.logits();
    const texts = Array.from({ length: vocabulary }, (_, id) => model.detokenize([id]));
    for (const { regex, prefix } of LANGUAGES) {
      const { table } = compile({ regex });
      // Scaled, so that some tokens stand out.
      const scale = 40 / own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const onLogits = (logits: Float32Array) => void logits.forEach((value, i) => void (logits[i] = value * scale));
      const masked = own.map((value, id) => (prefix.test(texts[id]) ? Math.fround(value * scale) : -Infinity));
      let borders = 0;
      for (const sampling of SAMPLINGS) {
        const oracle = new Oracle(sampling, 0n);
        const found = oracle.distribution(masked, PROMPT);
        const sums = found.map(
          (
            (sum) =>
            ([, p]) =>
              (sum += p)
          )(0),
        );
        const able = found.flatMap((_, j) =>
          j + 1 < found.length && found[j][1] > 1e-11 && found[j + 1][1] > 1e-11 ? [j] : [],
        );
        const step = Math.max(1, Math.floor(able.length / most));
        for (let i = 0; i < able.length; i += step) {
          const j = able[i];
          for (const [uniform, id] of [
            [sums[j] - 4e-13, found[j][0]],
            [sums[j] + 4e-13, found[j + 1][0]],
          ]) {
            const token = await drawn(session, { ...sampling, table, onLogits, seed: seedOf(uniform) });
            assert.is(token, id, `${JSON.stringify(sampling)}, ${regex}, border ${j} of ${found.length}`);
          }
          borders++;
        }
        if (found.length === 1) assert.is(await drawn(session, { ...sampling, table, onLogits, seed: 3 }), found[0][0]);
      }
      assert.ok(borders > 8, `${borders}`);
    }
    session.dispose();
    model.dispose();
  });
}

test("without a filter: drawn from all and again without what was refused, as the oracle does it", async () => {
  const model = await modelOf(512);
  const session = model.session({ context: 32 });
  session.append(PROMPT);
  const own = await session.logits();
  for (const { regex, prefix, tries } of [
    { ...LANGUAGES[0], tries: 1 },
    { regex: /[^a-z]{1,40}/u, prefix: /^[^a-z\ufffd]{1,40}$/, tries: 2 },
  ]) {
    const { table } = compile({ regex });
    const bytes = Array.from({ length: 512 }, (_, id) => model.detokenizeBytes([id]));
    const grammar = compile({ regex });
    const allowed = bytes.map((text) => text.length > 0 && grammar.next(text) !== null);
    assert.ok(allowed.every((may, id) => may || !prefix.test(model.detokenize([id]))));
    for (let seed = 0n; seed < 150n; seed++) {
      const uniform = xoshiro(seed);
      let list = Array.from(own, (_, id) => id);
      const choose = (): number => {
        const top = Math.max(...list.map((id) => own[id]));
        const weights = list.map((id) => Math.exp((own[id] - top) / 1.5));
        let left = (uniform.next().value as number) * [...weights].reverse().reduce((a, b) => a + b);
        let place = list.length;
        do left -= weights[--place];
        while (left >= 0 && place > 0);
        return place;
      };
      let place = 0;
      let token = -1;
      for (let i = 0; i < tries && token < 0; i++) {
        place = choose();
        if (allowed[list[place]]) token = list[place];
        else {
          list[place] = list[list.length - 1];
          list.pop();
        }
      }
      if (token < 0) {
        list = list.filter((id) => allowed[id]);
        token = list[choose()];
      }
      assert.is(await drawn(session, { temperature: 1.5, table, seed }), token, `${regex}, seed ${seed}`);
    }
  }
  session.dispose();
  model.dispose();
});

test.run();
