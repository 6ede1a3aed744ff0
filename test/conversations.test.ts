/**
 * A conversation after a failure: its messages are what the model has read and written, after errors, aborts, calls that
 * supersede each other, rewind and restore, and no call leaves half a turn.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Message, Model, type Session } from "../src/index.ts";
import { errorOf, modelBytes } from "./support/models.ts";

/** ChatML, which the core knows. */
const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
/** A template that only Jinja knows, as strict as Mistral's. */
const STRICT =
  "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}" +
  "{{ raise_exception('must alternate') }}{% endif %}{{ m.content }}{% endfor %}";

const load = (template: string) =>
  Model.load(modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", template]]));
const models = await Promise.all([CHATML, STRICT].map(load));
const FEW = { maxTokens: 3, temperature: 1, seed: 5 };

const roles = (messages: readonly Message[]) => messages.map(({ role }) => role[0]).join("");

async function firstPieces(session: Session, content: string, count: number): Promise<string> {
  let said = "";
  for await (const { text } of session.chat(content, { ...FEW, maxTokens: 9 })) {
    said += text;
    if (--count === 0) break;
  }
  return said;
}

for (const [i, model] of models.entries()) {
  const named = (words: string) => `${["chatml", "a strict template"][i]}: ${words}`;

  test(named("a call that is refused leaves neither messages nor tokens"), async () => {
    const session = model.session();
    for (const options of [{ temperature: -1 }, { stop: "" }, { maxTokens: -1 }, { logprobs: 21 }, { topP: 0 }]) {
      await errorOf(() => session.chat("FIRST", options).text());
      assert.equal(session.messages, []);
      assert.equal(session.tokens, []);
    }
    const answer = await session.chat("a", FEW).text();
    const { tokens, messages } = session;
    await errorOf(() => session.chat("b", { temperature: -1 }).text());
    await errorOf(() => session.chat("long ".repeat(3000), FEW).text());
    assert.equal(session.tokens, tokens, "a message that does not fit takes nothing with it");
    assert.equal(session.messages, messages);
    assert.equal(messages, [
      { role: "user", content: "a" },
      { role: "assistant", content: answer },
    ]);
  });

  test(named("an abort before the first token undoes the turn, and one after it keeps what was said"), async () => {
    const session = model.session();
    await session.chat("a", FEW).text();
    const { tokens, messages } = session;
    const before = session.chat("b", { ...FEW, signal: AbortSignal.abort(new Error("no")) });
    assert.is((await errorOf(() => before.next())).message, "no");
    assert.equal([session.tokens, session.messages], [tokens, messages]);
    const controller = new AbortController();
    const during = session.chat("c", { ...FEW, maxTokens: 50, signal: controller.signal });
    const { value } = await during.next();
    controller.abort(new Error("enough"));
    assert.is((await errorOf(() => during.next())).message, "enough");
    assert.is(roles(session.messages), "uaua");
    assert.is(session.messages[3].content, value!.text);
  });

  test(named("a loop that is left ends the turn, and the session can be saved"), async () => {
    const session = model.session();
    const said = await firstPieces(session, "a", 2);
    assert.equal(session.messages, [
      { role: "user", content: "a" },
      { role: "assistant", content: said },
    ]);
    const copy = model.restore(session.save());
    assert.equal(copy.messages, session.messages);
    assert.equal(copy.tokens, session.tokens);
    assert.is(await copy.chat("b", FEW).text(), await session.chat("b", FEW).text());
  });

  test(named("a call that supersedes another closes its turn"), async () => {
    const session = model.session();
    const a = session.chat("A", { ...FEW, maxTokens: 20 });
    const first = await a.next();
    assert.is(roles(session.messages), "ua");
    const b = await session.chat("B", FEW).text();
    assert.is((await errorOf(() => a.next())).message, "another generation of this session has begun");
    assert.equal(session.messages, [
      { role: "user", content: "A" },
      { role: "assistant", content: first.value!.text },
      { role: "user", content: "B" },
      { role: "assistant", content: b },
    ]);
    // What the next turn reads is the text that a fresh session with these messages reads.
    const read = promptOf(model, [...session.messages, { role: "user", content: "C" }]);
    let seen: readonly number[] = [];
    await session.chat("C", { maxTokens: 1, onLogits: (_, tokens) => void (seen = tokens) }).text();
    assert.equal(bytesOf(model, seen), bytesOf(model, await read));
  });

  test(named("two calls that begin at once are not two halves"), async () => {
    const session = model.session();
    const [a, b] = [session.chat("A", FEW), session.chat("B", FEW)];
    const results = await Promise.allSettled([a.text(), b.text()]);
    assert.is(results.filter(({ status }) => status === "fulfilled").length, 1);
    assert.is(roles(session.messages), "ua");
    assert.is(session.messages[0].content, "B");
  });

  test(named("rewind and restore within a chat stay as they were asked for"), async () => {
    const session = model.session();
    await session.chat("a", FEW).text();
    const saved = session.save();
    const kept = session.messages;
    await errorOf(async () => {
      for await (const _ of session.chat("b", FEW)) session.rewind(0);
    });
    assert.equal([session.messages, session.tokens], [[], []]);
    const again = session.chat("c", { ...FEW, maxTokens: 20 });
    await again.next();
    session.restore(saved);
    await errorOf(() => again.next());
    assert.equal(session.messages, kept);
    await errorOf(() => session.restore(new Uint8Array(50)));
    assert.equal(session.messages, kept, "a restore that fails leaves all as it was");
  });

  test(named("append and generate within a chat close its turn"), async () => {
    const session = model.session();
    const a = session.chat("A", { ...FEW, maxTokens: 20 });
    await a.next();
    session.append([1, 2, 3]);
    assert.is(roles(session.messages), "ua");
    await session.chat("B", FEW).text();
    assert.is(roles(session.messages), "uaua");
  });
}

/** The tokens that a fresh conversation is begun with. */
async function promptOf(model: Model, messages: readonly Message[]): Promise<readonly number[]> {
  let seen: readonly number[] = [];
  await model.chat(messages, { maxTokens: 1, context: 2000, onLogits: (_, tokens) => void (seen = tokens) }).text();
  return seen;
}

const bytesOf = (model: Model, tokens: readonly number[]) => model.detokenizeBytes(tokens, { special: true });

test("a model's own tokens stay, and their rows, where a tokenizer makes others of their text", async () => {
  const [model] = models;
  const said = "the sea and the sand";
  const letter = (text: string) => {
    const found = Array.from({ length: model.info.vocabulary }, (_, id) => id).find(
      (id) => new TextDecoder().decode(bytesOf(model, [1, id]).subarray(bytesOf(model, [1]).length)) === text,
    );
    assert.ok(found !== undefined, text);
    return found!;
  };
  const ids = [...said].map(letter);
  assert.ok(model.tokenize(said).length < ids.length, "a tokenizer spells it with fewer tokens");
  const session = model.session();
  const answer = await session
    .chat("What do you see?", {
      maxTokens: ids.length,
      onLogits: (logits, tokens) => {
        const next = ids[tokens.length - (started ??= tokens.length)];
        logits.fill(Number.NEGATIVE_INFINITY);
        logits[next] = 0;
      },
    })
    .text();
  assert.is(answer.trim(), said);
  const before = session.tokens;
  const goes = session.chat("And then?", { maxTokens: 2 });
  await goes.text();
  assert.equal(session.tokens.slice(0, before.length), before);
  // The last token of the answer had not been read yet.
  assert.is(goes.result!.timings.prefillTokens, session.tokens.length - 2 - before.length + 1);
});
let started: number | undefined;

test("whatever is said, the text that is read is that of a fresh conversation", async () => {
  for (const [i, model] of models.entries()) {
    const session = model.session({ context: 2000 });
    for (let turn = 0; turn < 8; turn++) {
      const content = `turn ${turn} of the talk <s> </s>`;
      const read = promptOf(model, [...session.messages, { role: "user", content }]);
      let seen: readonly number[] = [];
      await session
        .chat(content, {
          temperature: 1.5,
          seed: turn + 100 * i,
          maxTokens: 1 + (turn % 9),
          stop: turn % 3 ? [] : ["e", "a"],
          onLogits: (_, tokens) => void (seen = seen.length ? seen : tokens),
        })
        .text();
      assert.equal(bytesOf(model, seen), bytesOf(model, await read), `model ${i}, turn ${turn}`);
    }
  }
});

test("the messages of a saved session are looked at", async () => {
  const [model] = models;
  const session = model.session();
  await session.chat("a", FEW).text();
  const saved = session.save();
  const end = saved.length - 12;
  const length = new DataView(saved.buffer).getUint32(saved.length - 8, true);
  const core = saved.subarray(0, end - length);
  const forge = (json: string) => {
    const text = new TextEncoder().encode(json);
    const forged = new Uint8Array(core.length + text.length + 12);
    forged.set(core);
    forged.set(text, core.length);
    const view = new DataView(forged.buffer, forged.length - 12);
    view.setUint32(0, text.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0, true);
    view.setUint32(4, text.length, true);
    forged.set(new TextEncoder().encode("LMPN"), forged.length - 4);
    return forged;
  };
  assert.equal(model.restore(forge('[{"role":"user","content":"x"}]')).messages, [{ role: "user", content: "x" }]);
  for (const json of ["5", "null", "{}", "[1,2]", '[{"role":"evil","content":"x"}]', '[{"role":"user"}]', "[", '"x"']) {
    assert.is((await errorOf(() => model.restore(forge(json)))).code, "BAD_FILE", json);
  }
  for (let at = 0; at < saved.length; at += Math.ceil(saved.length / 400)) {
    const broken = saved.slice();
    broken[at] ^= 1;
    const error = await errorOf(() => model.restore(broken));
    assert.ok(["BAD_FILE", "UNSUPPORTED"].includes(String(error.code)), `byte ${at}: ${error.message}`);
  }
  for (let at = end - length; at < saved.length; at++) {
    const broken = saved.slice();
    broken[at] ^= 4;
    assert.is((await errorOf(() => model.restore(broken))).code, "BAD_FILE", `byte ${at}`);
  }
  assert.is((await errorOf(() => model.restore(saved.subarray(0, saved.length - 1)))).code, "BAD_FILE");
});

test.run();
