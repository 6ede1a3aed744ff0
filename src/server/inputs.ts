/** Texts as clients give them: one or several, or their token ids. */
import { printable } from "../host/arguments.ts";
import { RequestError } from "./errors.ts";
import type { Fields } from "./fields.ts";

const MOST_IDS = 1 << 20;
const LARGEST_ID = 2 ** 32 - 1;
/** Letters of a text that is told apart into tokens, whatever the context; and letters that a token may have. */
const MOST_LETTERS = 2 << 20;
const LETTERS_A_TOKEN = 128;

/**
 * Refuses a text that no context of so many tokens holds before it is told apart into tokens: that of 16 MB takes seconds,
 * in which nobody else is answered, and memory that is never given back.
 */
export function requireShort(letters: number, context: number): void {
  if (letters <= Math.max(MOST_LETTERS, context * LETTERS_A_TOKEN)) return;
  const words = `the prompt has ${letters} letters, and the context holds ${context} tokens: shorten it`;
  const figures = { n_prompt_letters: letters, n_ctx: context };
  throw new RequestError("exceed_context_size_error", words, { code: "context_length_exceeded", figures });
}

/** A text, several, the ids of one, or those of several. */
export function textsOrIds(fields: Fields, name: string, most: number): (string | number[])[] {
  const value = fields.required(name, fields.raw(name));
  if (typeof value === "string") return [value];
  const isIds = Array.isArray(value) && value.length > 0 && value.every((id) => typeof id === "number");
  if (isIds) return [idsOf(fields, name, value)];
  const list = fields.list(name, most)!;
  if (list.length === 0) throw fields.wrong(name, "is empty");
  return list.map((one, i) => {
    if (typeof one === "string") return one;
    if (Array.isArray(one)) return idsOf(fields, `${name}[${i}]`, one);
    throw fields.wrong(`${name}[${i}]`, `is text or a list of token ids, not ${printable(one)}`);
  });
}

function idsOf(fields: Fields, name: string, ids: readonly unknown[]): number[] {
  if (ids.length > MOST_IDS) throw fields.wrong(name, `has ${ids.length} ids, and ${MOST_IDS} are the most`);
  for (const id of ids) {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) <= LARGEST_ID) continue;
    throw fields.wrong(name, `is a list of token ids, and ${printable(id)} is none`);
  }
  return ids as number[];
}
