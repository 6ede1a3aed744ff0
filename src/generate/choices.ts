/** Log probabilities of given continuations: the prompt is read once, and the choices share its rows. */
import { flag, type OptionTable, printable, readOptions, signal } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { ADAPTER_OPTIONS, type AdapterOptions } from "./adapter.ts";
import { type CacheType, typeKind } from "./kept-rows.ts";
import { requireAlive } from "./pass.ts";
import { logSumExpOf, type PassToken, Scorer } from "./scoring.ts";
import { type Form, formKind, type LoadedModel } from "./sequence-pool.ts";
import { promptOf } from "./tokenizer.ts";

/** How choices are scored. */
export interface ScoreOptions extends AdapterOptions {
  /** Take special tokens in texts as tokens. Default: no. */
  special?: boolean;
  /** How latent attention (MLA) is computed. Default: by the length of the chunk. */
  form?: Form;
  /** Type of the cached keys and values. Default: as the model was loaded. */
  kv?: CacheType;
  /** Ends the scoring: the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** What each of `ScoreOptions` has to be. */
export const SCORE_OPTIONS: OptionTable<ScoreOptions> = {
  ...ADAPTER_OPTIONS,
  special: flag,
  form: formKind,
  kv: typeKind,
  signal,
};

/** What a choice comes to. */
export interface Score {
  /** Its log probability (natural) behind the prompt: the sum over its tokens. */
  readonly logprob: number;
  /** Those tokens. */
  readonly tokens: readonly number[];
}

/** Choices that are evaluated in one context. */
const TOGETHER = 32;

/** Choices, looked at: texts or lists of ids, at least one. */
export function choicesOf(name: string, value: unknown): (string | Uint32Array<ArrayBuffer>)[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new LimpetError(
      "BAD_ARGUMENT",
      `${name} is a list of texts (or of lists of token ids), not ${printable(value)}`,
    );
  }
  return Array.from(value, (choice, i) => {
    const read = promptOf(`${name}[${i}]`, choice);
    if (read.length > 0) return read;
    throw new LimpetError("BAD_ARGUMENT", `${name}[${i}] is empty`);
  });
}

/** The log probability of each choice behind the prompt. */
export async function scoreChoices(
  loaded: LoadedModel,
  prompt: string | ArrayLike<number>,
  choices: readonly (string | ArrayLike<number>)[],
  given: ScoreOptions,
): Promise<Score[]> {
  const before = promptOf("prompt", prompt);
  const read = choicesOf("choices", choices);
  const { special, ...options } = readOptions(given, SCORE_OPTIONS);
  requireAlive(loaded);
  const { shared, tails } = split(loaded, before, read, special);
  const logSumExp = await logSumExpOf(loaded.core, options.signal);
  requireAlive(loaded);
  const { core } = loaded;
  const { exports, memory } = core;
  const vocabulary = exports.model_vocabulary(loaded.pointer);
  const logprob = (row: number, token: number) => memory.readF32(row + token * 4) - logSumExp(row, vocabulary);
  const room = Math.max(...groups(tails).map((group) => group.reduce((sum, tail) => sum + tail.length, 0)));
  const scorer = new Scorer(loaded, shared.length + room, options, Math.min(tails.length, TOGETHER) + 1);
  try {
    for (let i = 0; i <= Math.min(tails.length, TOGETHER); i++) scorer.use(i, shared);
    let row = 0;
    for (let at = 0; at < shared.length; at += scorer.chunk) {
      const ids = shared.slice(at, at + scorer.chunk);
      const last = shared.length - 1;
      row = await scorer.pass(ids.map((id, i) => ({ id, sequence: 0, position: at + i, wanted: at + i === last })));
      requireAlive(loaded);
    }
    const sums = tails.map((tail) => logprob(row, tail[0]));
    for (const [index, group] of groups(tails).entries()) {
      const first = index * TOGETHER;
      const queue: (PassToken & { readonly choice: number; readonly next: number })[] = [];
      for (const [i, tail] of group.entries()) {
        core.check(exports.sequence_share(scorer.context, 0, i + 1, 0, shared.length));
        for (let j = 0; j + 1 < tail.length; j++) {
          const position = shared.length + j;
          queue.push({ id: tail[j], sequence: i + 1, position, wanted: true, choice: first + i, next: tail[j + 1] });
        }
      }
      for (let at = 0; at < queue.length; at += scorer.chunk) {
        const tokens = queue.slice(at, at + scorer.chunk);
        const rows = await scorer.pass(tokens);
        requireAlive(loaded);
        for (const [i, { choice, next }] of tokens.entries()) sums[choice] += logprob(rows + i * vocabulary * 4, next);
      }
      const layers = exports.model_layers(loaded.pointer);
      for (let i = 1; i <= group.length; i++) {
        core.check(exports.sequence_drop(scorer.context, i, 0, 2 ** 31 - 1, 0, layers));
      }
    }
    return tails.map((tail, i) => ({ logprob: sums[i], tokens: tail }));
  } finally {
    scorer.release();
  }
}

function groups(tails: readonly number[][]): number[][][] {
  return Array.from({ length: Math.ceil(tails.length / TOGETHER) }, (_, i) =>
    tails.slice(i * TOGETHER, (i + 1) * TOGETHER),
  );
}

/**
 * What all choices have in common, and what each has behind that. Prompt and choice are one text: where a token of both
 * lies on the border, the shorter beginning is what all are judged by.
 */
function split(
  { tokenizer }: LoadedModel,
  prompt: string | Uint32Array<ArrayBuffer>,
  choices: readonly (string | Uint32Array<ArrayBuffer>)[],
  special: boolean | undefined,
): { shared: number[]; tails: number[][] } {
  const beginning =
    typeof prompt === "string" ? tokenizer.tokenize(prompt, { bos: true, special }) : Array.from(prompt);
  const all = choices.map((choice) => {
    if (typeof choice === "string" && typeof prompt === "string") {
      return tokenizer.tokenize(prompt + choice, { bos: true, special });
    }
    return [...beginning, ...(typeof choice === "string" ? tokenizer.tokenize(choice, { special }) : choice)];
  });
  for (const id of all.flat()) {
    if (id < tokenizer.count) continue;
    const words = `the token ${id} is not in the vocabulary of ${tokenizer.count}`;
    throw new LimpetError("BAD_ARGUMENT", words);
  }
  let length = beginning.length;
  for (const ids of all) {
    let common = 0;
    while (common < length && common < ids.length - 1 && ids[common] === beginning[common]) common++;
    length = common;
  }
  if (length === 0) {
    throw new LimpetError("BAD_ARGUMENT", "the prompt has no token that all choices begin with: make it longer");
  }
  return { shared: beginning.slice(0, length), tails: all.map((ids) => ids.slice(length)) };
}
