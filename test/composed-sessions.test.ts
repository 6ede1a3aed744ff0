/**
 * Composed sessions through the API and the worker: what they come to, what of them may be reused and what not, and how
 * one that is given up goes on.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Chunk, type ComposedPiece, Model } from "../src/index.ts";
import { adapterBytes } from "./support/adapters.ts";
import { spread } from "./support/engine.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const TINY = modelBytes("llama-tiny", "Q8_0");
const model = await Model.load(TINY);
const LEAD = [1, 7];
const PIECES = [spread(40, 3), spread(31, 11), spread(37, 29)];
const QUESTION = spread(9, 41);
const ALL = [...LEAD, ...PIECES.flat(), ...QUESTION];
const count = PIECES[1].length + PIECES[2].length;
const chunks = (of: { chunk: Model["chunk"] } = model, options = {}): Promise<Chunk[]> =>
  Promise.all(PIECES.map((ids) => of.chunk(ids, { lead: LEAD, ...options })));
const refuses = async (work: () => unknown, code: string, words: RegExp): Promise<void> => {
  const error = await errorOf(work);
  assert.is(error.code, code, error.message);
  assert.match(error.message, words);
};

test("pieces and a question: as many tokens as the share says are computed, and all of them give the text's answer", async () => {
  const read = await chunks();
  assert.equal(read[1].tokens, [...LEAD, ...PIECES[1]]);
  assert.is(read[1].lead, 2);
  const session = model.session();
  for (const [recompute, computed] of [
    [undefined, Math.floor(0.16 * count)],
    [0, 0],
    [0.5, Math.floor(0.5 * count)],
    [0.8, count],
    [1, count],
  ] as const) {
    const result = await session.compose([...read, QUESTION], { recompute });
    const recomputed = computed + QUESTION.length;
    assert.equal(result, { recomputed, reused: ALL.length - recomputed });
    assert.equal(session.tokens, ALL);
    const answer = session.generate(undefined, { maxTokens: 6 });
    const text = await answer.text();
    assert.is(answer.result!.cachedTokens, ALL.length - (recompute && recompute >= 0.8 ? recomputed : QUESTION.length));
    if (recompute !== 1) continue;
    assert.is(text, await model.session().generate(ALL, { maxTokens: 6 }).text());
  }
  session.dispose();
});

test("one piece is a prefix: its rows are exact, and the answer the text's", async () => {
  const [first] = await chunks();
  const session = model.session();
  const result = await session.compose([first, QUESTION], { recompute: 0 });
  assert.equal(result, { recomputed: QUESTION.length, reused: LEAD.length + PIECES[0].length });
  const ids = [...LEAD, ...PIECES[0], ...QUESTION];
  assert.equal(await session.logits(), await model.session({ prefix: await model.prefix(ids) }).logits());
  session.dispose();
});

test("texts stand before, between and behind pieces; a piece may come twice", async () => {
  const [one, two] = await chunks();
  const pieces: ComposedPiece[] = ["the", two, "a", one, two, [5, 6]];
  const text = (piece: ComposedPiece): number[] =>
    typeof piece === "string" ? model.tokenize(piece) : "bytes" in piece ? piece.tokens.slice(2) : Array.from(piece);
  const ids = [...LEAD, ...pieces.flatMap(text)];
  const session = model.session();
  const none = await session.compose(pieces, { recompute: 0 });
  assert.equal(session.tokens, ids);
  assert.is(none.reused, LEAD.length + PIECES[0].length + 2 * PIECES[1].length);
  await session.compose(pieces, { recompute: 0.79 });
  await session.compose(pieces, { recompute: 1 });
  assert.equal(await session.logits(), await model.session({ prefix: await model.prefix(ids) }).logits());
  session.dispose();
});

test("a session that is given up while it is composed is a text: it says why, and goes on as if it had been read", async () => {
  const read = await chunks();
  const session = model.session();
  const reason = new Error("enough");
  for (const most of [1, 2, 4, 6]) {
    // Aborted between two slices, however quick they are.
    let asked = 0;
    const signal = Object.assign(new EventTarget(), { aborted: false, reason, throwIfAborted: () => {} });
    Object.defineProperty(signal, "aborted", { get: () => ++asked > most });
    const work = session.compose([...read, QUESTION], { signal: signal as unknown as AbortSignal });
    assert.is(await errorOf(() => work), reason);
    assert.equal(session.tokens, ALL);
    const want = model.session();
    want.append(ALL);
    assert.equal(await session.logits(), await want.logits());
    want.dispose();
  }
  // Another call between two slices.
  let asked = 0;
  const signal = Object.assign(new EventTarget(), { aborted: false, reason, throwIfAborted: () => {} });
  const interrupt = (): boolean => {
    if (++asked === 3) session.append(QUESTION);
    return false;
  };
  Object.defineProperty(signal, "aborted", { get: interrupt });
  const work = session.compose(read, { signal: signal as unknown as AbortSignal });
  await refuses(() => work, "WRONG_STATE", /another generation of this session has begun/);
  assert.equal(session.tokens, ALL);
  session.dispose();
  await refuses(() => session.compose(read), "WRONG_STATE", /disposed/);
});

test("composed rows are nobody's prefix: neither what is given as one nor the store takes them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "limpet-composed-"));
  const fresh = await Model.load(TINY);
  const read = await chunks(fresh, { store: folder });
  assert.is(readdirSync(folder).length, 3);
  const again = await Model.load(TINY);
  assert.equal(await chunks(again, { store: folder }), read);
  const session = fresh.session();
  await session.compose([...read, QUESTION]);
  await session.generate(undefined, { maxTokens: 2 }).text();
  const bytes = session.save();
  await refuses(() => fresh.prefix({ tokens: [], bytes }), "BAD_ARGUMENT", /no other text's/);
  await refuses(() => fresh.chunk({ tokens: ALL, bytes, lead: 2 }), "BAD_ARGUMENT", /no other text's/);
  const restored = fresh.restore(bytes);
  assert.equal(await restored.logits(), await session.logits());
  // What begins with the first piece goes on from it, and no further.
  const answer = fresh.generate([...ALL, 3], { maxTokens: 2 });
  const text = await answer.text();
  assert.is(answer.result!.cachedTokens, LEAD.length + PIECES[0].length);
  const plain = await Model.load(TINY);
  assert.is(text, await plain.generate([...ALL, 3], { maxTokens: 2 }).text());
  for (const one of [fresh, again, plain]) one.dispose();
  rmSync(folder, { recursive: true });
});

test("a chunk that was kept elsewhere is one again, and a damaged one, or another's, is none", async () => {
  const [one, two] = await chunks();
  const fresh = await Model.load(TINY);
  const kept = await fresh.chunk({ tokens: [...one.tokens], bytes: one.bytes.slice(), lead: one.lead });
  assert.equal(kept, one);
  const session = fresh.session();
  const damaged = two.bytes.slice();
  damaged[damaged.length - 40] ^= 1;
  await refuses(() => fresh.chunk({ ...two, bytes: damaged }), "BAD_FILE", /cut off/);
  await refuses(() => session.compose([one, { ...two, bytes: damaged }]), "BAD_FILE", /cut off/);
  assert.equal(session.tokens, []);
  const other = await Model.load(modelBytes("qwen2-tiny", "Q8_0"));
  const foreign = await other.chunk(PIECES[1], { lead: LEAD });
  await refuses(() => session.compose([one, foreign]), "BAD_FILE", /another model/);
  await refuses(() => fresh.session({ kv: "q8_0" }).compose([one, two]), "BAD_FILE", /another type/);
  const led = await fresh.chunk(PIECES[1], { lead: [1, 8] });
  await refuses(() => session.compose([one, led]), "BAD_ARGUMENT", /behind one lead/);
  const longer = await fresh.chunk(PIECES[1], { lead: [1, 7, 8] });
  await refuses(() => session.compose([one, longer]), "BAD_ARGUMENT", /different leads/);
  await refuses(() => fresh.session({ context: 64 }).compose([one, two]), "CONTEXT_FULL", /more do not fit/);
  fresh.dispose();
  other.dispose();
});

test("what is none is refused before anything changes", async () => {
  const [one] = await chunks();
  const session = model.session();
  session.append(QUESTION);
  const bad: [unknown, unknown, RegExp][] = [
    ["text", {}, /pieces is a list/],
    [[], {}, /one at least that model.chunk gave/],
    [["text", [1, 2]], {}, /one at least that model.chunk gave/],
    [[one, 7], {}, /pieces\[1\]/],
    [[{ bytes: one.bytes }], {}, /has tokens, bytes and lead/],
    [[{ ...one, lead: 42 }], {}, /has tokens, bytes and lead/],
    [[one], { recompute: 1.01 }, /recompute is a share/],
    [[one], { recompute: "half" }, /recompute is a number/],
    [[one], { share: 1 }, /no option share/],
  ];
  for (const [pieces, options, words] of bad) {
    await refuses(() => session.compose(pieces as ComposedPiece[], options as object), "BAD_ARGUMENT", words);
  }
  await refuses(() => model.chunk(""), "BAD_ARGUMENT", /one token at least/);
  await refuses(() => model.chunk("a", { lead: 3 as unknown as string }), "BAD_ARGUMENT", /lead/);
  assert.equal(session.tokens, QUESTION);
  session.dispose();
});

test("models whose rows cannot be composed, and adapters, are refused by name", async () => {
  for (const [kind, words] of [
    ["gemma2-tiny", /a window of tokens/],
    ["mamba2-tiny", /cannot be moved/],
    ["gpt2-tiny", /learnt positions/],
  ] as const) {
    const other = await Model.load(modelBytes(kind, "Q8_0"));
    const read = await other.chunk(PIECES[0], { lead: LEAD });
    await refuses(() => other.session().compose([read, QUESTION]), "UNSUPPORTED", words);
    other.dispose();
  }
  const adapter = await model.adapter(adapterBytes("llama-tiny"));
  const [one, two] = await chunks();
  const session = model.session({ adapters: [[adapter, 1]] });
  await refuses(() => session.compose([one, two]), "UNSUPPORTED", /without adapters/);
  session.dispose();
});

test("a model in a worker composes the same", async () => {
  const worker = await Model.load(TINY, { worker: true });
  const read = await Promise.all(PIECES.map((ids) => worker.chunk(ids, { lead: LEAD })));
  assert.equal(read, await chunks());
  const session = await worker.session();
  const own = model.session();
  assert.equal(await session.compose([...read, QUESTION]), await own.compose([...read, QUESTION]));
  assert.equal(await session.logits(), await own.logits());
  await refuses(() => session.compose([]), "BAD_ARGUMENT", /one at least/);
  const controller = new AbortController();
  controller.abort(new Error("no"));
  assert.ok(await errorOf(() => session.compose(read, { signal: controller.signal })));
  worker.dispose();
  own.dispose();
});

test.run();
