/** Answers of a model, one or several at once, as their pieces come. */

import type { ToolOptions } from "../generate/chat-answer.ts";
import type { GenerateOptions, Generation, GenerationResult, Piece } from "../generate/generation.ts";
import type { Message } from "../generate/messages.ts";
import { withRecommended } from "../generate/recommended.ts";
import type { Call } from "./call.ts";
import { RequestError } from "./errors.ts";
import { requireShort } from "./inputs.ts";
import type { Usage } from "./metrics.ts";
import type { Lease } from "./models.ts";

/** What is asked of a model. */
export interface Ask {
  /** Undefined: the server's first. */
  readonly model: string | undefined;
  /** Conversations to answer, or texts (or ids) to go on with. */
  readonly messages?: readonly Message[];
  readonly prompts?: readonly (string | readonly number[])[];
  /** Tools that a conversation has. */
  readonly tools?: ToolOptions;
  readonly suffix?: string;
  /** Answers to each. */
  readonly n: number;
  /** Without what is recommended. */
  readonly options: GenerateOptions;
  /** Answer i of a prompt has the seed plus i. */
  readonly seed: number;
  /** Where an answer ends that ends nowhere else; undefined: where the context does. */
  readonly maxTokens: number | undefined;
}

/** The beginning of the answers, a piece of one, or the end of one. */
export type Step =
  | { readonly kind: "begin"; readonly lease: Lease }
  | { readonly kind: "piece"; readonly index: number; readonly piece: Piece }
  | { readonly kind: "end"; readonly index: number; readonly result: GenerationResult };

/** Answers as they come, those of one prompt after those of the one before; the model is held until the last ends. */
export async function* answers(call: Call, ask: Ask): AsyncGenerator<Step, Usage, undefined> {
  const { signal, server } = call;
  const lease = await server.models.lease(ask.model, signal);
  const results: GenerationResult[] = [];
  let generations: Generation[] = [];
  let thoughts = 0;
  try {
    requireWriter(lease);
    requireShort(lettersOf(ask), lease.context);
    let isBegun = false;
    generations = begin(lease, ask, signal);
    for await (const step of merged(generations)) {
      // Not before there is something to tell: until then an error is an answer of its own.
      if (!isBegun) yield { kind: "begin", lease };
      isBegun = true;
      if (step.kind === "end") results[step.index] = step.result;
      else if (step.piece.reasoning) thoughts++;
      yield step;
    }
    return usageOf(results, ask.n, thoughts);
  } finally {
    lease.release();
    // Those that were left have cost something, too.
    for (const [i, { result }] of generations.entries()) if (result) results[i] = result;
    server.metrics.answered(lease.id, usageOf(results, ask.n, thoughts), results);
  }
}

function callsTools({ tools = [], toolChoice }: ToolOptions = {}): boolean {
  return tools.length > 0 && toolChoice !== "none";
}

function requireWriter({ id, model: { info } }: Lease): void {
  if (info.makes === "text") return;
  const words = `the model ${id} makes ${info.makes} of texts, and writes none`;
  throw new RequestError("invalid_request_error", words, { param: "model", code: "unsupported" });
}

function lettersOf({ messages, tools, prompts = [], suffix = "" }: Ask): number {
  if (messages) return JSON.stringify([messages, tools?.tools]).length;
  return prompts.reduce((most, { length }) => Math.max(most, length), 0) + suffix.length;
}

function begin(lease: Lease, ask: Ask, signal: AbortSignal): Generation[] {
  const { messages, tools, prompts = [], suffix, n, options, seed } = ask;
  const batch = lease.batch!;
  const all: GenerateOptions = {
    ...withRecommended(lease.sampling, options),
    // A penalty on what stands in the text already is one on the form of a call.
    ...(callsTools(tools) && options.repeatPenalty === undefined && { repeatPenalty: 1 }),
    maxTokens: Math.min(ask.maxTokens ?? lease.context, lease.context),
    adapters: lease.adapters,
    signal,
  };
  const seeded = (i: number): GenerateOptions => ({ ...all, seed: seed + i });
  const times = Array.from({ length: n }, (_, i) => seeded(i));
  if (messages) return times.map((one) => batch.chat(messages, { ...one, ...tools }));
  return prompts.flatMap((prompt) =>
    times.map((one) => batch.generate(prompt, { ...one, ...(suffix !== undefined && { suffix }) })),
  );
}

/** Pieces of several generations, as they come: all are computed together. */
async function* merged(
  generations: readonly Generation[],
): AsyncGenerator<Exclude<Step, { kind: "begin" }>, void, undefined> {
  const ask = async (index: number) => ({ index, step: await generations[index].next() });
  const pending = new Map(generations.map((_, index) => [index, ask(index)]));
  for (const one of pending.values()) one.catch(() => {});
  try {
    while (pending.size > 0) {
      const { index, step } = await Promise.race(pending.values());
      if (step.done) {
        pending.delete(index);
        yield { kind: "end", index, result: generations[index].result! };
      } else {
        const next = ask(index);
        next.catch(() => {});
        // Behind the others, so that each has its turn.
        pending.delete(index);
        pending.set(index, next);
        yield { kind: "piece", index, piece: step.value };
      }
    }
  } finally {
    await Promise.allSettled(generations.map((generation) => generation.return()));
  }
}

function usageOf(results: readonly GenerationResult[], n: number, reasoning: number): Usage {
  const ended = results.filter((result) => result !== undefined);
  // The answers to one prompt have it in common.
  const prompts = results.filter((result, i) => result !== undefined && i % n === 0);
  return {
    prompt: prompts.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
    cached: prompts.reduce((sum, { cachedTokens }) => sum + cachedTokens, 0),
    completion: ended.reduce((sum, { tokens }) => sum + tokens.length, 0),
    reasoning,
  };
}
