/** One answer: asked for, taken part by part, and asked for again with less where the context does not hold it all. */
import type { ToolCall, ToolCallDelta } from "../src/index.ts";
import type { Engine, Outcome } from "./engine.ts";
import type { Sampling } from "./settings.ts";
import { messagesOf, type Turn, textOf } from "./talk.ts";
import { doesNotFit, troubleOf } from "./words.ts";

/** What an answer needs. */
export interface Wanted {
  readonly engine: Engine;
  /** The turns before it. */
  readonly path: readonly Turn[];
  readonly system: string;
  readonly sampling: Sampling;
  readonly signal: AbortSignal;
  /** Is told of the turn as it grows. */
  readonly see: (turn: Turn) => void;
}

/** Writes an answer into a turn, behind what stands there already, to its end: what goes wrong stands in it. */
export async function answer(turn: Turn, { engine, path, system, sampling, signal, see }: Wanted): Promise<Turn> {
  const { end: _, trouble: __, ...begun } = turn;
  let now: Turn = { ...begun, mode: engine.chats ? "chat" : "text", model: engine.name };
  see(now);
  let shortened = path;
  let text = textOf(path);
  let left = 0;
  const onRead = (read: number, all: number): void => {
    now = { ...now, read: read / all };
    see(now);
  };
  for (;;) {
    try {
      const question = engine.chats ? { messages: messagesOf(shortened, system, turn.text) } : { text };
      const calls = new Calls();
      const parts = engine.answer({ ...question, sampling, signal, onRead });
      for (;;) {
        const { done, value } = await parts.next();
        if (done) return { ...unread(now), ...ended(value, turn) };
        const { text = "", reasoning = "", toolCalls = [] } = value;
        calls.add(toolCalls);
        now = {
          ...unread(now),
          text: now.text + text,
          ...((now.reasoning || reasoning) && { reasoning: (now.reasoning ?? "") + reasoning }),
          ...(calls.all.length > 0 && { toolCalls: calls.all }),
        };
        see(now);
      }
    } catch (error) {
      if (signal.aborted) return { ...unread(now), end: "aborted" };
      if (doesNotFit(error) && now.text === turn.text) {
        const fewer = withoutOldest(shortened);
        if (engine.chats ? fewer !== null : text.length > 1) {
          left += engine.chats ? shortened.length - fewer!.length : 1;
          shortened = fewer ?? shortened;
          text = laterHalf(text);
          now = { ...now, left };
          continue;
        }
      }
      return { ...unread(now), end: "error", trouble: troubleOf(error, engine.place) };
    }
  }
}

/** A turn that is no longer waited for. */
function unread({ read: _, ...turn }: Turn): Turn {
  return turn;
}

/** What the end of an answer says; of one that has gone on, all its tokens count. */
function ended({ end, figures }: Outcome, { text, figures: before }: Turn): Partial<Turn> {
  const tokens = figures.tokens + (text === "" ? 0 : (before?.tokens ?? 0));
  return { end, figures: { ...figures, tokens } };
}

/** A path without its first question and what answered it; null where one question is left. */
function withoutOldest(path: readonly Turn[]): readonly Turn[] | null {
  const next = path.findIndex(({ role }, at) => at > 0 && role === "user");
  return next < 0 ? null : path.slice(next);
}

function laterHalf(text: string): string {
  const half = text.slice(Math.ceil(text.length / 2));
  return half.slice(Math.max(0, half.search(/\s\S/)));
}

/** Calls of tools, as their parts come. */
class Calls {
  #all: ToolCall[] = [];

  get all(): readonly ToolCall[] {
    return this.#all;
  }

  add(deltas: readonly ToolCallDelta[]): void {
    for (const { index, id, name, arguments: given } of deltas) {
      const before = this.#all[index] ?? { id: "", name: "", arguments: "" };
      const call = { id: id || before.id, name: name || before.name, arguments: before.arguments + given };
      this.#all = Object.assign([...this.#all], { [index]: call });
    }
  }
}
