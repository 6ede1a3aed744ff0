/** Lists of texts, or of their token ids, looked at and copied before anything is waited for. */
import { printable } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { promptOf } from "./tokenizer.ts";

/** A text, or a copy of its token ids. */
export type ReadPrompt = string | Uint32Array<ArrayBuffer>;

/** Texts to make vectors of: read once. */
export function promptsOf(texts: unknown): ReadPrompt[] {
  if (!Array.isArray(texts)) {
    throw new LimpetError("BAD_ARGUMENT", `texts is a list of texts, [text] for one, not ${printable(texts)}`);
  }
  return Array.from(texts, (one, i) => promptOf(`texts[${i}]`, one));
}

/** Choices, looked at: texts or lists of ids, at least one. */
export function choicesOf(name: string, value: unknown): ReadPrompt[] {
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
