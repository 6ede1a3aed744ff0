/** A conversation that outgrows its context: which turns are left out, and where their tokens stand. */
import { chatTokens } from "../generate/chat.ts";
import type { Message, Tool } from "../generate/messages.ts";
import type { LoadedModel } from "../generate/sequence-pool.ts";
import { LimpetError } from "../host/errors.ts";

/** What happens where a session's context is full: its end, or that the oldest tokens make room. */
export type Overflow = "stop" | "shift";

/** Tokens that a session keeps at its beginning, unless it says how many: attention rests on the first ones. */
export const KEPT = 4;

/** Where turns are left out, this share of the context stays free: the next turns need not make room again. */
const FREE_SHARE = 1 / 4;

/** A conversation without its oldest turns. */
export interface Trimmed {
  /** How many messages behind the system's are left out. */
  readonly from: number;
  readonly tokens: number[];
}

/** What a template is given: the system's message, and the others from number `from` on. */
export function told(messages: readonly Message[], from: number): Message[] {
  const lead = leading(messages);
  return [...messages.slice(0, lead), ...messages.slice(lead + from)];
}

/** The tokens of a conversation that fits the context, from message `from` on or from a later turn of the user's. */
export async function trim(
  loaded: LoadedModel,
  messages: readonly Message[],
  tools: readonly Tool[] | undefined,
  rows: number,
  from: number,
): Promise<Trimmed> {
  const lead = leading(messages);
  let tokens = await chatTokens(loaded, told(messages, from), tools);
  if (tokens.length < rows) return { from, tokens };
  const last = messages.findLastIndex(({ role }) => role === "user") - lead;
  while (from < last && tokens.length > rows * (1 - FREE_SHARE)) {
    do from++;
    while (from < last && messages[lead + from].role !== "user");
    tokens = await chatTokens(loaded, told(messages, from), tools);
  }
  if (tokens.length < rows) return { from, tokens };
  const words = `the context holds ${rows} tokens, and the system's message and the last turn have ${tokens.length}`;
  throw new LimpetError("CONTEXT_FULL", `${words}; make it longer (--ctx N, { context: N })`);
}

/** Tokens at the beginning of a conversation that no turn of it changes: those of the system's message and the tools. */
export async function leadingTokens(
  loaded: LoadedModel,
  messages: readonly Message[],
  tools: readonly Tool[] = [],
): Promise<number> {
  const lead = messages.slice(0, leading(messages));
  if (lead.length === 0 && tools.length === 0) return 0;
  const one = await chatTokens(loaded, [...lead, { role: "user", content: "a" }], tools);
  const other = await chatTokens(loaded, [...lead, { role: "user", content: "b" }], tools);
  return commonTokens(one, other);
}

function commonTokens(a: readonly number[], b: readonly number[]): number {
  let common = 0;
  while (common < a.length && a[common] === b[common]) common++;
  return common;
}

function leading(messages: readonly Message[]): number {
  return messages[0]?.role === "system" ? 1 : 0;
}
