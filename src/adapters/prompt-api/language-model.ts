/**
 * The Prompt API over a model of limpet, where a browser has none of its own, and in any other host:
 *
 *     import { install } from "limpet/prompt-api";
 *     install(globalThis, "/model.gguf");
 *     const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
 *     for await (const piece of session.promptStreaming("Why is the sky blue?")) show(piece);
 */
import type { Session } from "../../api/session.ts";
import type { WorkerSession } from "../../api/worker-session.ts";
import type { GenerateOptions } from "../../generate/generation.ts";
import type { Message } from "../../generate/messages.ts";
import type { SamplingOptions } from "../../generate/sampling.ts";
import { within } from "../../host/wait.ts";
import { type AnyModel, TO_THE_END } from "../models.ts";
import { destroyed, domError, notSupported, quotaExceeded } from "./errors.ts";
import {
  constrained,
  isPossible,
  type LanguageModelCreateCoreOptions,
  type LanguageModelMessage,
  type LanguageModelPrompt,
  type LanguageModelPromptOptions,
  merged,
  type ReadInput,
  readInput,
  samplingOf,
} from "./input.ts";
import {
  type Availability,
  type CreateMonitor,
  ModelHold,
  type PromptModelOptions,
  type PromptModelSource,
} from "./model-hold.ts";

/** What a session begins with. */
export interface LanguageModelCreateOptions extends LanguageModelCreateCoreOptions {
  /** Ends the creation. */
  signal?: AbortSignal;
  /** Called with what tells how far the download is. */
  monitor?: (monitor: CreateMonitor) => void;
  /** What was said before; a system's message, which never falls out of the context, is the first. */
  initialPrompts?: LanguageModelMessage[];
}

/** Who may call the constructor. */
const OWN = Symbol("limpet");
/** Of the window, what is kept free for an answer where old turns can make room. */
const ANSWER_SHARE = 8;

interface State {
  readonly model: AnyModel;
  readonly session: Session | WorkerSession;
  readonly window: number;
  readonly sampling: SamplingOptions;
  /** All that was said, a system's message first. */
  messages: Message[];
  usage: number;
}

/**
 * A session of the Prompt API. `LanguageModel.from(source)` gives the class over a model; `install` puts it where pages
 * look for it.
 */
export class LanguageModel extends EventTarget {
  readonly #state: State;
  readonly #type: typeof LanguageModel;
  readonly #end = new AbortController();
  /** Prompts wait for one another. */
  #last: Promise<unknown> = Promise.resolve();
  #onOverflow: ((event: Event) => void) | null = null;

  /** @internal */
  constructor(own: symbol, type: typeof LanguageModel, state: State) {
    super();
    if (own !== OWN) throw new TypeError("Illegal constructor: LanguageModel.create() makes sessions");
    this.#type = type;
    this.#state = state;
    this.addEventListener("contextoverflow", (event) => this.#onOverflow?.(event));
  }

  /** The class over a model: a loaded one, or what `Model.load` takes, which the first session loads in a worker. */
  static from(source: PromptModelSource, options: PromptModelOptions = {}): typeof LanguageModel {
    const hold = new ModelHold(source, options);
    return class Over extends LanguageModel {
      /** Whether the model is there, and does what is asked for. */
      static override async availability(asked: LanguageModelCreateCoreOptions = {}): Promise<Availability> {
        return isPossible(asked) ? hold.state : "unavailable";
      }

      /** Begins a session; the first one loads the model. */
      static override create(asked: LanguageModelCreateOptions = {}): Promise<LanguageModel> {
        return LanguageModel.#create(hold, Over, asked);
      }
    };
  }

  /** Whether the model is there, and does what is asked for: of the class over none, no. */
  static async availability(options: LanguageModelCreateCoreOptions = {}): Promise<Availability> {
    isPossible(options);
    return "unavailable";
  }

  /** Begins a session; the first one loads the model. The class over none refuses. */
  static async create(_options: LanguageModelCreateOptions = {}): Promise<LanguageModel> {
    throw notSupported("there is no model: LanguageModel.from(source) gives the class over one");
  }

  static async #create(
    hold: ModelHold,
    type: typeof LanguageModel,
    options: LanguageModelCreateOptions,
  ): Promise<LanguageModel> {
    const { signal, monitor, initialPrompts = [] } = options;
    signal?.throwIfAborted();
    const isFit = isPossible(options);
    const { messages } = readInput(initialPrompts, true);
    if (!isFit) throw notSupported("limpet's models read and write text alone");
    try {
      const model = await hold.load(monitor, signal);
      const session = await model.session();
      try {
        const window = await told(session, "capacity");
        const sampling = samplingOf(options);
        const made = new type(OWN, type, { model, session, window, sampling, messages: [], usage: 0 });
        if (messages.length > 0) await made.#read(messages, signal, true);
        signal?.throwIfAborted();
        return made;
      } catch (error) {
        session.dispose();
        throw error;
      }
    } catch (error) {
      throw domError(error);
    }
  }

  /** Tokens that the session's conversation takes. An answer that filled the context takes all of them. */
  get contextUsage(): number {
    return Math.min(this.#state.usage, this.#state.window);
  }

  /** Tokens that the context holds. */
  get contextWindow(): number {
    return this.#state.window;
  }

  /** Called where old turns have fallen out of the context. */
  get oncontextoverflow(): ((event: Event) => void) | null {
    return this.#onOverflow;
  }

  set oncontextoverflow(listener: ((event: Event) => void) | null) {
    this.#onOverflow = typeof listener === "function" ? listener : null;
  }

  /** The model's answer to the input, which is part of the conversation from then on, as the answer is. */
  async prompt(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<string> {
    const parts: string[] = [];
    for await (const part of this.#answer(input, options)) parts.push(part);
    return parts.join("");
  }

  /** As `prompt`, piece by piece. Who cancels the stream ends the prompt. */
  promptStreaming(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): ReadableStream<string> {
    const parts = this.#answer(input, options);
    return new ReadableStream<string>({
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await parts.return();
      },
    });
  }

  /** Makes the input part of the conversation, and has the model read it ahead of the next prompt. */
  async append(input: LanguageModelPrompt, { signal }: { signal?: AbortSignal } = {}): Promise<undefined> {
    const { messages, prefix } = this.#input(input);
    if (prefix) throw new DOMException("prefix stands in prompts", "SyntaxError");
    await this.#inTurn(signal, async (both) => {
      if (messages.length > 0) await this.#read(messages, both, false);
    });
  }

  /** Tokens that an input would take, with what says the constraint. */
  async measureContextUsage(input: LanguageModelPrompt, options: LanguageModelPromptOptions = {}): Promise<number> {
    const { messages, prefix } = this.#input(input);
    options.signal?.throwIfAborted();
    try {
      const asked = constrained(messages, options).messages;
      const tokens = await this.#tokens([...this.#state.messages, ...asked], prefix);
      return tokens.length - this.#state.usage;
    } catch (error) {
      throw domError(error);
    }
  }

  /** A session with the same conversation, which goes its own way. */
  async clone({ signal }: { signal?: AbortSignal } = {}): Promise<LanguageModel> {
    return this.#inTurn(signal, async (both) => {
      const { model, session, messages } = this.#state;
      const copy = await model.restore(await session.save());
      if (both.aborted) {
        copy.dispose();
        throw both.reason;
      }
      return new this.#type(OWN, this.#type, { ...this.#state, session: copy, messages: [...messages] });
    });
  }

  /** Ends what goes on, and gives the session's memory back. */
  destroy(): undefined {
    if (this.#end.signal.aborted) return;
    this.#end.abort(destroyed());
    this.#state.session.dispose();
  }

  /** The answer to an input, as it comes. It becomes part of the conversation when it has come to its end. */
  async *#answer(
    input: LanguageModelPrompt,
    options: LanguageModelPromptOptions,
  ): AsyncGenerator<string, void, undefined> {
    const read = this.#input(input);
    const { messages, constraint } = constrained(read.messages, options);
    const [done, signal] = await this.#turn(options.signal);
    try {
      const state = this.#state;
      const kept = await this.#fitting([...messages], read.prefix);
      const rest = await this.#feed(kept.tokens);
      const { repeatPenalty, ...sampling } = state.sampling;
      const given: GenerateOptions = { ...sampling, ...constraint, maxTokens: TO_THE_END, seed: anySeed(), signal };
      // What a constraint wants again and again must not become unlikely.
      if (Object.keys(constraint).length === 0 && repeatPenalty !== undefined) given.repeatPenalty = repeatPenalty;
      let answer = "";
      for await (const { text } of state.session.generate(rest, given)) {
        if (text === "") continue;
        answer += text;
        yield text;
      }
      state.messages = [...kept.messages, { role: "assistant", content: read.prefix + answer }];
      state.usage = (await this.#tokens(state.messages)).length;
    } catch (error) {
      throw signal.aborted ? signal.reason : domError(error);
    } finally {
      done();
    }
  }

  /** Makes messages part of the conversation, and computes them. */
  async #read(messages: readonly Message[], signal: AbortSignal | undefined, first: boolean): Promise<void> {
    const state = this.#state;
    const kept = await this.#fitting(messages, "", first);
    await state.session.append(await this.#feed(kept.tokens));
    await state.session.logits(signal ? { signal } : {});
    state.messages = kept.messages;
    state.usage = kept.tokens.length;
  }

  /**
   * The conversation with messages at its end, from which the oldest turns have fallen out if it would not fit; and its
   * tokens up to where the model speaks.
   */
  async #fitting(
    more: readonly Message[],
    prefix: string,
    isWhole: boolean = false,
  ): Promise<{ messages: Message[]; tokens: number[] }> {
    const { window, messages: before } = this.#state;
    const system = before.filter(({ role }) => role === "system");
    let turns = before.slice(system.length);
    let tokens = await this.#tokens([...before, ...more], prefix);
    if (tokens.length < window || isWhole) {
      if (tokens.length >= window) throw quotaExceeded(tokens.length, window);
      return { messages: [...before, ...more], tokens };
    }
    const free = Math.ceil(window / ANSWER_SHARE);
    while (turns.length > 0 && tokens.length + free > window) {
      // A turn is what was said up to the next thing that a user says.
      const next = turns.findIndex(({ role }, i) => i > 0 && role === "user");
      turns = next < 0 ? [] : turns.slice(next);
      tokens = await this.#tokens([...system, ...turns, ...more], prefix);
    }
    if (tokens.length >= window) throw quotaExceeded(tokens.length, window);
    this.dispatchEvent(new Event("contextoverflow"));
    return { messages: [...system, ...turns, ...more], tokens };
  }

  /** Goes back to where the session's tokens are those of a conversation; gives what follows them. */
  async #feed(tokens: readonly number[]): Promise<number[]> {
    const { session } = this.#state;
    const there = await told(session, "tokens");
    let common = 0;
    while (common < tokens.length - 1 && tokens[common] === there[common]) common++;
    if (common < there.length) await session.rewind(common);
    return tokens.slice(common);
  }

  /** The tokens of a conversation up to where the model speaks, or goes on. */
  async #tokens(messages: readonly Message[], prefix: string = ""): Promise<number[]> {
    const { model } = this.#state;
    if (messages.length === 0) return [];
    const begins: Message[] = prefix ? [{ role: "assistant", content: prefix, prefix: true }] : [];
    return model.chatTokens([...merged(messages), ...begins]);
  }

  #input(input: LanguageModelPrompt): ReadInput {
    this.#requireAlive();
    return readInput(input);
  }

  #requireAlive(): void {
    if (this.#end.signal.aborted) throw new DOMException("the session was destroyed", "InvalidStateError");
  }

  /** Waits for what was asked for before; gives what ends the turn, and the signal of call and session. */
  async #turn(signal: AbortSignal | undefined): Promise<[done: () => void, signal: AbortSignal]> {
    signal?.throwIfAborted();
    const both = signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal;
    const before = this.#last;
    let done = (): void => {};
    this.#last = new Promise<void>((resolve) => {
      done = resolve;
    });
    try {
      await within(before, both);
    } catch (error) {
      // One that is given up while it waits lets the next one through when it would have been its turn.
      void before.then(done);
      throw error;
    }
    return [done, both];
  }

  async #inTurn<Value>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
    this.#requireAlive();
    const [done, both] = await this.#turn(signal);
    try {
      return await work(both);
    } catch (error) {
      throw both.aborted ? both.reason : domError(error);
    } finally {
      done();
    }
  }
}

/** Puts the Prompt API over a model in the place where pages look for it, and gives its class. */
export function install(
  target: object,
  source: PromptModelSource,
  options: PromptModelOptions = {},
): typeof LanguageModel {
  const made = LanguageModel.from(source, options);
  Object.defineProperty(made, "name", { value: "LanguageModel" });
  Object.defineProperty(target, "LanguageModel", { value: made, configurable: true, writable: true });
  return made;
}

/** What a session says of itself: at once, or from its worker. */
function told(session: Session | WorkerSession, name: "capacity"): Promise<number>;
function told(session: Session | WorkerSession, name: "tokens"): Promise<number[]>;
async function told(session: Session | WorkerSession, name: "capacity" | "tokens"): Promise<number | number[]> {
  const value = session[name];
  return typeof value === "function" ? (value as () => Promise<number | number[]>).call(session) : value;
}

function anySeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
