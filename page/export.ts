/** Talks as files: Markdown to read, JSON to bring back. */
import { saveFile } from "./dom.ts";
import { newestLeaf, pathTo, type Talk, type Turn, type Turns } from "./talk.ts";

const KIND = "limpet talks";

/** Gives the reader one talk, as it is read. */
export function saveTalk(talk: Talk, turns: Turns): void {
  saveFile(`${fileName(talk.title)}.md`, "text/markdown", markdownOf(talk, turns));
}

/** A talk as Markdown. */
export function markdownOf({ title, system, leaf }: Talk, turns: Turns): string {
  const parts = [`# ${title}`];
  if (system.trim() !== "") parts.push(`> ${system.trim().replaceAll("\n", "\n> ")}`);
  for (const { role, mode, text, model, reasoning, toolCalls } of pathTo(turns, leaf)) {
    const who = role === "user" ? "You" : role === "tool" ? "Result" : (model ?? "Model");
    if (mode !== "text") parts.push(`## ${who}`);
    if (reasoning) parts.push(`<details><summary>Thoughts</summary>\n\n${reasoning}\n\n</details>`);
    for (const call of toolCalls ?? []) parts.push(`\`\`\`json\n${call.name} ${call.arguments}\n\`\`\``);
    if (text !== "") parts.push(text);
  }
  return `${parts.join("\n\n")}\n`;
}

/** Gives the reader all talks, to be brought back by `readTalks`. */
export function saveTalks(talks: readonly { readonly talk: Talk; readonly turns: readonly Turn[] }[]): void {
  const date = new Date().toISOString().slice(0, 10);
  saveFile(`limpet-talks-${date}.json`, "application/json", JSON.stringify({ kind: KIND, talks }, null, 1));
}

/** The talks of such a file; what is none of it is an error in words. */
export function readTalks(text: string): { talk: Talk; turns: Turn[] }[] {
  const wrong = new Error("this is no file of talks that limpet's page has exported");
  let file: { kind?: unknown; talks?: unknown };
  try {
    file = JSON.parse(text);
  } catch {
    throw wrong;
  }
  if (file?.kind !== KIND || !Array.isArray(file.talks)) throw wrong;
  return file.talks.map((given: { talk?: Record<string, unknown>; turns?: unknown }) => {
    const { id, title, system, leaf, created, updated } = given?.talk ?? {};
    if (typeof id !== "string" || typeof title !== "string" || !Array.isArray(given.turns)) throw wrong;
    const turns = given.turns
      .filter(isTurn)
      .map((turn) => ({ ...turn, talk: id, ...(turn.role === "assistant" && { end: turn.end ?? "closed" }) }));
    const known = new Map(turns.map((turn) => [turn.id, turn]));
    const [first] = turns;
    const last = typeof leaf === "string" && known.has(leaf) ? leaf : first ? newestLeaf(known, first.id) : null;
    const times = { created: timeOf(created), updated: timeOf(updated) };
    return { talk: { id, title, system: typeof system === "string" ? system : "", leaf: last, ...times }, turns };
  });
}

function timeOf(value: unknown): number {
  return typeof value === "number" ? value : Date.now();
}

function isTurn(value: unknown): value is Turn {
  const { id, role, text, parent, created } = (value ?? {}) as Record<string, unknown>;
  const isKnown = role === "user" || role === "assistant" || role === "tool";
  return (
    typeof id === "string" &&
    isKnown &&
    typeof text === "string" &&
    typeof created === "number" &&
    (parent === null || typeof parent === "string")
  );
}

function fileName(title: string): string {
  return (
    title
      .replace(/[^\p{L}\p{N}]+/gu, "-")
      .replace(/^-|-$/g, "")
      .slice(0, 60) || "talk"
  );
}
