/**
 * Questions over six pieces of a book:  node examples/answers/main.mjs MODEL.gguf TALES.txt
 *
 * TALES.txt has the tales whose headings stand below (of Andersen, the Grimms and Lang, say). Each question is put behind
 * all six pieces, in another order each time: read anew, and composed of what was read before. The model must chat, such
 * as SmolLM2-135M-Instruct (node scripts/fetch-smollm2.mjs). Needs a build (node scripts/build.mjs).
 */
import { readFileSync } from "node:fs";
import { Model } from "../../build/js/index.js";
import { piecesUnder, Reader } from "./answers.mjs";

const TITLES = [
  "THE SHADOW",
  "THE DROP OF WATER",
  "LITTLE CLAUS AND BIG CLAUS",
  "TOM THUMB",
  "THE NETTLE SPINNER",
  "THE NIGHTINGALE",
];
const QUESTIONS = [
  "Where had the learned man come from?",
  "What did the people call the old man with the magnifying glass?",
  "How many horses did Great Claus have?",
  "Who sat by the woodman's side, spinning?",
  "What was the name of the girl who was spinning hemp?",
  "Of what was the Emperor's Palace made?",
];

const [, , file, tales] = process.argv;
if (!tales) {
  console.error("usage: node examples/answers/main.mjs MODEL.gguf TALES.txt");
  process.exit(2);
}
const model = await Model.load(file, { build: "auto" });
const reader = await Reader.of(model, piecesUnder(readFileSync(tales, "utf8"), TITLES));
for (const [i, question] of QUESTIONS.entries()) {
  const order = TITLES.map((_, j) => (i + 1 + j) % TITLES.length);
  console.log(question);
  for (const recompute of [1, undefined]) {
    const { text, firstMs, recomputed, reused } = await reader.ask(question, order, { recompute });
    const how = recompute === 1 ? "read" : "composed";
    console.log(
      `  ${how}: ${text}  (first token in ${Math.round(firstMs)} ms, ${recomputed} of ${recomputed + reused} tokens)`,
    );
  }
}
model.dispose();
