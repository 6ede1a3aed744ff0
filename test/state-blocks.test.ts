/**
 * State in blocks: the pool of all layers behaves as plain lists of rows would, whatever sequences do, at the borders of
 * blocks and when a layer gives blocks back that others take.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  assertBits,
  Code,
  Engine,
  type EngineContext,
  EngineError,
  type EngineSession,
  F32,
  modelBytes,
  prompt,
  refuses,
  spread,
} from "./support/engine.ts";

const engine = new Engine("portable");
const KINDS = ["llama-tiny", "plm-1m"];
const BORDERS = [63, 64, 65, 129, 130];
const ids = spread(200);

test("rows shared, moved, dropped and added across the borders of blocks give the bits of a sequence alone", () => {
  for (const kind of KINDS) {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    const alone = model.context({ rows: 200, batch: 200, kv: F32 });
    const [want] = alone.runChunks(prompt(ids.slice(0, 140)), 200).slice(-1);
    for (const rows of [140, 192, 200, 280]) {
      for (const border of BORDERS) {
        const what = `${kind}, ${rows} rows, border ${border}`;
        const context = model.context({ rows, batch: 140, sequences: 3, kv: F32 });
        context.run(prompt(ids.slice(0, border)));
        context.share(0, 1, 0, border);
        if (rows >= 2 * border) {
          // A copy of the rows, moved there and back, and merged with nothing of another.
          context.share(0, 2, 0, border);
          context.shift(2, 0, border, 0);
          for (let layer = 0; layer < model.layers; layer++) context.merge(2, layer, border - 1, 0, 0);
          context.drop(2, 0, 1000);
        }
        context.drop(0, 0, 1000);
        assertBits(context.run(prompt(ids.slice(border, 140), border, 1)).slice(-1), [want], what);
        assert.equal([context.rows(0), context.rows(1)], [0, 140]);
        context.drop(1, border, 1000);
        assertBits(context.run(prompt(ids.slice(border, 140), border, 1)).slice(-1), [want], `${what}, again`);
        context.release();
      }
    }
    alone.release();
    model.release();
  }
});

test("a layer that drops its rows gives its blocks back, and no layer gets more than its capacity", () => {
  for (const kind of KINDS) {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    for (const rows of [63, 64, 65, 129, 130]) {
      const context = model.context({ rows, batch: rows, sequences: 2 });
      const batch = prompt(ids.slice(0, rows));
      const want = context.run(batch).slice(-1);
      const full = () =>
        refuses(() => context.run(prompt([1], rows, 1)), Code.CONTEXT_FULL, /is full: 1 more do not fit/);
      full();
      for (let round = 0; round < 3; round++) {
        // Layer by layer, in another order each time: a block may go from any layer to any other.
        for (let i = 0; i < model.layers; i++) {
          const layer = (i * 3 + round) % model.layers;
          context.drop(0, 0, 1000, layer, layer + 1);
          assert.is(context.rows(0, layer), 0);
          if (i < model.layers - 1) full();
        }
        assertBits(context.run(batch).slice(-1), want, `${kind}, ${rows} rows, round ${round}`);
        full();
      }
      // Every second row goes, block by block, and comes again.
      for (let at = 0; at < rows; at += 2) context.drop(0, at, at + 1);
      const left = context.rows(0);
      const more = prompt(ids.slice(0, rows - left), 0, 1);
      context.run(more);
      assert.equal([context.rows(0), context.rows(1)], [left, rows - left]);
      full();
      context.release();
    }
    model.release();
  }
});

test("a session saved and restored across borders goes on with the same bits", () => {
  for (const kind of KINDS) {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    for (const border of BORDERS) {
      const session = model.session({ rows: 160, batch: 40 });
      session.append(ids.slice(0, border));
      session.generate(2);
      const saved = session.save();
      const want = session.generate(10).ids;
      for (const rows of [border + 12, 192]) {
        const context = model.context({ rows, batch: 7, sequences: 2 });
        const other = model.session({}, context, 1);
        other.append(ids.slice(3, 60));
        other.generate(1);
        other.restore(saved);
        assert.equal(other.save(), saved);
        assert.equal(other.generate(10).ids, want, `${kind}, ${border} tokens, ${rows} rows`);
        other.release();
        context.release();
      }
      session.release();
      session.context.release();
    }
    model.release();
  }
});

/** What rows are, as lists: of each layer and sequence, the positions and the row that each has. */
class Lists {
  readonly rows: number;
  /** [layer][sequence] */
  lists: { position: number; row: symbol }[][][];

  constructor(layers: number, sequences: number, rows: number) {
    this.rows = rows;
    this.lists = Array.from({ length: layers }, () => Array.from({ length: sequences }, () => []));
  }

  held(layer: number): number {
    return new Set(this.lists[layer].flat().map(({ row }) => row)).size;
  }

  get layers(): number[] {
    return this.lists.map((_, layer) => layer);
  }

  /** Whether `tokens` more rows fit in a sequence. */
  fits(sequence: number, tokens: number): boolean {
    const fits = (layer: number) =>
      this.held(layer) + tokens <= this.rows && this.lists[layer][sequence].length + tokens <= this.rows;
    return this.layers.every(fits);
  }
}

const ROWS = 70;
const SEQUENCES = 3;
const sequence = fc.integer({ min: 0, max: SEQUENCES - 1 });
const position = fc.integer({ min: 0, max: 140 });
const layer = fc.integer({ min: 0, max: 3 });

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append"),
      sequence,
      from: position,
      count: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("drop"),
      sequence,
      from: position,
      to: position,
      first: layer,
      end: fc.integer({ min: 0, max: 5 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("share"), sequence, other: sequence, from: position, to: position }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("shift"),
      sequence,
      from: position,
      to: position,
      by: fc.integer({ min: -40, max: 40 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("merge"), sequence, layer, from: fc.nat(70), to: fc.nat(70) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reset") }) },
);

type Command = {
  kind: string;
  sequence?: number;
  other?: number;
  from?: number;
  to?: number;
  count?: number;
  first?: number;
  end?: number;
  by?: number;
  layer?: number;
};

/** Does a command to the lists; false: it must be refused, and nothing has changed. */
function apply(
  lists: Lists,
  { kind, sequence = 0, other = 0, from = 0, to = 0, count = 0, first = 0, end = 0, by = 0, layer = 0 }: Command,
): boolean {
  const inside = (entry: { position: number }) => entry.position >= from && entry.position < to;
  const sharers = (at: number, row: symbol) => lists.lists[at].flat().filter((entry) => entry.row === row).length;
  switch (kind) {
    case "append":
      if (!lists.fits(sequence, count)) return false;
      for (const at of lists.layers) {
        for (let i = 0; i < count; i++) lists.lists[at][sequence].push({ position: from + i, row: Symbol() });
      }
      return true;
    case "drop":
      for (let at = first; at < Math.min(end, lists.lists.length); at++) {
        lists.lists[at][sequence] = lists.lists[at][sequence].filter((entry) => !inside(entry));
      }
      return true;
    case "share": {
      if (sequence === other) return true;
      const room = (at: number) =>
        lists.lists[at][other].length + lists.lists[at][sequence].filter(inside).length <= lists.rows;
      if (!lists.layers.every(room)) return false;
      for (const at of lists.layers) {
        lists.lists[at][other].push(...lists.lists[at][sequence].filter(inside).map((entry) => ({ ...entry })));
      }
      return true;
    }
    case "shift": {
      for (const at of lists.layers) {
        const moved = lists.lists[at][sequence].filter(inside);
        if (moved.some((entry) => entry.position + by < 0)) return false;
        const copies = moved.filter((entry) => sharers(at, entry.row) > 1).length;
        if (lists.held(at) + copies > lists.rows) return false;
      }
      for (const at of lists.layers) {
        for (const entry of lists.lists[at][sequence].filter(inside)) {
          if (sharers(at, entry.row) > 1) entry.row = Symbol();
          entry.position += by;
        }
      }
      return true;
    }
    case "merge": {
      const list = lists.lists[layer][sequence];
      if (from >= list.length || to >= list.length) return false;
      if (sharers(layer, list[to].row) <= 1) return true;
      if (lists.held(layer) >= lists.rows) return false;
      list[to].row = Symbol();
      return true;
    }
    default:
      for (const at of lists.layers) lists.lists[at] = lists.lists[at].map(() => []);
      return true;
  }
}

function call(context: EngineContext, command: Command): void {
  const { kind, sequence = 0, other = 0, from = 0, to = 0, count = 0, first = 0, end = 0, by = 0, layer = 0 } = command;
  if (kind === "append") {
    context.run(prompt(ids.slice(0, count), from, sequence).map((token, i) => ({ ...token, wanted: i === 0 })));
  } else if (kind === "drop") context.drop(sequence, from, to, first, end);
  else if (kind === "share") context.share(sequence, other, from, to);
  else if (kind === "shift") context.shift(sequence, from, to, by);
  else if (kind === "merge") context.merge(sequence, layer, to, from, 0.5);
  else context.reset();
}

test("any sequence of calls leaves the rows that plain lists would have, and refuses what does not fit", () => {
  const model = engine.load(modelBytes("llama-tiny", "Q8_0"));
  const context = model.context({ rows: ROWS, batch: 30, sequences: SEQUENCES });
  const fresh = model.context({ rows: ROWS, batch: 30 });
  const used = engine.used;
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 25 }), (commands) => {
      context.reset();
      const lists = new Lists(model.layers, SEQUENCES, ROWS);
      for (const one of commands as Command[]) {
        const before = lists.lists.map((own) => own.map((list) => list.length));
        const fits = apply(lists, one);
        try {
          call(context, one);
          assert.ok(fits, `${JSON.stringify(one)} is refused`);
        } catch (error) {
          if (!(error instanceof EngineError)) throw error;
          assert.not(fits, `${JSON.stringify(one)}: ${error.message}`);
        }
        const counts = lists.lists.map((own) => own.map((list) => list.length));
        if (!fits) assert.equal(counts, before);
        const got = counts.map((own, at) => own.map((_, sequence) => context.rows(sequence, at)));
        assert.equal(got, counts, JSON.stringify(one));
      }
      // Each list takes what is left of its layers, and a new sequence computes as in a fresh context.
      for (let own = 0; own < SEQUENCES; own++) context.drop(own, 0, 1_000_000);
      fresh.reset();
      const batch = prompt(ids.slice(0, 30));
      assertBits(context.run(batch), fresh.run(batch), "afterwards");
    }),
    { numRuns: 300, seed: 11 },
  );
  assert.is(engine.used, used);
  for (const one of [context, fresh]) one.release();
  model.release();
});

test("sessions of one context that append, go back, save and restore in any order answer as they would alone", () => {
  const model = engine.load(modelBytes("plm-1m", "Q8_0"));
  const context = model.context({ rows: 70, batch: 16, sequences: 2 });
  const sessions = [0, 1].map((own) => model.session({}, context, own));
  const single = model.session({ rows: 70, batch: 16 });
  const turn = fc.record({
    who: fc.integer({ min: 0, max: 1 }),
    what: fc.constantFrom("append", "append", "rewind", "save", "restore", "generate"),
    count: fc.integer({ min: 1, max: 24 }),
  });
  const answers = (session: EngineSession) => session.generate(3).ids;
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 14 }), (turns) => {
      for (const session of sessions) session.rewind(0);
      const saved: (Uint8Array | undefined)[] = [undefined, undefined];
      for (const { who, what, count } of turns) {
        const session = sessions[who];
        try {
          if (what === "append") session.append(ids.slice(count, 2 * count));
          else if (what === "rewind") session.rewind(Math.min(count, session.tokens.length));
          else if (what === "save") saved[who] = session.save();
          else if (what === "restore") session.restore(saved[who] ?? saved[1 - who] ?? session.save());
          else if (session.tokens.length) answers(session);
        } catch (error) {
          if (!(error instanceof EngineError) || error.code !== Code.CONTEXT_FULL) throw error;
        }
      }
      for (const session of sessions) {
        const { tokens } = session;
        if (tokens.length === 0 || tokens.length > 60) continue;
        // The other one leaves room.
        const other = sessions[1 - sessions.indexOf(session)];
        const kept = other.tokens.length ? other.save() : undefined;
        other.rewind(0);
        single.rewind(0);
        single.append(tokens);
        assert.equal(answers(session), answers(single));
        session.rewind(0);
        if (kept) other.restore(kept);
      }
    }),
    { numRuns: 60, seed: 5 },
  );
  for (const session of [...sessions, single]) session.release();
  for (const one of [context, single.context]) one.release();
  model.release();
});

test.run();
