/**
 * What composing spares, and what it costs:  node --import tsx bench/composed.mjs [MODEL.gguf] [--pieces 4] [--tokens 256]
 *     [--suffix 32] [--prompts 8] [--build portable|fast] [--text ../shared/data/tales-valid.txt]
 *
 * Of each prompt (pieces that follow one another in a text, every other prompt in reversed order, a suffix, and 32 tokens
 * behind it): seconds up to the first token when all is read, and when the pieces' rows are there and composed, by share;
 * and the mean KL divergence of the 32 next tokens' distributions from those of reading, with how often the likeliest token
 * is the same. "random" computes as many tokens as 0.16, drawn by chance, "first" the first of each piece (EPIC). One
 * thread. Without a model: SmolLM2 (node scripts/fetch-smollm2.mjs).
 */
import { readFileSync } from "node:fs";
import { SMOLLM2 } from "../scripts/fetch-smollm2.mjs";
import { compose, join, piece } from "../test/support/composed.ts";
import { Engine, EngineSession, prompt } from "../test/support/engine.ts";
import { compare } from "./limpet.mjs";

const words = process.argv.slice(2);
const value = (/** @type {string} */ name, /** @type {string} */ otherwise) =>
  words.includes(`--${name}`) ? words[words.indexOf(`--${name}`) + 1] : otherwise;
const [pieces, tokens, suffix, prompts] = [
  Number(value("pieces", "4")),
  Number(value("tokens", "256")),
  Number(value("suffix", "32")),
  Number(value("prompts", "8")),
];
const NEXT = 32;
const SHARE = 0.16;
const engine = new Engine(/** @type {"portable"} */ (value("build", "portable")));
const model = engine.load(new Uint8Array(readFileSync(words.find((word) => word.endsWith(".gguf")) ?? SMOLLM2)));
const encoder = new EngineSession(model.context({ rows: 90_000, batch: 8 }));
const count = pieces * tokens + suffix + NEXT;
encoder.append(readFileSync(value("text", "../shared/data/tales-valid.txt"), "utf8").slice(0, 265_000), 0);
const text = encoder.tokens;
encoder.release();
encoder.context.release();

const lead = [1, ...text.slice(0, 7)];
const context = model.context({ rows: 2 * count, batch: 256, logitRows: NEXT });
/** @type {Record<string, { seconds: number[], kl: number[], same: number[] }>} */
const found = {};
let state = 1;
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;

/** Which tokens of the pieces behind the first are computed anew, by their numbers there. @param {string} how */
function chosenBy(how) {
  const all = (pieces - 1) * tokens;
  const most = Math.floor(SHARE * all);
  if (how === "random") {
    const order = Array.from({ length: all }, (_, i) => ({ i, at: random() })).sort((a, b) => a.at - b.at);
    return new Set(order.slice(0, most).map(({ i }) => i));
  }
  const each = Math.floor(most / (pieces - 1));
  return new Set(Array.from({ length: all }, (_, i) => i).filter((i) => i % tokens < each));
}

for (let p = 0; p < prompts; p++) {
  const from = Math.floor((p * (text.length - count - 8)) / prompts) + 8;
  const parts = Array.from({ length: pieces }, (_, i) => text.slice(from + i * tokens, from + (i + 1) * tokens));
  if (p % 2) parts.reverse();
  const end = text.slice(from + pieces * tokens, from + count);
  const all = [...lead, ...parts.flat(), ...end];
  /** Runs what is left behind the first `at` tokens, and gives the logits of the last NEXT. @param {number} at */
  const rest = (at) => {
    const batch = prompt(all).map((token, i) => ({ ...token, wanted: i >= all.length - NEXT }));
    const logits = context.runChunks(batch.slice(at), 256);
    return Float32Array.from(logits.flatMap((row) => Array.from(row)));
  };
  const first = all.length - NEXT;
  /** Seconds up to the row of the suffix's last token. @param {() => number} work */
  const clock = (work) => {
    const begin = performance.now();
    const at = work();
    context.runChunks(
      prompt(all)
        .map((token, i) => ({ ...token, wanted: i === first - 1 }))
        .slice(at, first),
      256,
    );
    return (performance.now() - begin) / 1000;
  };
  /** @param {string} name @param {number} seconds @param {Float32Array} [want] @param {Float32Array} [got] */
  const note = (name, seconds, want, got) => {
    found[name] ??= { seconds: [], kl: [], same: [] };
    found[name].seconds.push(seconds);
    if (!want || !got) return;
    const { klMean, top1 } = compare(want, got, model.vocabulary);
    found[name].kl.push(klMean);
    found[name].same.push(top1);
  };
  context.reset();
  const seconds = clock(() => 0);
  context.reset();
  const want = rest(0);
  note("read", seconds);
  context.reset();
  const saved = parts.map((ids) => piece(context, [...lead, ...ids]));
  for (const how of [0, 0.05, SHARE, 0.3, "random", "first"]) {
    const session = new EngineSession(context);
    const computed = typeof how === "string" ? chosenBy(how) : null;
    const spent = clock(() => {
      for (const [i, bytes] of saved.entries()) {
        if (!computed || i === 0) {
          join(session, bytes, i ? lead.length : 0, lead.length + tokens);
          continue;
        }
        // What is computed anew stands as text between what is not.
        for (let at = 0; at < tokens; ) {
          let to = at;
          const isText = computed.has((i - 1) * tokens + at);
          while (to < tokens && computed.has((i - 1) * tokens + to) === isText) to++;
          if (isText) session.append(parts[i].slice(at, to));
          else join(session, bytes, lead.length + at, lead.length + to, lead.length);
          at = to;
        }
      }
      session.append(end.slice(0, suffix));
      compose(session, typeof how === "number" ? how : 0);
      // What is text at the end is of the prompt.
      return session.evaluated;
    });
    context.drop(0, session.evaluated, 1e6 - 1);
    note(String(how), spent, want, rest(session.evaluated));
    session.release();
    context.reset();
  }
  const mean = (/** @type {number[]} */ list) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const read = mean(found.read.seconds);
  console.log(`${p + 1} prompts of ${first} tokens; read: first token in ${read.toFixed(2)} s`);
  for (const [name, { seconds, kl, same }] of Object.entries(found)) {
    if (kl.length === 0) continue;
    const sooner = (read / mean(seconds)).toFixed(2);
    console.log(
      `  ${name.padEnd(6)} ${sooner} x sooner, KL ${mean(kl).toFixed(4)}, same ${(100 * mean(same)).toFixed(1)} %`,
    );
  }
}
