/** Where drafts come from (speculation.ts), as callers say it. */
import { type Check, type OptionTable, oneOf, printable, readOptions, unchecked, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { ModelInfo } from "../load/info.ts";

/** A smaller model, loaded in the same thread, whose vocabulary is the same. */
export interface DraftModel {
  /** What its file says of it. */
  readonly info: ModelInfo;
}

/** Tokens that a smaller model drafts. */
export interface DraftOptions {
  /** The model: one of `Model.load`, of this thread and with the same vocabulary. */
  draft: DraftModel;
  /** Tokens that it drafts for a pass, up to 15. Default: 4. */
  tokens?: number;
}

/**
 * Where drafts come from. `prompt`: what followed in the prompt and the answer where their last tokens stood before;
 * `auto`: so many of these as were measured to pay, which may be none; a smaller model; false: there are none.
 */
export type Speculate = "prompt" | "auto" | DraftOptions | false;

const DRAFT_OPTIONS: OptionTable<DraftOptions> = { draft: unchecked, tokens: whole(1, 15) };
const words = oneOf("prompt", "auto");

/** Where drafts come from, checked. */
export const speculateOf: Check<Speculate> = (name, value) => {
  if (value === false) return false;
  if (typeof value !== "object" || value === null) return words(name, value);
  const read = readOptions<DraftOptions>(value, DRAFT_OPTIONS, name);
  if (typeof read.draft === "object" && read.draft !== null) return read;
  throw new LimpetError("BAD_ARGUMENT", `${name}.draft is a model, not ${printable(read.draft)}`);
};

/** Drafts that are looked up for a pass, at most. */
export const LOOKED_UP = 7;
/** Drafts of a smaller model, where nobody says how many. */
export const DRAFTED = 4;

/** Rows of logits that a pass of one session wants. */
export function draftRows(speculate: Speculate | undefined): number {
  if (!speculate) return 0;
  return typeof speculate === "string" ? LOOKED_UP : (speculate.tokens ?? DRAFTED);
}
