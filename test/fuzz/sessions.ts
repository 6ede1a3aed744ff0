/**
 * Saved sessions, sound and not: what is restored goes on as it would have, what is refused leaves the session as it was,
 * with its messages. Of models with keys and values, with latents, with look-up tables, and with recurrent states.
 */
import * as assert from "uvu/assert";
import { fnv } from "../../src/host/checksum.ts";
import { Model, type Session } from "../../src/index.ts";
import { modelBytes } from "../support/models.ts";
import { sealed } from "../support/session.ts";
import { Finding, type Fuzzer, guardModule, type Run, refused } from "./fuzzer.ts";
import { joined, woundBytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import { makeSeeds } from "./seeds.ts";

/** Two kinds of recurrent states, and one beside keys and values. */
const RECURRENT = ["rwkv7-tiny", "mamba2-tiny", "lfm2-tiny"];
const MARK = "LMPN";
const TRAILER = 12;

export const sessions: Fuzzer = {
  name: "sessions",
  about: "saved sessions with wounds, their checksums right or wrong, and their messages",
  cases: 1000,
  share: 2,
  prepare,
};

interface Saved {
  readonly model: Model;
  readonly kv: "f16" | "f32" | "q8_0";
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tokens: readonly number[];
  readonly messages: string;
  /** What the session says next. */
  readonly next: readonly number[];
}

const say = async (session: Session): Promise<readonly number[]> => {
  const generation = session.generate(undefined, { maxTokens: 3, temperature: 0.8, seed: 7 });
  await generation.text();
  return generation.result!.tokens;
};

async function prepare(): Promise<Run> {
  const seeds = makeSeeds().filter(({ name }) => /^(llama|plm|memoryformer) (F32|Q8_0)/.test(name));
  const saved: Saved[] = [];
  const files = [...seeds.map(({ bytes }) => bytes), ...RECURRENT.map((kind) => modelBytes(kind, "F32"))];
  for (const [i, file] of files.entries()) {
    const model = await Model.load(file, { wasm: guardModule() });
    const hasTemplate = i < seeds.length;
    for (const kv of ["f16", "f32", "q8_0"] as const) {
      for (const talks of hasTemplate ? [false, true] : [false]) {
        const session = model.session({ kv, system: talks ? "Be short. é" : undefined });
        if (talks) await session.chat("A", { maxTokens: 2 }).text();
        else session.append("Once upon a time");
        const bytes = session.save();
        const [tokens, messages] = [session.tokens, JSON.stringify(session.messages)];
        saved.push({ model, kv, bytes, tokens, messages, next: await say(session) });
        session.dispose();
      }
    }
  }

  const one = async (random: Random): Promise<string> => {
    const from = random.pick(saved);
    // Now and then another model, or another type of cache.
    const into = random.oneIn(8) ? random.pick(saved) : from;
    const sound = random.oneIn(12);
    const bytes = sound ? from.bytes : wound(random, from.bytes);
    const session = into.model.session({ kv: into.kv, context: random.oneIn(4) ? random.from(1, 64) : undefined });
    try {
      const there = random.oneIn(2) ? [3, 4, 5].slice(0, session.capacity) : [];
      if (there.length) session.append(there);
      const word = await refused(() => session.restore(bytes));
      if (word === null) {
        const fits = session.capacity >= from.tokens.length + 3;
        if (sound && fits) {
          assert.equal(session.tokens, from.tokens);
          assert.is(JSON.stringify(session.messages), from.messages);
          assert.equal(await say(session), from.next, "a session goes on as it would have");
        } else await refused(() => say(session));
        session.save();
        return sound ? "restored" : "restored with wounds";
      }
      if (sound && into === from && session.capacity >= from.tokens.length) {
        throw new Finding(`a sound session is refused: ${word}`);
      }
      assert.equal(session.tokens, there, "what is refused changes nothing");
      assert.equal(session.messages, []);
      await refused(() => say(session));
      return word;
    } finally {
      session.dispose();
    }
  };
  return { one };
}

/** A saved session with wounds; of most, the checksums are right again, so that what lies behind them is read. */
function wound(random: Random, sound: Uint8Array): Uint8Array<ArrayBuffer> {
  const isChat = new TextDecoder().decode(sound.subarray(-4)) === MARK;
  const view = new DataView(sound.buffer, sound.byteOffset, sound.length);
  const end = isChat ? sound.length - TRAILER - view.getUint32(sound.length - 8, true) : sound.length;
  const rows = sound.slice(0, end);
  const text = sound.slice(end, Math.max(sound.length - TRAILER, end));
  const isText = isChat && random.oneIn(2);
  if (!isChat || !isText) {
    // Most of the bytes are rows; what describes them stands in front and in front of each section.
    const near = random.oneIn(2) ? Math.min(rows.length, 400) : rows.length;
    const wounded = woundBytes(random, rows, random.oneIn(8) ? 0 : 8, near);
    const core = wounded.length > 24 && !random.oneIn(5) ? sealed(wounded) : wounded;
    return isChat ? joined(core, sound.subarray(end)) : joined(core);
  }
  const messages = woundMessages(random, text);
  const trailer = new DataView(new ArrayBuffer(TRAILER));
  trailer.setUint32(0, random.oneIn(6) ? random.edge32() : fnv(messages), true);
  trailer.setUint32(4, random.oneIn(6) ? random.edge32() : messages.length, true);
  for (let i = 0; i < 4; i++) trailer.setUint8(8 + i, MARK.charCodeAt(i));
  return joined(rows, messages, new Uint8Array(trailer.buffer));
}

function woundMessages(random: Random, text: Uint8Array): Uint8Array {
  const odd = [
    "5",
    "null",
    "{}",
    "[1,2]",
    '[{"role":"evil","content":"x"}]',
    '[{"role":"user"}]',
    "[[]]",
    "",
    "[",
    '"x"',
  ];
  if (random.oneIn(2)) return new TextEncoder().encode(random.pick(odd));
  return woundBytes(random, text, 0, text.length);
}
