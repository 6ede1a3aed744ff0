/**
 * Random sequences of a session's calls: one whose context grows gives what one with a large context gives, call by call,
 * and its messages are whole turns at every point.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Generation, LimpetError, Model, type Session } from "../src/index.ts";
import { modelBytes } from "./support/models.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const BYTES = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
const OPERATIONS = 40;
const WORDS = "words of a prompt ";

/** Numbers that are the same in every run of a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}

type Outcome = { value: unknown } | { code: unknown; message: string };

async function outcome(work: () => unknown): Promise<Outcome> {
  try {
    return { value: await work() };
  } catch (error) {
    const { code, message } = error as LimpetError;
    assert.ok(error instanceof LimpetError || message === "mine", String((error as Error).stack));
    return { code, message };
  }
}

/** A session, the chat that was begun in it, and calls of both by number. */
class Player {
  readonly #model: Model;
  readonly #context: number | undefined;
  session: Session;
  #open: Generation | null = null;

  constructor(model: Model, context?: number) {
    this.#model = model;
    this.#context = context;
    this.session = model.session({ context });
  }

  async play(operation: number, count: number, seed: number, few: number): Promise<unknown> {
    const { session } = this;
    const options = { maxTokens: few, temperature: 1, seed, repeatPenalty: 1.1 };
    const draw = numbers(seed);
    const ids = () => Array.from({ length: count }, () => draw(this.#model.info.vocabulary));
    switch (operation) {
      case 0:
        return session.append(ids());
      case 1:
        return session.append(WORDS.repeat(count % 9));
      case 2:
        return session.generate(undefined, options).text();
      case 3:
        return session.generate(ids(), { ...options, maxTokens: count }).text();
      case 4:
        return session.chat(`message ${seed}`, options).text();
      case 5:
        this.#open = session.chat(`open ${seed}`, { ...options, maxTokens: 30 });
        return (await this.#open.next()).value;
      case 6:
        return ((await this.#open?.next())?.value as { text?: string } | undefined)?.text;
      case 7:
        return session.rewind(count);
      case 8: {
        const saved = session.save();
        session.dispose();
        this.session = this.#model.restore(saved, { context: this.#context });
        this.#open = null;
        return;
      }
      case 9:
        return session.chat("refused", { temperature: -1 }).text();
      default: {
        const controller = new AbortController();
        const chat = session.chat(`abort ${seed}`, { ...options, maxTokens: 50, signal: controller.signal });
        if (few > 3) await chat.next();
        controller.abort(new Error("mine"));
        return chat.next();
      }
    }
  }
}

for (const seed of [1, 2, 3]) {
  test(`sequence ${seed}`, async () => {
    const model = await Model.load(BYTES);
    const random = numbers(seed);
    const players = [new Player(model), new Player(model, Math.min(model.info.contextLength, 4096))];
    for (let i = 0; i < OPERATIONS; i++) {
      const call = [random(11), random(400) + 1, random(2 ** 24), random(8)] as const;
      const results: Outcome[] = [];
      for (const player of players) results.push(await outcome(() => player.play(...call)));
      const [growing, large] = players.map(({ session }) => session);
      assert.equal(results[0], results[1], `call ${i}: ${call}`);
      assert.equal(growing.tokens, large.tokens, `call ${i}: ${call}`);
      assert.equal(growing.messages, large.messages, `call ${i}: ${call}`);
      const roles = growing.messages.map(({ role }) => role[0]).join("");
      assert.match(roles, /^(ua)*$/, `call ${i}: ${call}`);
    }
    model.dispose();
  });
}

test.run();
