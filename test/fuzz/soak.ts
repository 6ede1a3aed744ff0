/**
 * What is used for long stays what it was:  node --import tsx test/fuzz/soak.ts [--minutes N]
 *
 *     2,000 sessions, 20 worker models and 50 models with streamed tables are made and dropped without `dispose`
 *     four sessions of one model talk at once for N minutes (10)
 *
 * Memory, threads and descriptors are printed on the way; the status is 1 where they grow, or where an answer is another
 * than it was at first. Not a test: it takes as long as it is told to, and looks at /proc.
 */
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { defaultModel } from "../../src/default-model.ts";
import { Model } from "../../src/index.ts";
import { modelBytes, temporaryFile } from "../support/models.ts";

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
const MINUTES = Number(values.minutes);
const LINEAR_LIMIT = 512 << 20;

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
// Node's event loop must not be empty while WebAssembly compiles (nodejs/node#54918).
setInterval(() => {}, 1000).unref();

const megabytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
let failed = false;

interface Now {
  readonly rss: number;
  readonly threads: number;
  readonly files: number;
}

/** What the process holds, once the collector has seen what was dropped. */
async function settled(): Promise<Now> {
  for (let i = 0; i < 10; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const count = (folder: string): number => readdirSync(folder).length;
  return {
    rss: process.memoryUsage.rss(),
    threads: count("/proc/self/task"),
    files: count("/proc/self/fd"),
  };
}

function say(what: string, now: Now, more = ""): void {
  console.log(
    `${what.padEnd(40)} rss ${megabytes(now.rss)} MB, ${now.threads} threads, ${now.files} descriptors${more}`,
  );
}

/** Makes and drops things, and holds what is left behind the first fifth against what is left at the end. */
async function drops(what: string, count: number, make: (i: number) => Promise<void>, linear?: () => number) {
  const after: { now: Now; linear: number }[] = [];
  for (let i = 1; i <= count; i++) {
    await make(i);
    if (i % (count / 5) !== 0) continue;
    const now = await settled();
    after.push({ now, linear: linear?.() ?? 0 });
    say(`${i} ${what}`, now, linear ? `, ${megabytes(linear())} MB linear` : "");
  }
  const [first, last] = [after[0], after.at(-1)!];
  const { threads, files } = first.now;
  const grown = last.now.threads > threads || last.now.files > files || last.linear > first.linear;
  if (!grown && last.now.rss < first.now.rss + (64 << 20)) return;
  console.log(`✘ ${what}: what was dropped is still there`);
  failed = true;
}

const file = temporaryFile("soak.gguf", modelBytes("memoryformer-tiny", "Q8_0"));
const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
await drops(
  "sessions",
  2000,
  async () => {
    const session = model.session();
    session.append([1, 2, 3]);
    await session.generate(undefined, { maxTokens: 2 }).text();
  },
  () => model.memory.linear,
);
model.dispose();
await drops("models in workers", 20, async () => {
  const worker = await Model.load(file, { worker: true });
  await worker.generate("A", { maxTokens: 2 }).text();
});
await drops("models with streamed tables", 50, async () => {
  const streamed = await Model.load(file, { tables: "stream" });
  await streamed.generate("A", { maxTokens: 2 }).text();
});
await talk();
process.exit(failed ? 1 : 0);

/** Four sessions at once, each of which begins anew where its context is full. */
async function talk(): Promise<void> {
  const tale = await Model.load(defaultModel);
  const prompt = "Once upon a time there was a king";
  const options = { maxTokens: 24, temperature: 0 };
  const want = await tale.generate(prompt, options).text();
  const end = performance.now() + MINUTES * 60_000;
  let [tokens, answers, wrong, linear] = [0, 0, 0, 0];
  const speak = async (seed: number): Promise<void> => {
    let session = tale.session();
    for (let turn = 0; performance.now() < end; turn++) {
      if (session.tokens.length > session.capacity - 300) session = tale.session();
      const generation = session.generate(turn % 3 === 0 || !session.tokens.length ? prompt : undefined, {
        maxTokens: 100,
        temperature: 0.8,
        seed,
      });
      for await (const _ of generation) {
        tokens++;
        linear = Math.max(linear, tale.memory.linear);
        if (turn % 7 === 6 && tokens % 50 === 0) break;
      }
      if (turn % 5 === 4) session.rewind(Math.floor(session.tokens.length / 2));
      if (turn % 11 === 10) session.restore(session.save());
      if (turn % 9 !== 8) continue;
      answers++;
      if ((await tale.generate(prompt, options).text()) !== want) wrong++;
    }
  };
  const tick = setInterval(async () => {
    say("four sessions", await settled(), `, ${megabytes(linear)} MB linear, ${tokens} tokens, ${answers} answers`);
  }, 60_000);
  await Promise.all([1, 2, 3, 4].map(speak));
  clearInterval(tick);
  const words = `${megabytes(linear)} MB linear, ${tokens} tokens, ${answers} known answers, ${wrong} of them wrong`;
  say(`four sessions for ${MINUTES} minutes`, await settled(), `, ${words}`);
  if (wrong || linear > LINEAR_LIMIT) failed = true;
}
