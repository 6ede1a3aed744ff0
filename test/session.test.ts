/**
 * Sessions: text that comes out in whole characters and never shows a stop string, probabilities, going back, going on,
 * and saving: the same bits wherever a session is taken up again.
 */

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { address } from "../bindings/memory.ts";
import {
  Code,
  chainModel,
  END,
  Engine,
  F16,
  F32,
  Finish,
  modelBytes,
  Q8_0,
  refuses,
  sealed,
  sectionsOf,
  sessionOf,
  spread,
} from "./support/engine.ts";
import { generator } from "./support/random.ts";

import { shared } from "./support/shared.ts";

const engine = new Engine("portable");
const scalar = new Engine("scalar");
const bytesOf = (text: string) => [...new TextEncoder().encode(text)];
const ALPHABET = "abcdefghijklmnopqrstuvwxyz";
const alphabet = engine.load(chainModel(bytesOf(ALPHABET)));
const tiny = engine.load(modelBytes("llama-tiny", "Q8_0"));

test("text comes in whole characters, each as soon as it is whole", () => {
  const text = "aé€😀b";
  const model = engine.load(chainModel([...bytesOf(text), END]));
  const session = model.session();
  session.append([bytesOf("a")[0]]);
  const { pieces, finish, text: said, ids } = session.generate(50);
  assert.is(said, "é€😀b");
  assert.is(finish, Finish.STOP);
  assert.is(ids.at(-1), END);
  assert.equal(
    pieces.map((piece) => piece.length),
    [0, 2, 0, 0, 3, 0, 0, 0, 4, 1, 0],
  );
  // A character that is cut off by the length comes out as the bytes that there are.
  session.rewind(1);
  const cut = session.generate(4);
  assert.equal(Buffer.concat(cut.pieces), Buffer.from([0xc3, 0xa9, 0xe2, 0x82]));
  assert.is(cut.finish, Finish.LENGTH);
  session.release();
});

function stopping(stops: string[], maxTokens = 40) {
  const session = alphabet.session();
  session.append([bytesOf("a")[0]]);
  for (const stop of stops) session.addStop(stop);
  const result = session.generate(maxTokens);
  session.release();
  return result;
}

test("a stop string over several tokens is never shown, nor its beginning", () => {
  const { text, finish, pieces, ids } = stopping(["fgh"]);
  assert.is(text, "bcde");
  assert.is(finish, Finish.STOP_STRING);
  assert.is(ids.length, 7, "the tokens of the stop string were made");
  assert.equal(
    pieces.map((piece) => piece.length),
    [1, 1, 1, 1, 0, 0, 0],
  );
  // What only begins as a stop string does is held back, and comes out when it is clear.
  const held = stopping(["fghX"], 10);
  assert.is(held.text, "bcdefghijk");
  assert.equal(
    held.pieces.map((piece) => piece.length),
    [1, 1, 1, 1, 0, 0, 0, 4, 1, 1],
  );
  assert.is(stopping(["jkX"], 9).text, "bcdefghij", "held back at the end: shown");
  assert.is(stopping(["b"]).text, "");
  assert.is(stopping(["z", "hij", "ij", "xyz"]).text, "bcdefg", "the first in the text counts, not in the list");
  assert.is(stopping(["ghij", "h"]).text, "bcdefg");
  assert.is(stopping([ALPHABET.slice(2)]).text, "b");
  assert.is(stopping(["ab"], 30).text, ALPHABET.slice(1), "a chain's second round");
});

test("stop strings have limits", () => {
  const session = alphabet.session();
  refuses(() => session.addStop(""), Code.BAD_ARGUMENT, /at least one byte/);
  refuses(() => session.addStop("x".repeat(4097)), Code.BAD_ARGUMENT, /4096/);
  for (let i = 0; i < 8; i++) session.addStop("x".repeat(500));
  refuses(() => session.addStop("y".repeat(100)), Code.BAD_ARGUMENT, /4096/);
  session.append([97]);
  assert.is(session.generate(5).text, "bcdef");
  session.release();
});

test("log probabilities are those of the logits in float64, best first", () => {
  const session = tiny.session({ kv: F32 });
  session.append(spread(9));
  session.configure({ temperature: 0.9, seed: 5 });
  const rows: Float32Array[] = [];
  const { ids, logprobs, top } = session.generate(12, 20, () => rows.push(...session.context.logits(1)));
  assert.is(ids.length, 12);
  for (const [i, row] of rows.entries()) {
    const largest = Math.max(...row);
    const sum = Math.log(row.reduce((total, value) => total + Math.exp(value - largest), 0)) + largest;
    assert.ok(Math.abs(logprobs[i] - (row[ids[i]] - sum)) < 1e-5);
    const best = [...row.keys()].sort((a, b) => row[b] - row[a] || a - b).slice(0, 20);
    assert.equal(
      top[i].map(([id]) => id),
      best,
    );
    for (const [id, logprob] of top[i]) assert.ok(Math.abs(logprob - (row[id] - sum)) < 1e-5);
  }
  session.rewind(9);
  assert.equal(session.generate(3, 0).top, [[], [], []]);
  session.rewind(9);
  refuses(() => session.begin(1, 1, 21), Code.BAD_ARGUMENT, /at most 20/);
  session.release();
  session.context.release();
});

test("going back and on gives the bits of going straight", () => {
  const session = tiny.session({ rows: 128, batch: 16 });
  const ids = spread(40);
  session.append(ids);
  const want = session.generate(20).ids;
  assert.equal(session.tokens, [...ids, ...want]);
  assert.is(session.evaluated, 59, "the last token is not evaluated yet");
  const more = session.generate(10).ids;
  session.rewind(40);
  assert.equal([...session.generate(20).ids, ...session.generate(10).ids], [...want, ...more]);

  // A conversation whose end is written anew: only what differs is evaluated again.
  session.replace([...ids.slice(0, 30), 1, 2, 3]);
  assert.is(session.evaluated, 30);
  const other = session.generate(8).ids;
  const fresh = tiny.session({ rows: 128, batch: 64 });
  fresh.append([...ids.slice(0, 30), 1, 2, 3]);
  assert.equal(fresh.generate(8).ids, other);
  session.replace(ids);
  assert.equal(session.generate(20).ids, want);
  session.replace(session.tokens);
  assert.equal(session.generate(10).ids, more);
  session.replace([]);
  assert.is(session.evaluated, 0);
  for (const one of [session, fresh]) {
    one.release();
    one.context.release();
  }
});

test("a full context ends the answer, not the session", () => {
  const session = tiny.session({ rows: 16, batch: 4 });
  session.append(spread(10));
  const { ids, finish } = session.generate(100);
  assert.is(finish, Finish.CONTEXT);
  assert.is(ids.length, 7);
  assert.is(session.tokens.length, 16);
  refuses(() => session.append([1]), Code.CONTEXT_FULL, /holds 16 tokens: 16 are there, and 1 more/);
  session.rewind(10);
  assert.equal(session.generate(3).ids, ids.slice(0, 3));
  refuses(() => session.replace(spread(17)), Code.CONTEXT_FULL, /17|more/);
  refuses(() => session.append("word ".repeat(40)), Code.CONTEXT_FULL, /do not fit/);
  assert.ok(session.tokens.length <= 16);
  session.release();
  session.context.release();
});

test("calls that do not fit a session's state are errors", () => {
  const session = tiny.session();
  refuses(() => session.begin(5), Code.BAD_ARGUMENT, /no tokens/);
  refuses(() => engine.do("session_step", session.handle), Code.WRONG_STATE, /no generation/);
  refuses(() => session.append([512]), Code.BAD_ARGUMENT, /512 is not in the vocabulary/);
  refuses(() => session.append([-1]), Code.BAD_ARGUMENT, /-1 is not in the vocabulary/);
  refuses(() => session.configure({ temperature: -1 }), Code.BAD_ARGUMENT, /temperature/);
  refuses(() => session.configure({ temperature: Number.NaN }), Code.BAD_ARGUMENT, /temperature/);
  refuses(() => session.configure({ topP: 0 }), Code.BAD_ARGUMENT, /top-p/);
  refuses(() => session.configure({ minP: 1.5 }), Code.BAD_ARGUMENT, /min-p/);
  refuses(() => session.configure({ repeatPenalty: 0 }), Code.BAD_ARGUMENT, /penalty/);
  refuses(() => tiny.session({}, session.context, 1), Code.BAD_ARGUMENT, /sequences/);
  session.append(spread(5));
  assert.equal(session.generate(0).ids, []);
  session.begin(5);
  refuses(() => session.save(), Code.WRONG_STATE, /between generations/);
  session.rewind(5);
  refuses(() => engine.do("session_step", session.handle), Code.WRONG_STATE, /no generation/);
  assert.is(session.generate(2).ids.length, 2);
  session.release();
  session.context.release();
});

test("sessions of one context take turns, and give up their own work only", () => {
  const context = tiny.context({ rows: 128, sequences: 2, batch: 8 });
  const [first, second] = [tiny.session({}, context, 0), tiny.session({}, context, 1)];
  const alone = [spread(20, 5), spread(20, 50)].map((ids) => {
    const session = tiny.session();
    session.append(ids);
    const answer = session.generate(10).ids;
    session.release();
    session.context.release();
    return answer;
  });
  first.append(spread(20, 5));
  second.append(spread(20, 50));
  first.begin(10);
  engine.core.call("context_set_step_work", context.handle, 100_000n);
  engine.do("session_step", first.handle);
  second.begin(10);
  refuses(() => engine.do("session_step", second.handle), Code.WRONG_STATE, /another session/);
  // The second one's error has not touched the first one's pass.
  assert.is(engine.do("session_step", first.handle), 1);
  engine.core.call("session_stop", first.handle);
  assert.is(context.rows(0), first.evaluated);
  assert.equal(second.generate(10).ids, alone[1]);
  assert.equal(first.generate(10).ids, alone[0]);
  // A pass that the host takes away is begun again.
  first.rewind(20);
  first.begin(10);
  engine.do("session_step", first.handle);
  engine.core.call("context_abort", context.handle);
  assert.equal(first.generate(10).ids, alone[0]);
  first.release();
  assert.is(context.rows(0), 0);
  second.release();
  context.release();
});

test("a saved session goes on with the same bits: in another context, in other chunks, in the other build", () => {
  const options = { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.02, repeatPenalty: 1.1, seed: 99 };
  const saved: Uint8Array[] = [];
  const want: number[][] = [];
  for (const [kind, kv] of [
    ["llama-tiny", F16],
    ["plm-1m", F16],
    ["memoryformer-tiny", F16],
    ["llama-tiny", Q8_0],
    ["plm-1m", Q8_0],
  ] as const) {
    const model = engine.load(modelBytes(kind, "Q4_0"));
    const session = model.session({ batch: 64, kv });
    session.configure(options);
    session.append(spread(30));
    session.generate(15);
    saved.push(session.save());
    want.push(session.generate(40).ids);
    assert.is.not(want.at(-1)?.join(), "");
    for (const target of [engine, scalar]) {
      const other = target === engine ? model : target.load(modelBytes(kind, "Q4_0"));
      const context = other.context({ rows: 100, batch: 5, sequences: 2, kv });
      const restored = other.session({}, context, 1);
      restored.append("something else");
      restored.generate(3);
      restored.restore(saved[saved.length - 1]);
      assert.equal(restored.save(), saved.at(-1), "saving again gives the same bytes");
      assert.equal(restored.generate(40).ids, want.at(-1), `${kind}, kv ${kv}`);
    }
  }
});

test("bytes that are no session of this model are refused, and the session is as it was", () => {
  const options = { temperature: 0.8, seed: 4 };
  const session = tiny.session({ rows: 24, batch: 8 });
  session.configure(options);
  session.append(spread(4));
  session.generate(2);
  const own = session.save();
  const donor = tiny.session({ rows: 64 });
  donor.append(spread(3, 7));
  donor.generate(2);
  const good = donor.save();
  const untouched = () => assert.equal(session.save(), own, "the session is as it was");

  for (let length = 0; length < good.length; length++) {
    refuses(() => session.restore(good.slice(0, length)), Code.BAD_FILE, /not a session|cut off/);
    if (length % 101 === 0) untouched();
  }
  untouched();
  refuses(() => session.restore(Uint8Array.of(...good, 0)), Code.BAD_FILE, /longer/);

  const refusesOther = (words: RegExp, code: number, kind: string, type: string, kv = 1) => {
    const model = engine.load(modelBytes(kind, type));
    const other = model.session({ kv });
    other.append(spread(3));
    refuses(() => session.restore(other.save()), code, words);
    untouched();
    other.release();
    other.context.release();
    model.release();
  };
  refusesOther(/another model/, Code.BAD_FILE, "llama-tiny", "Q4_0");
  refusesOther(/another model/, Code.BAD_FILE, "plm-1m", "Q8_0");
  refusesOther(/cache has another type/, Code.BAD_FILE, "llama-tiny", "Q8_0", F32);
  refusesOther(/cache has another type/, Code.BAD_FILE, "llama-tiny", "Q8_0", Q8_0);
  const long = tiny.session({ rows: 64 });
  long.append(spread(30));
  long.generate(1);
  refuses(() => session.restore(long.save()), Code.CONTEXT_FULL, /more tokens/);
  untouched();

  // What was damaged has another checksum.
  for (let at = 24; at < good.length; at += 7) {
    const bytes = good.slice();
    bytes[at] ^= 1 << (at & 7);
    refuses(() => session.restore(bytes), Code.BAD_FILE, /cut off or longer/);
  }
  for (let at = 12; at < 24; at++) {
    const bytes = good.slice();
    bytes[at] ^= 0x10;
    refuses(() => session.restore(bytes), Code.BAD_FILE, /cut off or longer/);
  }
  untouched();

  // Every byte of what is not a cache row, with values that lie and a checksum that is right: an error that changes
  // nothing, or a session that runs.
  const next = generator(3);
  const [model, tokens] = sectionsOf(good);
  const sampler = 24 + 16 + model.bytes.length + 16 + tokens.bytes.length + 16;
  assert.equal(sealed(good), good, "the checksum is FNV-1a of 64 bits");
  for (let i = 0; i < 6000; i++) {
    const bytes = good.slice();
    const at = 24 + Math.floor(next() * ((i % 2 ? 250 : bytes.length) - 24));
    bytes[at] = [0, 255, 128, 127, Math.floor(next() * 256)][i % 5];
    if (i % 3 === 0)
      new DataView(bytes.buffer).setUint32(at & ~3, [0xffffffff, 0x80000000, 0x7fc00000, 512][i % 4], true);
    try {
      session.restore(sealed(bytes));
    } catch {
      if (i % 50 === 0) untouched();
      continue;
    }
    if (i % 10 === 0) session.generate(2);
    session.restore(own);
  }
  untouched();
  const nan = good.slice();
  new DataView(nan.buffer).setFloat32(sampler + 4, Number.NaN, true);
  refuses(() => session.restore(sealed(nan)), Code.BAD_ARGUMENT, /temperature/);
  session.restore(good);
  assert.equal(session.tokens, donor.tokens);
  for (const one of [session, donor, long]) {
    one.release();
    one.context.release();
  }
});

test("a session's sections may stand in any order; one that is unknown, missing, there twice or false is refused", () => {
  const session = tiny.session({ rows: 24, batch: 8 });
  session.append(spread(4));
  session.generate(2);
  const good = session.save();
  const sections = sectionsOf(good);
  const [model, tokens, sampler, state] = sections;
  assert.equal(
    sections.map(({ name }) => name),
    ["model", "tokens", "sampler", "state"],
  );
  assert.equal(sessionOf(sections, good), good);
  session.append(spread(3));
  const own = session.save();
  const refused = (bytes: Uint8Array, code: number, words: RegExp) => {
    refuses(() => session.restore(bytes), code, words);
    assert.equal(session.save(), own, "the session is as it was");
  };

  const unknown = { name: "rumours", bytes: new Uint8Array(5) };
  refused(sessionOf([...sections, unknown], good), Code.UNSUPPORTED, /a section "rumours", which .* take a newer one/);
  refused(sessionOf([unknown, ...sections], good), Code.UNSUPPORTED, /"rumours"/);
  refused(sessionOf([...sections, { ...unknown, name: "" }], good), Code.UNSUPPORTED, /a section ""/);
  refused(sessionOf([model, tokens, sampler, { ...state, name: "stat" }], good), Code.UNSUPPORTED, /"stat"/);

  const cut = /cut off or longer/;
  for (let i = 0; i < 4; i++) {
    const others = sections.filter((_, own) => own !== i);
    refused(sessionOf(others, good), Code.BAD_FILE, cut);
    refused(sessionOf([...sections, sections[i]], good), Code.BAD_FILE, cut);
    // One twice and another missing: four, and not the four.
    refused(sessionOf([...others, others[0]], good), Code.BAD_FILE, cut);
    const { length } = sections[i].bytes;
    for (const lie of [
      0,
      1,
      length - 1,
      length + 1,
      length + 16,
      2 ** 31,
      2 ** 32 - 16,
      2 ** 32 - 1,
      2 ** 32,
      2 ** 53,
    ]) {
      const lying = sections.map((own, at) => (at === i ? { ...own, length: BigInt(lie) } : own));
      // A length that is too small makes bytes of the section the name of the next one.
      assert.throws(() => session.restore(sessionOf(lying, good)), /cut off|section|another type|belongs/);
      assert.equal(session.save(), own, "the session is as it was");
    }
    const most = sections.map((own, at) => (at === i ? { ...own, length: 0xffff_ffff_ffff_ffffn } : own));
    refused(sessionOf(most, good), Code.BAD_FILE, cut);
    for (const bytes of [sections[i].bytes.subarray(1), new Uint8Array(length + 1), new Uint8Array(0)]) {
      const changed = sections.map((own, at) => (at === i ? { ...own, bytes } : own));
      assert.throws(() => session.restore(sessionOf(changed, good)), /this session|temperature/);
      assert.equal(session.save(), own, "the session is as it was");
    }
  }
  for (const count of [0, 1, 3, 5, 0x7fff_ffff, 0xffff_ffff]) {
    refused(sessionOf(sections, good, count), Code.BAD_FILE, cut);
  }

  const older = good.slice();
  new DataView(older.buffer).setUint32(4, 1, true);
  refused(older, Code.UNSUPPORTED, /in version 1 of the format, .* version 2; give its text again and save it anew/);
  refused(older.subarray(0, 8), Code.UNSUPPORTED, /version 1/);

  for (const order of [
    [3, 2, 1, 0],
    [1, 3, 0, 2],
    [2, 0, 3, 1],
  ]) {
    session.restore(
      sessionOf(
        order.map((i) => sections[i]),
        good,
      ),
    );
    assert.equal(session.save(), good, "the order of sections is no matter");
  }
  session.release();
  session.context.release();
});

test("restoring counts only rows that are the session's own to give", () => {
  const context = tiny.context({ rows: 24, sequences: 2, batch: 8 });
  const session = tiny.session({}, context, 0);
  session.append(spread(20));
  session.generate(1);
  const saved = session.save();
  // Another sequence sees the rows too: they stay when the session gives its own list up.
  context.share(0, 1, 0, 20);
  refuses(() => session.restore(saved), Code.CONTEXT_FULL, /no room/);
  assert.equal(session.save(), saved);
  context.drop(1, 0, 100);
  session.restore(saved);
  assert.is(session.generate(1).ids.length, 1);
  session.release();
  context.release();
});

test("stories260K tells a story", () => {
  const path = shared("data/stories260K.gguf");
  if (path === null) return;
  const model = engine.load(readFileSync(path));
  const session = model.session({ rows: 256 });
  session.append("Once upon a time");
  const { text } = session.generate(60);
  assert.ok(text.startsWith(", there was a little girl named Lily."), text);
  session.release();
  session.context.release();
  model.release();
});

test("releasing a context before its session is no crash", () => {
  const session = alphabet.session();
  session.append([97]);
  session.generate(3);
  session.context.release();
  session.release();
  session.release();
  assert.ok(address(session.handle) > 0);
});

test.run();
