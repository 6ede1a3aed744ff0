/**
 * A talk: a tree of turns, since an edited question and a second answer stand beside the first one. What is read and what
 * the model gets is the path from the root to one leaf.
 */
import type { Message, ToolCall } from "../src/index.ts";

/** A talk as the list shows it. */
export interface Talk {
  readonly id: string;
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly updated: number;
  /** The last turn of the path that is read; null: nothing was said yet. */
  readonly leaf: string | null;
  /** What the model is told first. */
  readonly system: string;
}

/** Why an answer ended; `closed`: its page was closed or reloaded. */
export type End = "stop" | "length" | "context" | "tool_calls" | "aborted" | "error" | "closed";

/** What an answer took. */
export interface Figures {
  readonly tokens: number;
  /** Tokens a second behind the first one; null where none followed. */
  readonly rate: number | null;
  /** Milliseconds to the first word. */
  readonly firstMs: number | null;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Tokens that the conversation may hold; null where nobody says. */
  readonly context: number | null;
  readonly seed: number | null;
}

/** An error in words. */
export interface Trouble {
  readonly title: string;
  readonly words: string;
  /** What may be done about it. */
  readonly helps: readonly ("again" | "models" | "settings" | "shipped" | "key")[];
}

/** One turn. */
export interface Turn {
  readonly id: string;
  readonly talk: string;
  /** The turn that it follows; null: the first. */
  readonly parent: string | null;
  readonly role: "user" | "assistant" | "tool";
  readonly text: string;
  readonly created: number;
  /** Of an answer: whether the model goes on with the text (`text`) or answers it (`chat`). */
  readonly mode?: "chat" | "text";
  /** Of an answer: who gave it. */
  readonly model?: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCall[];
  /** Of a tool's result: the call that it answers. */
  readonly toolCallId?: string;
  /** Of an answer: undefined while it is being written. */
  readonly end?: End;
  readonly figures?: Figures;
  readonly trouble?: Trouble;
  /** While it is waited for: the share of what was said before that the model has read. */
  readonly read?: number;
  /** Turns that no longer fitted when this was written. */
  readonly left?: number;
}

/** Turns by their ids. */
export type Turns = ReadonlyMap<string, Turn>;

/** The turns from the first to this one. */
export function pathTo(turns: Turns, leaf: string | null): Turn[] {
  const path: Turn[] = [];
  const seen = new Set<string>();
  for (let id = leaf; id !== null && !seen.has(id); ) {
    seen.add(id);
    const turn = turns.get(id);
    if (!turn) break;
    path.unshift(turn);
    id = turn.parent;
  }
  return path;
}

/** This turn and those that stand in its place, the oldest first. */
export function beside(turns: Turns, { parent, role }: Turn): Turn[] {
  return [...turns.values()]
    .filter((turn) => turn.parent === parent && turn.role === role)
    .sort((a, b) => a.created - b.created);
}

/** The last turn of the newest path behind this one. */
export function newestLeaf(turns: Turns, id: string): string {
  let leaf = id;
  for (;;) {
    const [next] = [...turns.values()].filter(({ parent }) => parent === leaf).sort((a, b) => b.created - a.created);
    if (!next) return leaf;
    leaf = next.id;
  }
}

/**
 * What the model is told of a path: calls without a result get an empty one, answers that came to nothing are left out.
 * `begun`: what the answer begins with, which is to go on.
 */
export function messagesOf(path: readonly Turn[], system: string, begun: string): Message[] {
  const messages: Message[] = system.trim() === "" ? [] : [{ role: "system", content: system }];
  path.forEach((turn, at) => {
    const { role, text, reasoning, toolCalls, toolCallId } = turn;
    if (role === "user") messages.push({ role, content: text });
    else if (role === "tool") messages.push({ role, content: text, ...(toolCallId && { toolCallId }) });
    else {
      if (text === "" && !toolCalls?.length) return;
      const calls = toolCalls?.length ? { toolCalls } : {};
      messages.push({ role, content: text, ...(reasoning && { reasoning }), ...calls });
      const answered = new Set(path.slice(at + 1).map((later) => later.toolCallId));
      for (const { id } of toolCalls ?? []) {
        if (!answered.has(id)) messages.push({ role: "tool", content: "", toolCallId: id });
      }
    }
  });
  if (begun !== "") messages.push({ role: "assistant", content: begun, prefix: true });
  return messages;
}

/** The text of a path, for a model that goes on with texts. */
export function textOf(path: readonly Turn[]): string {
  return path.reduce((before, { text }) => before + joint(before, text) + text, "");
}

/** What stands between a text and what is said next, where neither brings it with it. */
export function joint(before: string, text: string): string {
  if (before === "" || text === "" || /\s$/.test(before) || /^[\s,.;:!?'’)\]]/.test(text)) return "";
  return /[.!?"'”’]$/.test(before) ? "\n" : "";
}

/** A talk's title: what was said first, in one line. */
export function titleOf(text: string): string {
  const line = text.trim().replace(/\s+/g, " ");
  const letters = [...line];
  return letters.length > 60 ? `${letters.slice(0, 59).join("")}…` : line || "New talk";
}
