/** Several answers to one prompt: its rows are computed once and shared, and the answers go on in ragged passes. */

import type { AnswerReader } from "./answer-reader.ts";
import { toldApart } from "./chat-answer.ts";
import { constrains, withTable } from "./constraint.ts";
import {
  beginShown,
  configure,
  DEFAULT_TOKENS,
  type GenerateOptions,
  type GenerationResult,
  generatePieces,
  type Piece,
} from "./generation.ts";
import { plainType } from "./kept-rows.ts";
import { requireAlive } from "./pass.ts";
import { SequenceGroup } from "./sequence-group.ts";
import { type ContextOptions, contextLength, type LoadedModel, promptTooLong } from "./sequence-pool.ts";

/** Most answers to one prompt. */
export const MOST_ANSWERS = 64;

/** The pieces of `n` answers, as they come: in each round one of each that is not at its end. */
export async function* generateAnswers(
  loaded: LoadedModel,
  prompt: ArrayLike<number>,
  n: number,
  { context, kv, ...asked }: GenerateOptions & ContextOptions,
  reader?: () => AnswerReader,
): AsyncGenerator<Piece, GenerationResult, undefined> {
  const options = constrains(asked) ? await withTable(asked) : asked;
  const { core, pointer, defaults } = loaded;
  const { exports } = core;
  const { maxTokens = DEFAULT_TOKENS, seed = 0, form = "auto", speculate = false, ...rest } = options;
  const rows = contextLength(core, pointer, context ?? defaults.context);
  if (prompt.length > rows) throw promptTooLong(prompt.length, rows);
  const total = prompt.length + n * Math.max(Math.min(maxTokens, rows - prompt.length), 1);
  const group = new SequenceGroup(loaded, {
    sequences: n,
    rows,
    total,
    kv: plainType(kv ?? defaults.kv, "several answers (n) keep"),
    form,
    speculate,
  });
  const seeded = (i: number): GenerateOptions => ({ ...rest, maxTokens, seed: BigInt(seed) + BigInt(i) });
  const begin = performance.now();
  try {
    const states = Array.from({ length: n }, () => group.join());
    const [first, ...others] = states;
    core.scoped((arena) => {
      const ids = arena.put(Uint32Array.from(prompt));
      core.check(exports.session_append_tokens(first.pointer, ids, prompt.length));
    });
    await beginShown(first, seeded(0));
    requireAlive(loaded);
    for (const [i, state] of others.entries()) {
      configure(state, seeded(i + 1));
      core.check(exports.session_fork(state.pointer, first.pointer));
      group.begin(state);
    }
    for (const state of states) exports.session_want_logits(state.pointer, options.onLogits ? 1 : 0);
    const prefillMs = performance.now() - begin;
    const answers = states.map((state, i) => toldApart(generatePieces(state, seeded(i), true), reader?.()));
    const results: GenerationResult[] = [];
    let live = answers.map((pieces, answer) => ({ pieces, answer }));
    let made = 0;
    let decodeMs = 0;
    try {
      while (live.length > 0) {
        const clock = performance.now();
        const steps = await Promise.all(live.map(({ pieces }) => pieces.next()));
        decodeMs += performance.now() - clock;
        const goesOn: typeof live = [];
        for (const [i, { done, value }] of steps.entries()) {
          const { answer } = live[i];
          if (done) results[answer] = value;
          else {
            made++;
            goesOn.push(live[i]);
            yield { ...value, answer };
          }
        }
        live = goesOn;
      }
    } finally {
      await Promise.all(answers.map((pieces) => pieces.return(undefined as unknown as GenerationResult)));
    }
    const sum = (of: "drafted" | "accepted") => results.reduce((all, result) => all + (result[of] ?? 0), 0);
    return {
      ...results[0],
      ...(speculate && { drafted: sum("drafted"), accepted: sum("accepted") }),
      promptTokens: prompt.length,
      cachedTokens: 0,
      answers: results.map(({ text, reasoning, toolCalls, tokens, finishReason, stopString }) => ({
        text,
        ...(reasoning !== undefined && { reasoning }),
        ...(toolCalls && { toolCalls }),
        tokens,
        finishReason,
        ...(stopString !== undefined && { stopString }),
      })),
      timings: { prefillTokens: prompt.length, prefillMs, decodeTokens: made, decodeMs },
    };
  } finally {
    group.dispose();
  }
}
