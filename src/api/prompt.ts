/** A prompt and its options, as a model takes them, a batch, and those in a worker. */
import { MOST_ANSWERS } from "../generate/answers.ts";
import { CHAT_OPTIONS, type ChatOptions, type ToolOptions } from "../generate/chat-answer.ts";
import {
  type AnswerOptions,
  GENERATE_OPTIONS,
  type GenerateOptions,
  type InfillOptions,
} from "../generate/generation.ts";
import { CONTEXT_OPTIONS, type ContextOptions, type LoadedModel } from "../generate/sequence-pool.ts";
import { promptOf } from "../generate/tokenizer.ts";
import { type OptionTable, text, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Prompt } from "./session.ts";

const ONCE_OPTIONS: OptionTable<GenerateOptions & ContextOptions & AnswerOptions> = {
  ...GENERATE_OPTIONS,
  ...CONTEXT_OPTIONS,
  n: whole(1, MOST_ANSWERS),
};
/** What each option of a model's `chat` has to be. */
export const CHAT_ONCE_OPTIONS: OptionTable<ChatOptions & ContextOptions & AnswerOptions> = {
  ...ONCE_OPTIONS,
  ...CHAT_OPTIONS,
};
/** What a conversation is counted with. */
export type ChatTokensOptions = Pick<ToolOptions, "tools">;
/** What each of `ChatTokensOptions` has to be. */
export const CHAT_TOKENS_OPTIONS: OptionTable<ChatTokensOptions> = { tools: CHAT_OPTIONS.tools };
/** What each option of `generate` has to be. */
export const TEXT_OPTIONS: OptionTable<GenerateOptions & ContextOptions & InfillOptions & AnswerOptions> = {
  ...ONCE_OPTIONS,
  suffix: text,
};

/** The tokens that a generation begins with: those of a text with BOS, of a text with a gap, or the ids that were given. */
export function promptTokens(
  { tokenizer }: LoadedModel,
  prompt: Prompt,
  { special, suffix }: InfillOptions & { special?: boolean },
): ArrayLike<number> {
  const read = promptOf("prompt", prompt);
  if (typeof read !== "string") {
    if (suffix === undefined) return read;
    throw new LimpetError("BAD_ARGUMENT", "where there is a suffix, the prompt is text, not token ids");
  }
  if (suffix !== undefined) return tokenizer.tokenizeInfill(read, suffix, special);
  return tokenizer.tokenize(read, { bos: true, special });
}
