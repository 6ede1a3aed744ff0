/** The reader of examples/answers: pieces are read once, and each question is put behind those that it is about. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { piecesUnder, Reader } from "../examples/answers/answers.mjs";
import { Model } from "../src/index.ts";
import { modelBytes } from "./support/models.ts";

const BOOK =
  "A BOOK\n\nONE\nThe first.\nMore of it.\n\nTWO\nThe second, which is long.\nToo much.\n\nTHREE\nThe third.";
const QUESTION = "What is first?";
const ORDER = [2, 0, 1];

test("a piece is what stands under its heading, as whole lines, and one at least", () => {
  assert.equal(piecesUnder(BOOK, ["TWO", "ONE"], 25), [
    "TWO\nThe second, which is long.",
    "ONE\nThe first.\nMore of it.",
  ]);
  assert.throws(() => piecesUnder(BOOK, ["FOUR"]), /no heading FOUR/);
});

test("with all computed anew the answer is that of the whole text; else most of the pieces is reused", async () => {
  const template = "{% for message in messages %}{{ 'Q ' + message['content'] + ' A' }}{% endfor %}";
  const model = await Model.load(modelBytes("llama-tiny", "Q8_0"), { template });
  const pieces = piecesUnder(BOOK, ["ONE", "TWO", "THREE"], 25);
  const reader = await Reader.of(model as unknown as Parameters<typeof Reader.of>[0], pieces);
  const spoken = await model.chatTokens([{ role: "user", content: "x" }]);
  const at = spoken.lastIndexOf(model.tokenize("x").at(-1)!);
  const [lead, behind] = [spoken.slice(0, at), spoken.slice(at + 1)];
  const chunks = await Promise.all(pieces.map((piece) => model.chunk(`${piece}\n\n`, { lead })));
  const ids = [
    ...lead,
    ...ORDER.flatMap((i) => chunks[i].tokens.slice(lead.length)),
    ...model.tokenize(`Question: ${QUESTION} Answer in a few words.`),
    ...behind,
  ];
  const read = await reader.ask(QUESTION, ORDER, { recompute: 1, maxTokens: 6 });
  const some = await reader.ask(QUESTION, ORDER, { maxTokens: 6 });
  for (const { recomputed, reused } of [read, some]) assert.is(recomputed + reused, ids.length);
  assert.ok(some.reused > read.reused);
  const answer = await model.generate(ids, { maxTokens: 6 }).text();
  assert.is(read.text, answer.trim());
  model.dispose();
});

test.run();
