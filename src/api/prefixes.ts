/** Beginnings of texts that a model has read once: in memory, and where prefixes are kept. */
import { encodeText } from "../../bindings/memory.ts";
import { chatTokens } from "../generate/chat.ts";
import { type CacheType, plainType } from "../generate/kept-rows.ts";
import type { Message } from "../generate/messages.ts";
import type { LoadedModel } from "../generate/sequence-pool.ts";
import { restoreState, type SessionState } from "../generate/session-state.ts";
import { LimpetError } from "../host/errors.ts";
import { prefixStore } from "../store/prefixes.ts";
import type { Beginning, Chunk, ChunkOptions, Prefix, PrefixOptions } from "./prefix.ts";
import { splitMessages } from "./saved-messages.ts";
import { commonTokens, replaceTokens, Session, sessionState } from "./session.ts";

/** So many tokens that are there already are worth going on from. */
export const LEAST_COMMON = 16;
/** Bytes that a model's prefixes take at most, but one. */
const KEPT_BYTES = 256 * 2 ** 20;

/** The prefixes of a model, those used last at the end. */
export class Prefixes {
  #all: (Prefix & { readonly kv: CacheType })[] = [];

  add(prefix: Prefix, kv: CacheType): void {
    const same = ({ tokens, kv: type }: Prefix & { kv: CacheType }): boolean =>
      type === kv && tokens.length === prefix.tokens.length && commonTokens(tokens, prefix.tokens) === tokens.length;
    this.#all = [...this.#all.filter((kept) => !same(kept)), { ...prefix, kv }];
    let sum = this.#all.reduce((bytes, kept) => bytes + kept.bytes.length, 0);
    while (this.#all.length > 1 && sum > KEPT_BYTES) sum -= this.#all.shift()!.bytes.length;
  }

  /** The one that most tokens of a text begin with, and how many these are. */
  find(tokens: readonly number[], kv: CacheType): { prefix: Prefix; common: number } | null {
    let [found, most] = [null as (Prefix & { readonly kv: CacheType }) | null, LEAST_COMMON - 1];
    // The longest first: most of the others end, or differ, in front of where it does.
    for (const prefix of this.#all.toSorted((a, b) => b.tokens.length - a.tokens.length)) {
      if (prefix.kv !== kv || prefix.tokens.length <= most || prefix.tokens[most] !== tokens[most]) continue;
      const common = commonTokens(prefix.tokens, tokens);
      if (common > most) [found, most] = [prefix, common];
    }
    if (!found) return null;
    this.#all = [...this.#all.filter((prefix) => prefix !== found), found];
    return { prefix: found, common: most };
  }

  /** Has an empty session begin with what is there of a text's tokens. What fails is read anew. */
  begin(state: SessionState, tokens: readonly number[]): void {
    // Rows that a policy has not counted would be read again.
    const found = state.context.kept ? null : this.find(tokens, state.context.kv);
    if (!found || found.common > state.rows) return;
    const { core } = state.loaded;
    try {
      restoreState(state, splitMessages(found.prefix.bytes).saved);
      core.exports.session_rewind(state.pointer, found.common);
    } catch (error) {
      if (!(error instanceof LimpetError)) throw error;
      core.exports.session_rewind(state.pointer, 0);
    }
  }
}

/** Reads what texts begin with, or finds it where prefixes are kept. */
export async function readPrefix(
  loaded: LoadedModel,
  prefixes: Prefixes,
  given: Beginning,
  { store: place = false, signal, ...options }: PrefixOptions,
): Promise<Prefix & { readonly kv: CacheType }> {
  const kv = plainType(options.kv ?? loaded.defaults.kv, "a prefix keeps");
  const context = { ...options, kv };
  if (typeof given === "object" && "bytes" in given) {
    const state = sessionState(loaded, context);
    const session = new Session(loaded, { prefix: given }, state);
    const prefix = { tokens: session.tokens, bytes: given.bytes, kv };
    const isOwn = isExact(state);
    session.dispose();
    if (isOwn) return prefix;
    const words = "these rows are of a session that was composed, and no other text's: read the prefix anew";
    throw new LimpetError("BAD_ARGUMENT", words);
  }
  const messages = Array.isArray(given) && typeof given[0] === "object" ? (given as Message[]) : [];
  const tokens = await tokensOfBeginning(loaded, given, messages);
  if (tokens.length === 0) throw new LimpetError("BAD_ARGUMENT", "a prefix has one token at least");
  const state = sessionState(loaded, context, tokens.length);
  const session = new Session(loaded, { messages }, state);
  try {
    const store = place === false ? null : await prefixStore(place === true ? undefined : place);
    const name = store && (await nameOf(session, tokens));
    const saved = store && (await store.read(name!));
    if (saved && holds(session, saved, tokens) && isExact(state)) return { tokens, bytes: saved, kv };
    prefixes.begin(state, tokens);
    replaceTokens(state, tokens);
    await session.logits({ signal });
    const bytes = session.save();
    await store?.write(name!, bytes);
    return { tokens, bytes, kv };
  } finally {
    session.dispose();
  }
}

/** A piece behind a lead: the prefix that both are. */
export async function readChunk(
  loaded: LoadedModel,
  prefixes: Prefixes,
  given: string | ArrayLike<number> | Chunk,
  { lead: before, ...options }: ChunkOptions,
): Promise<Chunk & { readonly kv: CacheType }> {
  const { tokenizer } = loaded;
  if (typeof given === "object" && "bytes" in given) {
    const prefix = await readPrefix(loaded, prefixes, given, options);
    if (given.lead < prefix.tokens.length) return { ...prefix, lead: given.lead };
    throw new LimpetError("BAD_ARGUMENT", "a chunk has one token at least behind its lead");
  }
  const ids = (text: string | ArrayLike<number>, bos: boolean): number[] =>
    typeof text === "string" ? tokenizer.tokenize(text, { bos }) : Array.from(text);
  const lead = ids(before ?? "", true);
  const own = ids(given, false);
  if (own.length === 0) throw new LimpetError("BAD_ARGUMENT", "a chunk has one token at least");
  return { ...(await readPrefix(loaded, prefixes, [...lead, ...own], options)), lead: lead.length };
}

/** Whether all rows of a session are those that reading its tokens gives. */
function isExact({ loaded: { core }, pointer }: SessionState): boolean {
  return core.exports.session_exact(pointer) === core.exports.session_count(pointer);
}

/** Whether these bytes are of such a session and hold these tokens: what is none is a miss. */
function holds(session: Session, saved: Uint8Array<ArrayBuffer>, tokens: readonly number[]): boolean {
  try {
    const messages = session.messages;
    session.restore(saved);
    const same = JSON.stringify(session.messages) === JSON.stringify(messages);
    if (same && session.tokens.length === tokens.length && commonTokens(session.tokens, tokens) === tokens.length) {
      return true;
    }
    session.rewind(0);
  } catch (error) {
    if (!(error instanceof LimpetError)) throw error;
  }
  return false;
}

/** A name that says the model, the cache's type and the tokens: the SHA-256 of an empty session of it and of these. */
async function nameOf(session: Session, tokens: readonly number[]): Promise<string> {
  const empty = session.save();
  const ids = encodeText(tokens.join(","));
  const all = new Uint8Array(empty.length + ids.length);
  all.set(empty);
  all.set(ids, empty.length);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The tokens that all conversations have which begin with these messages, or those of a text. */
async function tokensOfBeginning(
  loaded: LoadedModel,
  given: Exclude<Beginning, Prefix>,
  messages: readonly Message[],
): Promise<readonly number[]> {
  if (typeof given === "string") return loaded.tokenizer.tokenize(given, { bos: true });
  if (messages.length === 0) return Array.from(given as ArrayLike<number>);
  if (messages.at(-1)!.role === "user") return chatTokens(loaded, messages);
  const one = await chatTokens(loaded, [...messages, { role: "user", content: "a" }]);
  const other = await chatTokens(loaded, [...messages, { role: "user", content: "b" }]);
  return one.slice(0, commonTokens(one, other));
}
