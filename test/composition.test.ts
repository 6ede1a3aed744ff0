/**
 * Composed sessions: all tokens computed anew have the bits of a text that is read, nothing behind a token moves a bit of
 * its row, one that is given up is a text without those rows, and what cannot be composed is refused by name.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compose, join, piece, rowsOf } from "./support/composed.ts";
import { COMPOSED_CASES } from "./support/composed-cases.ts";
import {
  Code,
  Engine,
  type EngineContext,
  EngineSession,
  F16,
  F32,
  Form,
  type Generated,
  modelBytes,
  Q8_0,
  refuses,
  sectionsOf,
  sessionOf,
  spread,
} from "./support/engine.ts";

/** What numpy makes of the same. */
const GOLDEN: { sha256: string; chosen: number[]; logits: string }[] = JSON.parse(
  readFileSync(new URL("golden/composed.json", import.meta.url), "utf8"),
).rows;
const engine = new Engine("portable");
const LEAD = [1, 7];
const ROWS = 160;
/** Tokens of pieces, and the text behind them. */
const PIECES = [spread(40, 3), spread(31, 11), spread(37, 29)];
const TEXT = spread(9, 41);
const ALL = [...LEAD, ...PIECES.flat(), ...TEXT];
/** Tokens that have the rows of reading whatever is composed: those of the lead and the first piece. */
const EXACT = LEAD.length + PIECES[0].length;
const JOINED = ALL.length - TEXT.length;
/** As far as a piece goes. */
const WHOLE = 2 ** 32 - 1;

/** Joins pieces to a session, the first with the lead. */
function joinAll(session: EngineSession, saved: readonly Uint8Array[], pieces: readonly number[][] = PIECES): void {
  for (const [i, bytes] of saved.entries()) join(session, bytes, i ? LEAD.length : 0, LEAD.length + pieces[i].length);
}

const read = (context: EngineContext, pieces: readonly number[][] = PIECES): Uint8Array[] =>
  pieces.map((ids) => piece(context, [...LEAD, ...ids]));

/** The rows of all layers, and what follows. */
interface Told {
  rows: string[][];
  told: Pick<Generated, "ids" | "text" | "top" | "logprobs">;
}

const digest = (row: Uint8Array): string => createHash("sha1").update(row).digest("hex").slice(0, 12);

function tell(session: EngineSession): Told {
  const { ids, text, top, logprobs } = session.generate(6, 3);
  const rows = Array.from({ length: session.context.model.layers }, (_, layer) => rowsOf(session, layer).map(digest));
  return { rows, told: { ids, text, top, logprobs } };
}

/** What a text comes to that is read. */
function plainly(context: EngineContext, ids: readonly number[]): Told {
  const session = new EngineSession(context);
  session.append(ids);
  const told = tell(session);
  session.release();
  return told;
}

const exact = ({ handle }: EngineSession): number => engine.core.call("session_exact", handle);
const recomputed = ({ handle }: EngineSession): number => engine.core.call("session_recomputed", handle);

const KINDS = ["llama-tiny", "qwen2-tiny", "phi2-tiny", "qwen3moe-tiny", "smollm3-tiny", "plm-1m", "deepseek2-tiny"];

for (const kind of KINDS) {
  const isLatent = kind === "plm-1m" || kind === "deepseek2-tiny";
  for (const form of isLatent ? [Form.ABSORBED, Form.EXPANDED] : [Form.AUTO]) {
    test(`${kind}, form ${form}: with all tokens computed anew a composition has the bits of reading`, () => {
      const model = engine.load(modelBytes(kind, "Q8_0"));
      for (const kv of [F32, F16, Q8_0]) {
        for (const batch of [ROWS, 32]) {
          const context = model.context({ rows: ROWS, batch, form, kv });
          const want = plainly(context, ALL);
          const saved = read(context);
          const session = new EngineSession(context);
          joinAll(session, saved);
          assert.is(session.evaluated, EXACT);
          compose(session, 1);
          assert.is(session.evaluated, JOINED);
          assert.is(recomputed(session), JOINED - EXACT);
          assert.is(exact(session), session.tokens.length);
          session.append(TEXT);
          assert.equal(tell(session), want, `kv ${kv}, batch ${batch}`);
          session.release();
          context.release();
        }
      }
      model.release();
    });
  }
}

/** Joins, composes and tells: what follows pieces with texts before, between and behind them. */
function composed(
  context: EngineContext,
  saved: readonly Uint8Array[],
  texts: readonly number[][],
  share: number,
): Told {
  const session = new EngineSession(context);
  join(session, saved[0], 0, LEAD.length);
  for (const [i, bytes] of saved.entries()) {
    if (texts[i].length > 0) session.append(texts[i]);
    join(session, bytes, LEAD.length, WHOLE);
  }
  session.append(texts[saved.length]);
  compose(session, share);
  const told = tell(session);
  session.release();
  return told;
}

test("a piece behind its own lead has the rows of reading, and nothing is computed", () => {
  const model = engine.load(modelBytes("llama-tiny", "Q8_0"));
  const context = model.context({ rows: ROWS, batch: 32 });
  const [saved] = read(context);
  const session = new EngineSession(context);
  join(session, saved, 0, LEAD.length);
  join(session, saved, LEAD.length, WHOLE);
  const passes = compose(session, 0);
  assert.equal([passes, session.evaluated, recomputed(session), exact(session)], [0, EXACT, 0, EXACT]);
  session.append(TEXT);
  const told = tell(session);
  session.release();
  assert.equal(told, plainly(context, [...LEAD, ...PIECES[0], ...TEXT]));
  context.release();
  model.release();
});

test("texts before and between pieces are computed, and with all tokens the bits are those of reading", () => {
  for (const kind of ["llama-tiny", "plm-1m"]) {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    for (const batch of [256, 16]) {
      const context = model.context({ rows: 256, batch });
      const saved = read(context);
      const texts = [spread(5, 61), [], spread(18, 71), TEXT];
      const ids = [...LEAD, ...saved.flatMap((_, i) => [...texts[i], ...PIECES[i]]), ...TEXT];
      assert.equal(composed(context, saved, texts, 1), plainly(context, ids), `${kind}, batch ${batch}`);
      context.release();
    }
    model.release();
  }
});

test("any cut of the work gives the same bits: batches of every size, with the same tokens computed anew", () => {
  for (const kind of ["qwen2-tiny", "plm-1m"]) {
    const model = engine.load(modelBytes(kind, "Q4_0"));
    for (const kv of [F16, Q8_0]) {
      let want: Told | undefined;
      for (const batch of [256, 41, 7]) {
        const context = model.context({ rows: 256, batch, kv });
        const told = composed(context, read(context), [spread(5, 61), [], spread(7, 71), TEXT], 0.3);
        want ??= told;
        assert.equal(told, want, `${kind}, batch ${batch}`);
        context.release();
      }
    }
    model.release();
  }
});

for (const kind of ["llama-tiny", "plm-1m"]) {
  test(`${kind}: another last piece moves no bit of the rows before it`, () => {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    for (const kv of [F32, Q8_0]) {
      const context = model.context({ rows: 256, batch: 32, kv });
      const texts = [spread(6, 61), spread(11, 71), spread(5, 83), TEXT];
      const before = texts[0].length + texts[1].length + texts[2].length;
      const count = LEAD.length + PIECES[0].length + PIECES[1].length + before;
      const last = (seed: number): number[] => spread(37, seed);
      const variants = [29, 55, 91, 113, 7].map((seed) => [PIECES[0], PIECES[1], last(seed)]);
      // Without a share the tokens of the texts alone are computed, in any of these.
      const rows = variants.map((pieces) => composed(context, read(context, pieces), texts, 0).rows);
      const firsts = rows.map((layers) => layers.map((layer) => layer.slice(0, count)));
      for (const first of firsts) assert.equal(first, firsts[0]);
      // With one the last piece decides how many of the others are: the same ones give the same bits, whatever it is.
      const shared = variants.map((pieces) => composed(context, read(context, pieces), texts, 0.1).rows);
      const kept = shared.map((layers, i) =>
        layers
          .at(-1)!
          .slice(0, count)
          .map((row, t) => row === rows[i].at(-1)![t]),
      );
      let compared = 0;
      for (const [i, layers] of shared.entries()) {
        for (const [j, others] of shared.slice(0, i).entries()) {
          // Up to the first token that one of them computes and the other does not.
          const differs = kept[i].findIndex((was, t) => was !== kept[j][t]);
          const end = differs < 0 ? count : differs;
          compared += end;
          for (const [l, layer] of layers.entries()) assert.equal(layer.slice(0, end), others[l].slice(0, end));
        }
      }
      assert.ok(compared > count, "some tokens were compared");
      context.release();
    }
    model.release();
  });
}

test("as many tokens are computed as the share says, whoever looks: all behind the first layer is theirs", () => {
  const model = engine.load(modelBytes("llama-tiny", "Q8_0"));
  const context = model.context({ rows: ROWS, batch: 32, kv: F32 });
  const saved = read(context);
  const count = PIECES[1].length + PIECES[2].length;
  const joined = (share: number, text: number[]): { rows: string[][]; recomputed: number } => {
    const session = new EngineSession(context);
    joinAll(session, saved);
    session.append(text);
    compose(session, share);
    const rows = Array.from({ length: model.layers }, (_, layer) => rowsOf(session, layer).map(digest));
    assert.equal([session.evaluated, rows[0].length], [JOINED, JOINED]);
    const found = { rows, recomputed: recomputed(session) };
    session.release();
    return found;
  };
  const none = joined(0, []);
  for (const text of [[], TEXT, spread(70, 5)]) {
    for (const share of [0, 0.16, 0.3, 0.5, 0.99]) {
      const some = joined(share, text.slice(0, ROWS - JOINED));
      assert.is(some.recomputed, Math.floor(count * share));
      for (const [layer, rows] of some.rows.entries()) {
        const changed = rows.filter((row, i) => row !== none.rows[layer][i]).length;
        if (layer > 0) assert.is(changed, some.recomputed, `layer ${layer}`);
        // Those of the first are functions of a token alone: what is computed anew differs by a turn's rounding.
        else assert.ok(changed <= some.recomputed);
      }
    }
  }
  context.release();
  model.release();
});

for (const [i, { kind, lead, pieces, texts, share }] of COMPOSED_CASES.entries()) {
  test(`${kind}, share ${share}: the tokens and the logits of a composition in float64`, () => {
    const golden = GOLDEN[i];
    const bytes = modelBytes(kind, "F32");
    assert.is(createHash("sha256").update(bytes).digest("hex"), golden.sha256, "the file that the oracle had");
    const model = engine.load(bytes);
    const context = model.context({ rows: ROWS, batch: 32, kv: F32 });
    const saved = pieces.map((ids) => piece(context, [...lead, ...ids]));
    const composed = (part: number): { rows: string[]; session: EngineSession } => {
      const session = new EngineSession(context);
      join(session, saved[0], 0, lead.length);
      for (const [j, piece] of saved.entries()) {
        if (texts[j].length > 0) session.append(texts[j]);
        join(session, piece, lead.length, WHOLE);
      }
      session.append(texts[saved.length]);
      compose(session, part);
      return { rows: rowsOf(session, model.layers - 1).map(digest), session };
    };
    const none = composed(0);
    none.session.release();
    const { rows, session } = composed(share);
    // The texts' rows are computed either way: to the same bits only in front of the first token that is chosen.
    const isText = lead.map(() => false);
    for (const [j, ids] of pieces.entries()) isText.push(...texts[j].map(() => true), ...ids.map(() => false));
    const chosen = rows.flatMap((row, at) => (row !== none.rows[at] && !isText[at] ? [at] : []));
    assert.equal(chosen, golden.chosen);
    session.generate(1);
    const [logits] = context.logits(1);
    const want = new Float32Array(new Uint8Array(Buffer.from(golden.logits, "base64")).buffer);
    const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const off = logits.reduce((most, value, at) => Math.max(most, Math.abs(value - want[at])), 0);
    assert.ok(off <= 1e-4 * largest, `off by ${off / largest} of the largest`);
    session.release();
    context.release();
    model.release();
  });
}

test("what is given up at any slice is a text, and goes on with the bits of reading", () => {
  const model = engine.load(modelBytes("llama-tiny", "Q8_0"));
  const context = model.context({ rows: ROWS, batch: 16 });
  const saved = read(context);
  const want = plainly(context, ALL);
  for (let stop = 0; ; stop++) {
    const session = new EngineSession(context);
    joinAll(session, saved);
    const steps = compose(session, 0.3, (step) => step < stop);
    if (steps < stop) {
      session.release();
      assert.ok(stop > 12, "there were slices enough");
      break;
    }
    assert.equal([session.evaluated, exact(session), session.tokens], [EXACT, JOINED, ALL.slice(0, JOINED)]);
    session.append(TEXT);
    assert.equal(tell(session), want, `slice ${stop}`);
    session.release();
  }
  assert.is(context.rows(0), 0);
  context.release();
  model.release();
});

test("whatever is done with joined pieces instead gives their rows up", () => {
  const model = engine.load(modelBytes("llama-tiny", "Q8_0"));
  const context = model.context({ rows: 2 * ROWS, batch: 32, sequences: 2 });
  const saved = read(context);
  const other = new EngineSession(context, 1);
  const begin = (): EngineSession => {
    const session = new EngineSession(context);
    joinAll(session, saved);
    return session;
  };
  const whole = plainly(context, ALL);
  const ways: Record<string, (session: EngineSession) => void> = {
    generate: () => {},
    "share its beginning": ({ handle }) => {
      engine.do("session_share", other.handle, handle, JOINED);
      assert.is(other.evaluated, EXACT);
    },
    rewind: (session) => {
      session.rewind(EXACT + 5);
      session.append(ALL.slice(EXACT + 5, JOINED));
    },
    "cut out and put back": (session) => {
      engine.do("session_shift", session.handle, EXACT + 3, 4);
      session.replace(ALL.slice(0, JOINED));
    },
    "replace tokens": (session) => {
      session.replace(ALL.slice(0, EXACT + 9));
      session.append(ALL.slice(EXACT + 9, JOINED));
    },
    "begin to compose": ({ handle }) => void engine.do("session_compose", handle, 0.2),
  };
  for (const [name, way] of Object.entries(ways)) {
    const session = begin();
    way(session);
    session.append(TEXT);
    assert.equal(tell(session), whole, name);
    session.release();
  }
  const session = begin();
  refuses(() => session.save(), Code.WRONG_STATE, /when its composition is through/);
  session.release();
  other.release();
  context.release();
  model.release();
});

test("rows that were composed are known as such: saved, shared and cut back", () => {
  const model = engine.load(modelBytes("llama-tiny", "Q8_0"));
  const context = model.context({ rows: 2 * ROWS, batch: 32, sequences: 2 });
  const saved = read(context);
  const session = new EngineSession(context);
  joinAll(session, saved);
  compose(session, 0.2);
  session.append(TEXT);
  session.generate(3);
  const file = session.save();
  assert.is(exact(session), EXACT);
  const other = new EngineSession(context, 1);
  engine.do("session_share", other.handle, session.handle, EXACT + 4);
  assert.is(exact(other), EXACT);
  engine.do("session_share", other.handle, session.handle, EXACT);
  assert.is(exact(other), EXACT, "all of them");
  assert.is(exact(other), other.tokens.length);
  other.restore(file);
  assert.equal([exact(other), other.tokens], [EXACT, session.tokens]);
  assert.equal(other.generate(5, 2), session.generate(5, 2));
  refuses(() => join(other, file, 0, WHOLE), Code.BAD_ARGUMENT, /were composed: read it anew/);
  session.rewind(EXACT + 1);
  assert.is(exact(session), EXACT);
  session.rewind(EXACT);
  assert.is(exact(session), session.tokens.length);
  assert.not.ok(sectionsOf(session.save()).some(({ name }) => name === "exact"));
  session.append(ALL.slice(EXACT));
  other.release();
  const told = tell(session);
  session.release();
  assert.equal(told, plainly(context, ALL));
  context.release();
  model.release();
});

test("what cannot be composed is refused by name, and the session is as it was", () => {
  const refused: [string, number, RegExp][] = [
    ["gemma2-tiny", Code.UNSUPPORTED, /a window of tokens/],
    ["mamba2-tiny", Code.UNSUPPORTED, /cannot be moved/],
    ["rwkv7-tiny", Code.UNSUPPORTED, /cannot be moved/],
    ["gpt2-tiny", Code.UNSUPPORTED, /learnt positions/],
    ["qwen35-tiny", Code.UNSUPPORTED, /cannot be moved/],
    ["llama4-tiny", Code.UNSUPPORTED, /a norm behind its RoPE/],
  ];
  for (const [kind, code, words] of refused) {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    const context = model.context({ rows: ROWS, batch: 32 });
    const saved = piece(context, [...LEAD, ...PIECES[0]]);
    const session = new EngineSession(context);
    session.append(TEXT);
    assert.is(engine.core.call("model_can_compose", model.handle), 0);
    refuses(() => join(session, saved, 0, WHOLE), code, words);
    assert.equal(session.tokens, TEXT);
    session.release();
    context.release();
    model.release();
  }
});

test("hostile pieces and arguments are refused, and nothing has changed", () => {
  const model = engine.load(modelBytes("llama-tiny", "Q8_0"));
  const other = engine.load(modelBytes("qwen2-tiny", "Q8_0"));
  const context = model.context({ rows: ROWS, batch: 32 });
  const wide = model.context({ rows: ROWS, batch: 32, kv: Q8_0 });
  const elsewhere = model.context({ rows: ROWS, batch: 32 });
  const [saved] = read(elsewhere);
  const session = new EngineSession(context);
  const from = LEAD.length;
  join(session, saved, 0, from);
  session.append([5]);
  const before = session.tokens;
  const cases: [string, Uint8Array, number, number, RegExp][] = [
    ["of another model", piece(other.context({ rows: ROWS, batch: 32 }), ALL), from, Code.BAD_FILE, /another model/],
    ["of another cache", piece(wide, [...LEAD, ...TEXT]), from, Code.BAD_FILE, /another type/],
    ["cut off", saved.subarray(0, saved.length - 9), from, Code.BAD_FILE, /cut off/],
    ["nothing", new Uint8Array(), from, Code.BAD_FILE, /not a session/],
    ["of another lead", piece(elsewhere, [1, 8, ...TEXT]), from, Code.BAD_ARGUMENT, /behind one lead/],
    ["of a longer lead", saved, 9, Code.BAD_ARGUMENT, /behind one lead/],
    ["too long", piece(elsewhere, spread(ROWS - 1)), 0, Code.CONTEXT_FULL, /more do not fit/],
  ];
  for (const [what, bytes, first, code, words] of cases) {
    refuses(() => join(session, bytes, first, WHOLE), code, words);
    assert.equal(session.tokens, before, what);
  }
  refuses(() => join(session, saved, 99, WHOLE, from), Code.BAD_ARGUMENT, /none are behind/);
  refuses(() => join(session, saved, 9, 8, from), Code.BAD_ARGUMENT, /none are behind/);
  // Any byte of it: the checksum knows.
  for (let at = 8; at < saved.length; at += 97) {
    const broken = saved.slice();
    broken[at] ^= 0x55;
    assert.throws(() => join(session, broken, from, WHOLE));
  }
  // Sections that contradict each other, under a checksum that is right.
  const sections = sectionsOf(saved);
  const changed = (name: string, change: (view: DataView) => void): Uint8Array => {
    const copy = sections.map((section) => ({ ...section, bytes: section.bytes.slice() }));
    const { bytes } = copy.find((section) => section.name === name)!;
    change(new DataView(bytes.buffer, bytes.byteOffset));
    return sessionOf(copy, saved);
  };
  const twice = changed("state", (view) => view.setUint32(8 + 20 + 4 * 7, 6, true));
  refuses(() => join(session, twice, from, WHOLE), Code.BAD_FILE, /a row of each of its tokens/);
  const fewer = changed("tokens", (view) => view.setUint32(0, 11, true));
  refuses(() => join(session, fewer, from, WHOLE), Code.BAD_FILE, /a row of each of its tokens/);
  const foreign = changed("tokens", (view) => view.setUint32(8, 2, true));
  refuses(() => join(session, foreign, from, WHOLE), Code.BAD_ARGUMENT, /behind one lead/);
  const approximate = sessionOf([...sections, { name: "exact", bytes: new Uint8Array(4) }], saved);
  refuses(() => join(session, approximate, from, WHOLE), Code.BAD_ARGUMENT, /were composed/);
  const short = sessionOf([...sections, { name: "exact", bytes: new Uint8Array(3) }], saved);
  refuses(() => session.restore(short), Code.BAD_FILE, /cut off/);
  for (const share of [-0.1, 1.5, Number.NaN]) {
    refuses(() => compose(session, share), Code.BAD_ARGUMENT, /from 0 to 1/);
  }
  join(session, saved, from, WHOLE);
  refuses(() => engine.do("session_compose_step", session.handle), Code.WRONG_STATE, /no composition has begun/);
  session.begin(1);
  refuses(() => join(session, saved, from, WHOLE), Code.WRONG_STATE, /between generations/);
  engine.core.call("session_stop", session.handle);
  assert.equal(session.tokens, [...LEAD, 5, ...PIECES[0]]);
  // A host that takes rows away between two steps ends the composition, and no more.
  const victim = new EngineSession(model.context({ rows: ROWS, batch: 16 }));
  joinAll(victim, read(victim.context));
  engine.do("session_compose", victim.handle, 1);
  victim.context.drop(0, EXACT + 20, EXACT + 21);
  refuses(
    () => {
      while (engine.do("session_compose_step", victim.handle));
    },
    Code.WRONG_STATE,
    /is not there/,
  );
  victim.append(TEXT);
  assert.equal(tell(victim), plainly(elsewhere, ALL));
});

test.run();
