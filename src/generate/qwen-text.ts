/**
 * Conversations with tools as Qwen's templates write them (2.5 and 3), which the core knows without their tools: so that
 * they need no Jinja, in a worker for instance. The words that tell the tools are the template's own.
 */
import { encodeText } from "../../bindings/memory.ts";
import type { Told } from "./contents.ts";
import type { Message, Tool } from "./messages.ts";

const LITERALS = /"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/g;

/** What stands around the tools in the system message; null: the template is none of Qwen's. */
export interface QwenWords {
  readonly head: string;
  readonly tail: string;
  /** The system's message where a conversation has none. */
  readonly system: string;
}

/** The words of a template. */
export function qwenWords(template: string): QwenWords | null {
  const literals = [...template.matchAll(LITERALS)].map(([, double, single]) =>
    (double ?? single).replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter)),
  );
  const head = literals.find((text) => text.endsWith("<tools>"));
  const tail = literals.find((text) => text.startsWith("\n</tools>"));
  if (head === undefined || tail === undefined) return null;
  const opening = literals.find((text) => /^<\|im_start\|>system\n.+<\|im_end\|>\n$/s.test(text));
  return { head, tail, system: opening?.slice("<|im_start|>system\n".length, -"<|im_end|>\n".length) ?? "" };
}

/** Text of the template and of messages, told apart. */
class Writer {
  readonly #parts: Uint8Array[] = [];
  readonly #spans: number[] = [];
  #bytes = 0;

  put(text: string): this {
    const bytes = encodeText(text);
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    return this;
  }

  say(text: string): this {
    const begin = this.#bytes;
    this.put(text);
    if (this.#bytes === begin) return this;
    if (this.#spans.at(-1) === begin) this.#spans[this.#spans.length - 1] = this.#bytes;
    else this.#spans.push(begin, this.#bytes);
    return this;
  }

  told(): Told {
    const text = new Uint8Array(this.#bytes);
    let at = 0;
    for (const part of this.#parts) {
      text.set(part, at);
      at += part.length;
    }
    return { text, contents: Uint32Array.from(this.#spans) };
  }
}

/** The text of a conversation up to where the assistant speaks, or goes on. `thinks`: as Qwen 3 writes it. */
export function qwenText(
  messages: readonly Message[],
  tools: readonly Tool[],
  { head, tail, system }: QwenWords,
  thinks: boolean,
  prefix: string | null = null,
): Told {
  const out = new Writer();
  const first = messages[0]?.role === "system" ? messages[0].content : null;
  if (tools.length > 0) {
    out.put("<|im_start|>system\n");
    if (first !== null) out.say(first);
    else out.put(thinks ? "" : system);
    if (thinks && first !== null) out.put("\n\n");
    out.put(head);
    for (const { name, description = "", parameters = { type: "object", properties: {} } } of tools) {
      out.put("\n").say(spacedJson({ type: "function", function: { name, description, parameters } }));
    }
    out.put(tail);
  } else if (first !== null) out.put("<|im_start|>system\n").say(first).put("<|im_end|>\n");
  else if (!thinks) out.put(`<|im_start|>system\n${system}<|im_end|>\n`);
  const lastQuestion = messages.findLastIndex(
    ({ role, content }) =>
      role === "user" && !(content.startsWith("<tool_response>") && content.endsWith("</tool_response>")),
  );
  const asked = lastQuestion < 0 ? messages.length - 1 : lastQuestion;
  messages.forEach((message, i) => {
    const { role, content } = message;
    if (role === "system" && i === 0) return;
    if (role === "tool") {
      if (messages[i - 1]?.role !== "tool") out.put("<|im_start|>user");
      out.put("\n<tool_response>\n").say(content).put("\n</tool_response>");
      if (messages[i + 1]?.role !== "tool") out.put("<|im_end|>\n");
      return;
    }
    out.put(`<|im_start|>${role}`);
    const calls = message.role === "assistant" ? (message.toolCalls ?? []) : [];
    if (message.role !== "assistant") out.put("\n").say(content);
    else if (thinks) {
      const [thought, said] = thoughtOf(message.reasoning, content);
      const isLast = i === messages.length - 1;
      out.put("\n");
      if (i > asked && (isLast || thought !== "")) {
        out
          .put("<think>\n")
          .say(thought.replace(/^\n+|\n+$/g, ""))
          .put("\n</think>\n\n")
          .say(said.replace(/^\n+/, ""));
      } else out.say(said);
      calls.forEach((call, k) => {
        if (k > 0 || said !== "") out.put("\n");
        putCall(out, call);
      });
    } else {
      if (content !== "" || calls.length === 0) out.put("\n").say(content);
      for (const call of calls) putCall(out.put("\n"), call);
    }
    out.put("<|im_end|>\n");
  });
  out.put("<|im_start|>assistant\n");
  // An answer that has begun thinks no more, unless it says so.
  if (prefix) out.put(thinks && !prefix.includes("<think>") ? "<think>\n\n</think>\n\n" : "").say(prefix);
  return out.told();
}

function putCall(out: Writer, call: { readonly name: string; readonly arguments: string }): void {
  out
    .put('<tool_call>\n{"name": "')
    .say(call.name)
    .put('", "arguments": ')
    .say(spacedJson(JSON.parse(call.arguments)));
  out.put("}\n</tool_call>");
}

/** Thoughts and what is said, of an answer that may still hold both. */
function thoughtOf(reasoning: string | undefined, content: string): [string, string] {
  if (reasoning !== undefined || !content.includes("</think>")) return [reasoning ?? "", content];
  const thought = content.split("</think>")[0].replace(/\n+$/, "").split("<think>").at(-1)!;
  return [thought.replace(/^\n+/, ""), content.split("</think>").at(-1)!.replace(/^\n+/, "")];
}

/** JSON as Python writes it: with a space behind each comma and colon. */
function spacedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const parts = Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${spacedJson(part)}`);
  return `{${parts.join(", ")}}`;
}
