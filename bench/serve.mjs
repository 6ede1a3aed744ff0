/**
 * Eight users of a server at once against one after the other:  node bench/serve.mjs [MODEL.gguf] [--fast] [--tokens N]
 *
 * Tokens a second that eight streamed chats over HTTP come to, their prompts read and all, both ways in turn, the best of
 * the rounds each; and tokens a second of the processor's time, which others on the machine do not take. Without a model:
 * SmolLM2 (node scripts/fetch-smollm2.mjs).
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

/** Tokens of all users, a second and a second of the processor's. @param {() => Promise<number[]>} all */
async function rate(all) {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  const counts = await all();
  const total = counts.reduce((sum, count) => sum + count, 0);
  const { user, system } = process.cpuUsage(used);
  return { wall: (1000 * total) / (performance.now() - begin), cpu: (1e6 * total) / (user + system) };
}

const best = { oneByOne: { wall: 0, cpu: 0 }, together: { wall: 0, cpu: 0 } };
/** @param {keyof typeof best} way @param {{ wall: number, cpu: number }} found */
function keep(way, { wall, cpu }) {
  best[way] = { wall: Math.max(best[way].wall, wall), cpu: Math.max(best[way].cpu, cpu) };
}
for (let round = 0; round < ROUNDS; round++) {
  const oneByOne = await rate(async () => {
    const counts = [];
    for (const user of users) counts.push(await talk(user, 2 * round));
    return counts;
  });
  const together = await rate(() => Promise.all(users.map((user) => talk(user, 2 * round + 1))));
  keep("oneByOne", oneByOne);
  keep("together", together);
  const words = [oneByOne, together].map(({ wall, cpu }) => `${wall.toFixed(1)} (${cpu.toFixed(1)})`).join(" and ");
  console.error(`round ${round + 1}: ${words} tokens a second (of the processor's)`);
}
server.closeAllConnections();
server.close();
answer.dispose();
const times = {
  wall: best.together.wall / best.oneByOne.wall,
  cpu: best.together.cpu / best.oneByOne.cpu,
};
console.log(JSON.stringify({ model: file, build: model.build, ...best, times }));
