/**
 * Eight users of a server at once against one after the other:  node bench/serve.mjs [MODEL.gguf] [--fast] [--tokens N]
 *
 * Tokens a second that eight streamed chats over HTTP come to, their prompts read and all, both ways in turn, the best of
 * the rounds each. Without a model: SmolLM2 (node scripts/fetch-smollm2.mjs).
 */
import { createServer } from "node:http";
import { Model } from "../build/js/index.js";
import { handler, listener } from "../build/js/server.js";
import { SMOLLM2 } from "../scripts/fetch-smollm2.mjs";

const words = process.argv.slice(2);
const tokens = words.includes("--tokens") ? Number(words[words.indexOf("--tokens") + 1]) : 48;
const file = words.find((word) => word.endsWith(".gguf")) ?? SMOLLM2;
const ROUNDS = 3;

const model = await Model.load(file, { build: words.includes("--fast") ? "fast" : "portable" });
const answer = handler({ model }, { context: 512 });
const server = createServer(listener(answer));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}/v1/chat/completions`;
const users = ["the sea", "a limpet", "the harbour", "soup", "a lighthouse", "computers", "my grandmother", "gardens"];
/** No answer ends before its last token. */
const logit_bias = { [model.tokenizer.specials.eos ?? 0]: -100 };

/** The tokens of one user's answer. @param {string} user @param {number} round */
async function talk(user, round) {
  const messages = [{ role: "user", content: `Round ${round}: tell me a long story of ${user}.` }];
  const body = JSON.stringify({ messages, max_tokens: tokens, seed: 1, logit_bias, stream: true });
  const response = await fetch(url, { method: "POST", body, headers: { "content-type": "application/json" } });
  const text = await response.text();
  if (!text.endsWith("data: [DONE]\n\n")) throw new Error(text);
  return tokens;
}

/** Tokens a second of all users. @param {() => Promise<number[]>} all */
async function rate(all) {
  const begin = performance.now();
  const counts = await all();
  return (1000 * counts.reduce((sum, count) => sum + count, 0)) / (performance.now() - begin);
}

const best = { oneByOne: 0, together: 0 };
for (let round = 0; round < ROUNDS; round++) {
  const oneByOne = await rate(async () => {
    const counts = [];
    for (const user of users) counts.push(await talk(user, 2 * round));
    return counts;
  });
  const together = await rate(() => Promise.all(users.map((user) => talk(user, 2 * round + 1))));
  best.oneByOne = Math.max(best.oneByOne, oneByOne);
  best.together = Math.max(best.together, together);
  console.error(`round ${round + 1}: ${oneByOne.toFixed(1)} and ${together.toFixed(1)} tokens/s`);
}
server.closeAllConnections();
server.close();
answer.dispose();
console.log(JSON.stringify({ model: file, build: model.build, ...best, times: best.together / best.oneByOne }));
