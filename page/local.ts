/** A model in this page: in a worker of its own, so that the page stays quick. */
import { cached } from "../src/cache.ts";
import { type Recommended, randomSeed, recommendedOf, withRecommended } from "../src/generate/recommended.ts";
import {
  type Activity,
  type ContextOptions,
  type GenerateOptions,
  LimpetError,
  Model,
  type ModelInfo,
  type ModelMemory,
  type ModelSource,
  type WorkerModel,
} from "../src/index.ts";
import type { LoadPhase } from "../src/load/load.ts";
import { located } from "../src/store/by-name.ts";
import { Clock, type Engine, type Outcome, type Part, type Question } from "./engine.ts";
import { isHubModel, isShipped, SHIPPED_URL, shownName } from "./models.ts";
import { numberOf, type Sampling, type Settings } from "./settings.ts";

/** Tokens that a text goes on for where nobody says. */
const TEXT_TOKENS = 256;
/** More threads than this do not pay for small models. */
const MOST_THREADS = 4;
/** Letters of a text whose zeros are looked at, and tokens of the context that is for that. */
const PROBE_LETTERS = 200;
const PROBE_CONTEXT = 512;
/** No answer is longer: it ends by itself, or where the context does. */
const MOST_TOKENS = 2 ** 31 - 1;

/** How far loading is. */
export interface Progress {
  readonly phase: "download" | LoadPhase;
  readonly bytes: number;
  /** 0 where nobody knows. */
  readonly total: number;
}

export class LocalEngine implements Engine {
  readonly id: string;
  readonly name: string;
  readonly place = "page";
  readonly chats: boolean;
  readonly context: number | null;
  readonly model: WorkerModel;
  /** Where the reader has said how much a talk may hold, all of it is taken at once; else it grows. */
  readonly #asked: ContextOptions;
  readonly #sampling: Recommended;

  private constructor(id: string, model: WorkerModel, context: number | undefined, given: GivenByFile) {
    this.id = id;
    this.model = model;
    this.name = shownName(id);
    this.chats = given.chats;
    this.context = context ?? (model.info.contextLength || null);
    this.#asked = context === undefined ? {} : { context };
    this.#sampling = given.sampling;
  }

  /** Loads a model by its name, or the files that the reader has chosen for it. */
  static async load(
    id: string,
    files: readonly File[] | null,
    settings: Settings,
    { signal, onProgress }: { signal: AbortSignal; onProgress: (progress: Progress) => void },
  ): Promise<LocalEngine> {
    const source = files ? [...files] : await sourceOf(id, signal, onProgress);
    const model = await Model.load(source.length === 1 ? source[0] : (source as ModelSource), {
      worker: true,
      build: settings.build,
      threads: threadsOf(settings),
      signal,
      onPhase: (phase) => onProgress({ phase, bytes: 0, total: 0 }),
      onProgress: (bytes, total) => onProgress({ phase: "weights", bytes, total: total ?? 0 }),
    });
    try {
      if (model.info.makes !== "text") {
        throw new LimpetError("UNSUPPORTED", `this model makes ${model.info.makes} of texts, and writes none`);
      }
      const metadata = await model.metadata(1);
      const given = { sampling: recommendedOf(metadata), chats: metadata.has("tokenizer.chat_template") };
      return new LocalEngine(id, model, numberOf(settings, "context"), given);
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  async *answer({ messages, text, sampling, signal, onRead }: Question): AsyncGenerator<Part, Outcome, undefined> {
    const seed = sampling.seed ?? randomSeed();
    const options = { ...this.#options(sampling, messages === undefined), seed, signal, onPrefill: onRead };
    const { tools } = sampling;
    const clock = new Clock();
    const generation = messages
      ? this.model.chat(messages, tools.length > 0 ? { ...options, tools } : options)
      : this.model.generate(text ?? "", options);
    try {
      for await (const piece of generation) {
        clock.tick();
        yield { text: piece.text, reasoning: piece.reasoning, toolCalls: piece.toolCalls };
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    const { result } = generation;
    const { timings } = result ?? {};
    const reason = result?.finishReason ?? "aborted";
    const rate = timings && timings.decodeMs > 0 ? (timings.decodeTokens * 1000) / timings.decodeMs : clock.rate;
    return {
      end: reason === "stop_string" ? "stop" : reason,
      figures: {
        tokens: result?.tokens.length ?? clock.tokens,
        rate,
        firstMs: clock.firstMs,
        promptTokens: result?.promptTokens ?? 0,
        cachedTokens: result?.cachedTokens ?? 0,
        context: this.context,
        seed,
      },
    };
  }

  get info(): ModelInfo {
    return this.model.info;
  }

  memory(): Promise<ModelMemory> {
    return this.model.memory();
  }

  /** The zeros behind ReLU² in a pass over the end of a text, layer by layer. */
  async activity(text: string): Promise<Activity> {
    const session = await this.model.session({ context: PROBE_CONTEXT });
    try {
      await session.generate(text.slice(-PROBE_LETTERS) || "Once", { maxTokens: 2 }).text();
      return await session.activity();
    } finally {
      session.dispose();
    }
  }

  dispose(): void {
    this.model.dispose();
  }

  #options(sampling: Sampling, isText: boolean): GenerateOptions & ContextOptions {
    const { tools, thinks, maxTokens, stop, seed: _, ...rest } = sampling;
    return {
      ...withRecommended(this.#sampling, rest),
      // A penalty on what stands in the text already is one on the form of a call.
      ...(tools.length > 0 && rest.repeatPenalty === undefined && { repeatPenalty: 1 }),
      ...(stop && { stop }),
      ...(!thinks && { reasoning: { budget: 0 } }),
      ...this.#asked,
      maxTokens: maxTokens ?? (isText ? TEXT_TOKENS : MOST_TOKENS),
    };
  }
}

interface GivenByFile {
  readonly sampling: Recommended;
  readonly chats: boolean;
}

function threadsOf(settings: Settings): number {
  if (!crossOriginIsolated) return 1;
  return numberOf(settings, "threads") ?? Math.max(1, Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS));
}

/** The files of a model: the browser keeps them, or fetches them first. */
async function sourceOf(
  id: string,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<(string | File)[]> {
  if (isShipped(id)) return [SHIPPED_URL];
  const name = id.slice("page:".length);
  const options = {
    signal,
    onProgress: (bytes: number, total: number) => onProgress({ phase: "download", bytes, total }),
  };
  // What a browser may throw away where the disk is short is asked to stay.
  await navigator.storage?.persist?.().catch(() => false);
  if (isHubModel(id)) return [...(await located(name, options))];
  return [await cached(name, options)];
}
