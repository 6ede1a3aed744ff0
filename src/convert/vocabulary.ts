/** A vocabulary as it is read from a checkpoint, token by token. */
import { printable } from "../host/arguments.ts";
import type { LimpetError } from "../host/errors.ts";

/** Types of tokens in a GGUF file. */
export const TokenType = { NORMAL: 1, UNKNOWN: 2, CONTROL: 3, USER_DEFINED: 4, UNUSED: 5, BYTE: 6 } as const;

export interface Vocabulary {
  readonly tokens: string[];
  readonly types: number[];
  /** SentencePiece's only. */
  readonly scores: number[];
}

export type Wrong = (words: string) => LimpetError;

export function putToken(to: Vocabulary, id: unknown, text: string, type: number, score: number, wrong: Wrong): void {
  if (!(Number.isInteger(id) && (id as number) >= 0))
    throw wrong(`${JSON.stringify(text)} has the id ${printable(id)}`);
  if ((id as number) >= to.tokens.length) {
    throw wrong(`${JSON.stringify(text)} has the id ${id}, and the model has ${to.tokens.length} tokens`);
  }
  to.tokens[id as number] = text;
  to.types[id as number] = type;
  to.scores[id as number] = score;
}

/** A token in a place that no other has. */
export function putNew(to: Vocabulary, id: unknown, text: string, type: number, score: number, wrong: Wrong): void {
  const taken = typeof id === "number" && to.types[id] !== undefined && to.types[id] !== TokenType.UNUSED;
  if (taken) throw wrong(`${JSON.stringify(text)} and ${JSON.stringify(to.tokens[id])} have the same id ${id}`);
  putToken(to, id, text, type, score, wrong);
}
