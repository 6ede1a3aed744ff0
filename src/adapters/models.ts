/** What the adapters share: which model they speak to, and what it is told of a schema. */
import { Model } from "../api/model.ts";
import type { LoadOptions } from "../api/options.ts";
import type { WorkerModel } from "../api/worker-model.ts";
import type { Message } from "../generate/messages.ts";
import type { ModelSource } from "../load/source.ts";

/** A loaded model, in this thread or in a worker. */
export type AnyModel = Model | WorkerModel;

/** How a model is loaded that an adapter loads itself. */
export interface ModelLoadOptions extends LoadOptions {
  /** Load it in a worker of its own. Default: no. */
  worker?: boolean;
}

/** Whether this is a loaded model, of whichever copy of limpet. */
export function isModel(value: unknown): value is AnyModel {
  const { chat, embed, info } = (value ?? {}) as Partial<Record<keyof AnyModel, unknown>>;
  return typeof chat === "function" && typeof embed === "function" && typeof info === "object";
}

/** Loads a model when it is first asked for, and once; after a failure the next one who asks tries again. */
export function loadLater(source: ModelSource, options: ModelLoadOptions = {}): () => Promise<AnyModel> {
  let loading: Promise<AnyModel> | null = null;
  return () => {
    // The overloads of `load` tell the two apart by the literal.
    loading ??= (Model.load as (source: ModelSource, options: ModelLoadOptions) => Promise<AnyModel>)(source, options);
    const begun = loading;
    begun.catch(() => {
      if (loading === begun) loading = null;
    });
    return begun;
  };
}

/** Most tokens of an answer that nobody limits: it goes on to its end, or to that of the context. */
export const TO_THE_END: number = 2 ** 31 - 1;

/** A conversation whose last message asks for what the answer is constrained to: a model that knows answers better. */
export function askFor(messages: readonly Message[], words: string): Message[] {
  const last = messages.findLastIndex(({ role }) => role === "user");
  if (last < 0) return [...messages, { role: "user", content: words }];
  return messages.map((message, i) =>
    i === last ? { ...message, content: `${message.content}\n\n${words}` } : message,
  );
}

/** The words that ask for JSON of a schema. */
export function schemaWords(schema: unknown): string {
  return `Answer with JSON that obeys this JSON Schema:\n${JSON.stringify(schema)}`;
}

/** JSON of any kind that is more than a word: what is asked for where there is no schema. */
export const ANY_JSON: unknown = { type: ["object", "array"] };
