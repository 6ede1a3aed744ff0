/**
 * What tokenizing costs, counted in steps of the core: of any kind of text, with vocabularies that are made to cost, with
 * real ones and with those of the fuzzers, at most four times what as much plain English does; and eight times the text
 * at most nine times as much. `npm run fuzz:tokenizing` measures the same in time.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { COSTLY, type CostlyVocabulary, randomVocabularies, realVocabularies, textsFor } from "./fuzz/costly-texts.ts";
import { CountedCore } from "./support/counted.ts";
import { PARSE_SPECIAL, Tokenizer } from "./support/tokenizer.ts";

const BYTES = 1 << 11;
const MOST_OF_ENGLISH = 4;
const MOST_OF_GROWTH = 9;

const core = new CountedCore();

function stepsOf(tokenizer: Tokenizer, text: Uint8Array): number {
  const at = core.put(text);
  const room = 4 * text.length + 16;
  const target = core.allocate(4 * room);
  let count = 0;
  const steps = core.steps(() => {
    const { pointer } = tokenizer;
    count = core.call("tokenizer_tokenize", core.core, pointer, at, text.length, PARSE_SPECIAL, target, room);
  });
  core.release(target);
  core.release(at);
  assert.ok(count >= 0, core.message);
  return steps;
}

function check(vocabulary: CostlyVocabulary): void {
  const tokenizer = Tokenizer.load(core, vocabulary.file());
  const texts = textsFor(vocabulary, 8 * BYTES);
  const short = textsFor(vocabulary, BYTES);
  const english = stepsOf(tokenizer, texts[0][1]);
  for (const [i, [name, text]] of texts.entries()) {
    const steps = stepsOf(tokenizer, text);
    const [ratio, growth] = [steps / english, steps / stepsOf(tokenizer, short[i][1])];
    assert.ok(
      ratio <= MOST_OF_ENGLISH,
      `${vocabulary.name}: ${name} costs ${ratio.toFixed(2)} times as much as English`,
    );
    assert.ok(growth <= MOST_OF_GROWTH, `${vocabulary.name}: ${name}, eight times: ${growth.toFixed(2)} times as much`);
  }
  tokenizer.release();
}

for (const vocabulary of COSTLY) test(vocabulary.name, () => check(vocabulary));

test("vocabularies of real models", () => {
  for (const vocabulary of realVocabularies()) check(vocabulary);
});

test("20 vocabularies of the fuzzers", () => {
  for (const vocabulary of randomVocabularies(20, 1)) check(vocabulary);
});

test.run();
