/**
 * Prefixes: whatever shares, saves and finds beginnings, what follows has the bits of a text that is read anew; files of
 * them are hostile, and what is lost is read again.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model, type Prefix } from "../src/index.ts";
import { prefixStore } from "../src/store/prefixes.ts";
import { Code, Engine, EngineSession, sealed } from "./support/engine.ts";
import { errorOf, modelBytes } from "./support/models.ts";
import { wholeNumbers } from "./support/random.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const TINY = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
const model = await Model.load(TINY);
const folder = mkdtempSync(join(tmpdir(), "limpet-prefixes-"));

for (const kind of ["llama-tiny", "plm-1m", "gemma3-tiny", "mamba2-tiny"]) {
  test(`${kind}: 250 operations on sequences that share beginnings give the bits of a fresh evaluation`, () => {
    const draw = wholeNumbers(kind.length);
    const engine = new Engine("portable");
    const loaded = engine.load(modelBytes(kind, "Q8_0"));
    // One form of latent attention, as these contexts have it: the bits of a row do not depend on its chunk then.
    const make = (sequences: number) => loaded.context({ rows: 240, batch: 32, sequences });
    const context = make(4);
    const sessions = Array.from({ length: 4 }, (_, i) => new EngineSession(context, i));
    const alone = new EngineSession(make(1));
    const vocabulary = 64;
    let saved: Uint8Array | null = null;
    const ids = (count: number) => Array.from({ length: count }, () => 3 + draw(vocabulary - 3));
    for (let i = 0; i < 250; i++) {
      const session = sessions[draw(4)];
      const other = sessions[draw(4)];
      switch (draw(7)) {
        case 0:
          session.replace(ids(1 + draw(30)));
          break;
        case 1:
          if (session.tokens.length < 50) session.append(ids(1 + draw(9)), 0);
          break;
        case 2:
        case 3: {
          const count = draw(other.tokens.length + 1);
          if (session === other) break;
          engine.do("session_share", session.handle, other.handle, count);
          assert.equal(session.tokens, other.tokens.slice(0, count));
          break;
        }
        case 4:
          saved = session.save();
          break;
        case 5:
          try {
            if (saved) session.restore(saved);
          } catch (error) {
            // Windows of the others may leave no room.
            assert.is((error as { code: number }).code, Code.CONTEXT_FULL);
          }
          break;
        default:
          session.rewind(draw(session.tokens.length + 1));
      }
      if (session.tokens.length === 0 || draw(2) === 0) continue;
      session.configure({ temperature: 0.8, seed: i });
      alone.configure({ temperature: 0.8, seed: i });
      alone.replace([]);
      alone.append(session.tokens, 0);
      const told = session.generate(2 + draw(3), 3);
      const { ids: own, top, logprobs } = alone.generate(told.ids.length, 3);
      assert.equal([told.ids, told.top, told.logprobs], [own, top, logprobs], `operation ${i}`);
    }
    for (const session of sessions) session.release();
    for (let sequence = 0; sequence < 4; sequence++) {
      assert.is(engine.core.call("sequence_rows", context.handle, sequence, 0), 0);
    }
  });
}

test("what begins with a prefix is answered as ever, and the prefix is not read again", async () => {
  const text = "The tide went out and left a limpet on the rock, where it waited for the sea. ".repeat(3);
  const options = { maxTokens: 12, temperature: 0.7, seed: 3 };
  const plain = model.generate(`${text}It`, options);
  await plain.text();
  const prefix = await model.prefix(text);
  assert.ok(prefix.tokens.length > 60);
  const told = model.generate(`${text}It`, options);
  assert.is(await told.text(), plain.result!.text);
  assert.equal(told.result!.tokens, plain.result!.tokens);
  const { cachedTokens, promptTokens, timings } = told.result!;
  assert.ok(cachedTokens > 60 && timings.prefillTokens === promptTokens - cachedTokens);
  // A session begins with it; another kind of cache does not know it.
  const session = model.session({ prefix });
  assert.equal(session.tokens, prefix.tokens);
  session.dispose();
  const exact = model.generate(`${text}It`, { ...options, kv: "f32" });
  await exact.text();
  assert.is(exact.result!.cachedTokens, 0);
  // Less than all of it is as good.
  const less = model.generate(`${text.slice(0, 90)} and`, options);
  await less.text();
  assert.ok(less.result!.cachedTokens >= 16);
  assert.is(less.result!.text, await (await Model.load(TINY)).generate(`${text.slice(0, 90)} and`, options).text());
});

test("a prefix of messages is what conversations begin with", async () => {
  const messages = [{ role: "system" as const, content: "Be kind to limpets, and brief. ".repeat(4) }];
  const plain = await model.session({ messages }).chat("Hello", { maxTokens: 8 }).text();
  const prefix = await model.prefix(messages);
  const session = model.session({ prefix });
  assert.equal(session.messages, messages);
  const answer = session.chat("Hello", { maxTokens: 8 });
  assert.is(await answer.text(), plain);
  assert.is(answer.result!.cachedTokens, prefix.tokens.length);
  const chat = model.chat([...messages, { role: "user", content: "Hello" }], { maxTokens: 8 });
  assert.is(await chat.text(), plain);
  assert.is(chat.result!.cachedTokens, prefix.tokens.length);
});

test("sequences of a batch share what their texts begin with", async () => {
  const text = "A limpet holds on to its rock, and the rock to the limpet. ".repeat(3);
  const prompts = ["One", "Two", "Three"].map((end) => text + end);
  const fresh = await Model.load(TINY);
  const plain: string[] = [];
  for (const prompt of prompts) plain.push(await fresh.generate(prompt, { maxTokens: 9 }).text());
  const batch = fresh.batch({ sequences: 3, context: 256 });
  const first = batch.generate(prompts[0], { maxTokens: 9 });
  await first.next();
  const others = prompts.slice(1).map((prompt) => batch.generate(prompt, { maxTokens: 9 }));
  const texts = await Promise.all([first, ...others].map((generation) => generation.text()));
  assert.equal(texts, plain);
  for (const { result } of others) assert.ok(result!.cachedTokens > 60, String(result!.cachedTokens));
  batch.dispose();
  fresh.dispose();
});

test("a prefix is kept in a folder, and found by another process's model; what is broken is read anew", async () => {
  const text = "Where the store is, the prefix is found again. ".repeat(4);
  const place = join(folder, "kept");
  const read = async (of: Model): Promise<Prefix> => of.prefix(text, { store: place });
  const first = await read(model);
  const [name] = readdirSync(place);
  assert.ok(name.endsWith(".session"));
  const other = await Model.load(TINY);
  utimesSync(join(place, name), 1, 1);
  assert.equal(Buffer.from((await read(other)).bytes), Buffer.from(first.bytes));
  const bytes = readFileSync(join(place, name));
  for (const broken of [
    bytes.subarray(0, 99),
    Buffer.alloc(0),
    bytes.map((byte, i) => (i === 200 ? byte ^ 1 : byte)),
  ]) {
    writeFileSync(join(place, name), broken);
    assert.equal(Buffer.from((await read(other)).bytes), Buffer.from(first.bytes));
    assert.equal(readFileSync(join(place, name)), bytes, "it is written again");
  }
  // Another model's, under this one's name.
  const strange = await (await Model.load(modelBytes("llama-tiny", "Q4_0"))).prefix(text);
  writeFileSync(join(place, name), strange.bytes);
  assert.equal(Buffer.from((await read(other)).bytes), Buffer.from(first.bytes));
  // Where nothing can be kept, it is read.
  writeFileSync(join(folder, "file"), "");
  assert.equal((await model.prefix(text, { store: join(folder, "file") })).tokens, first.tokens);
  other.dispose();
});

test("a store keeps to its budget: what was used longest ago goes", async () => {
  const place = join(folder, "budget");
  const store = (await prefixStore(place, 1000))!;
  for (const [i, name] of ["a", "b", "c"].entries()) {
    await store.write(name, new Uint8Array(300).fill(i));
    utimesSync(join(place, `${name}.session`), i + 1, i + 1);
  }
  assert.is((await store.read("a"))![0], 0);
  await store.write("d", new Uint8Array(300));
  assert.is(await store.read("b"), null);
  for (const name of ["a", "c", "d"]) assert.ok(await store.read(name), name);
  await store.write("large", new Uint8Array(1001));
  assert.is(await store.read("large"), null);
  assert.equal(readdirSync(place).sort(), ["a.session", "c.session", "d.session"]);
});

test("what is no prefix is refused, and a broken one leaves nothing", async () => {
  const prefix = await model.prefix("A limpet on a rock");
  const refused = async (work: () => unknown): Promise<string> => {
    const { code, message } = await errorOf(work);
    return `${code}: ${message}`;
  };
  const session = (given: unknown) => () => model.session({ prefix: given as Prefix });
  assert.match(await refused(session("x")), /^BAD_ARGUMENT: prefix is an object of options/);
  assert.match(await refused(session({})), /^BAD_ARGUMENT: prefix is what model.prefix gave/);
  assert.match(await refused(session({ ...prefix, bytes: "x" })), /^BAD_ARGUMENT: bytes is no Uint8Array/);
  assert.match(await refused(() => model.session({ prefix, system: "x" })), /begins with a prefix, or with/);
  assert.match(await refused(() => model.prefix("")), /^BAD_ARGUMENT: a prefix has one token at least/);
  assert.match(await refused(() => model.prefix("x", { store: 3 as never })), /^BAD_ARGUMENT: store is true, false or/);
  assert.match(await refused(() => model.prefix([2 ** 31])), /BAD_ARGUMENT/);
  assert.match(await refused(() => model.prefix("x", { signal: AbortSignal.abort(new Error("no")) })), /no$/);
  const contexts = model.memory.contexts.length;
  const draw = wholeNumbers(5);
  for (let i = 0; i < 150; i++) {
    const bytes = prefix.bytes.slice(0, draw(4) === 0 ? draw(prefix.bytes.length) : prefix.bytes.length);
    for (let j = 0; j <= draw(3) && bytes.length > 0; j++) bytes[draw(bytes.length)] = draw(256);
    const file = draw(2) === 0 && bytes.length > 24 ? sealed(bytes) : bytes;
    try {
      const made = model.session({ prefix: { tokens: prefix.tokens, bytes: file } });
      await made.generate(undefined, { maxTokens: 1 }).text();
      made.dispose();
    } catch (error) {
      assert.ok(["BAD_FILE", "BAD_ARGUMENT", "UNSUPPORTED", "CONTEXT_FULL"].includes((error as { code: string }).code));
    }
  }
  assert.ok(model.memory.contexts.length <= Math.max(contexts, 4));
  assert.is(
    await model.session({ prefix }).generate(undefined, { maxTokens: 5 }).text(),
    await model.generate("A limpet on a rock", { maxTokens: 5 }).text(),
  );
});

test("sessions share what another one of their context begins with, and nothing else", () => {
  const engine = new Engine("portable");
  const loaded = engine.load(TINY);
  const [context, other] = [loaded.context({ rows: 64, sequences: 2 }), loaded.context({ rows: 64 })];
  const [a, b, c] = [new EngineSession(context, 0), new EngineSession(context, 1), new EngineSession(other)];
  a.append([5, 6, 7], 0);
  const share = (to: EngineSession, from: EngineSession, count: number) =>
    engine.core.call("session_share", to.handle, from.handle, count);
  assert.is(share(b, a, 4), Code.BAD_ARGUMENT);
  assert.is(share(a, a, 1), Code.BAD_ARGUMENT);
  assert.is(share(c, a, 1), Code.BAD_ARGUMENT);
  assert.is(share(b, a, 2 ** 32 - 1), Code.BAD_ARGUMENT);
  assert.is(share(b, a, 2), 0);
  assert.equal(b.tokens, [5, 6]);
});

test.after(() => {
  if (existsSync(folder)) rmSync(folder, { recursive: true });
});
test.run();
