/**
 * Sessions of answers that have ended, kept for the next one that begins alike, as the next turn of a conversation does:
 * it reads only what is new.
 */
import { tokensOf } from "../generate/generation.ts";
import type { SessionState } from "../generate/session-state.ts";
import { commonTokens, type Member } from "./session.ts";

/** So many tokens that are there already are worth a kept session. */
const LEAST_COMMON = 16;

export class KeptSessions {
  /** Those used last are at the end. */
  #members: Member[] = [];

  /**
   * The session that has most of a text's beginning, which is kept no longer; undefined where none is worth going on
   * from. What many begin with (a system's message) is no reason to drop another's conversation, unless there is no room.
   */
  take(tokens: readonly number[], isFull: boolean, fits: (state: SessionState) => boolean): Member | undefined {
    const kept = this.#alive.filter(({ state }) => fits(state));
    let [best, most] = [undefined as Member | undefined, 0];
    for (const member of kept) {
      const common = commonTokens(tokensOf(member.state), tokens);
      if (common >= most && common > 0) [best, most] = [member, common];
    }
    if (!best) return undefined;
    const isMost = most >= LEAST_COMMON && 2 * most >= tokensOf(best.state).length;
    if (!isMost && !isFull) return undefined;
    this.#members = this.#alive.filter((member) => member !== best);
    best.state.isSpare = false;
    return best;
  }

  /** Keeps a session until it is taken or dropped, or others need its context. */
  put(member: Member): void {
    member.state.isSpare = true;
    this.#members.push(member);
  }

  /** Disposes of those that were kept for longest, until so many are left, and of so many bytes, but one at least. */
  limit(count: number, bytes: number): void {
    this.#members = this.#alive;
    const taken = () => this.#members.reduce((sum, { state }) => sum + state.context.bytes, 0);
    while (this.#members.length > 1 && (this.#members.length > count || taken() > bytes)) this.dropOldest();
  }

  /** Disposes of the one that was kept for longest. */
  dropOldest(): void {
    this.#members.shift()?.session.dispose();
  }

  /** How many are kept. */
  get count(): number {
    return this.#alive.length;
  }

  get #alive(): Member[] {
    return this.#members.filter(({ state }) => !state.disposed);
  }
}
