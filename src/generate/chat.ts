/**
 * Conversations as a model's chat template writes them. The common templates live in the core, so that every host has
 * them; any other is run by `@huggingface/jinja`, which is loaded only then. So is a template that knows tools, where a
 * conversation has them; one that knows none is given them in words.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { decodeText, encodeText } from "../../bindings/memory.ts";
import { ChatKind, Role } from "../../bindings/numbers.ts";
import type { CallFormat, ThoughtMarks } from "../grammar/call-format.ts";
import { LimpetError } from "../host/errors.ts";
import type { Arena, Core } from "../host/instance.ts";
import type { Told } from "./contents.ts";
import { type Message, prefixOf, type Tool } from "./messages.ts";
import type { LoadedModel } from "./sequence-pool.ts";
import { callFormatOf, GENERIC, tellsTools, thoughtMarksOf } from "./tool-formats.ts";

/** What a template says of a model's answers. */
export interface ChatForm {
  /** How it calls tools. */
  readonly calls: CallFormat;
  /** What stands around its thoughts; null where it has none. */
  readonly thoughts: ThoughtMarks | null;
}

/** What the template of a model says of its answers. */
export function chatFormOf(loaded: LoadedModel): ChatForm {
  const template = templateOf(loaded);
  return { calls: callFormatOf(template) ?? GENERIC, thoughts: thoughtMarksOf(template) };
}

/** Has a model chat by this template in place of its file's. One that cannot be run is refused. */
export async function useTemplate(core: Core, pointer: Pointer, template: string): Promise<void> {
  if (template.trim() === "") {
    throw new LimpetError("BAD_ARGUMENT", "template is empty: leave it out, and the file's own counts");
  }
  core.scoped((arena) => {
    const bytes = encodeText(template);
    core.check(core.exports.chat_use_template(core.pointer, pointer, arena.put(bytes), bytes.length));
  });
  const kind: number = core.check(core.exports.chat_kind(core.pointer, pointer));
  if (kind === ChatKind.NONE) await (await import("./rendered.ts")).requireTemplate(template);
}

/**
 * The tokens of a conversation up to where the assistant speaks, and what its answer begins with. What messages and tools
 * say is text: only what the template writes becomes control tokens.
 */
export async function chatTokens(
  loaded: LoadedModel,
  messages: readonly Message[],
  tools: readonly Tool[] = [],
): Promise<number[]> {
  const { core, pointer } = loaded;
  const { exports } = core;
  const written = await write(loaded, messages, tools);
  return core.scoped((arena) => {
    if (written instanceof Uint8Array) {
      const source = arena.put(written);
      return grown(loaded, arena, written.length + 1024, (target, capacity) =>
        exports.chat_tokens(core.pointer, pointer, source, written.length, target, capacity),
      );
    }
    const { text, contents } = written;
    const [source, spans] = [arena.put(text), arena.put(contents)];
    return grown(loaded, arena, text.length + 8, (target, capacity) =>
      exports.chat_tokenize(core.pointer, pointer, source, text.length, spans, contents.length / 2, target, capacity),
    );
  });
}

/** The text of those tokens, but for a BOS that the tokenizer puts in front. */
export async function chatText(
  loaded: LoadedModel,
  messages: readonly Message[],
  tools: readonly Tool[] = [],
): Promise<string> {
  const { core, pointer } = loaded;
  const written = await write(loaded, messages, tools);
  if (!(written instanceof Uint8Array)) return decodeText(written.text);
  return core.scoped((arena) => {
    const source = arena.put(written);
    const format = (target: Pointer, capacity: number): number =>
      core.check(core.exports.chat_format(core.pointer, pointer, source, written.length, target, capacity));
    const length = format(0, 0);
    const target = arena.allocate(length);
    format(target, length);
    return core.text(target, length);
  });
}

/** A conversation as its template writes it; or, where the core does, its packed messages. */
async function write(
  loaded: LoadedModel,
  all: readonly Message[],
  tools: readonly Tool[],
): Promise<Told | Uint8Array<ArrayBuffer>> {
  const { core, pointer } = loaded;
  const { exports } = core;
  const prefix = prefixOf(all);
  const messages = prefix === null ? all : all.slice(0, -1);
  if (prefix !== null && messages.length === 0) {
    throw new LimpetError("BAD_ARGUMENT", "a prefix stands behind messages that it begins to answer");
  }
  const kind: number = core.check(exports.chat_kind(core.pointer, pointer));
  const hasTools = tools.length > 0 || messages.some(isOfTools);
  const template = templateOf(loaded);
  const format = hasTools ? callFormatOf(template) : null;
  const isTold = format !== null && tellsTools(template);
  let said = messages;
  if (hasTools && !isTold) {
    const takesSystem = kind !== ChatKind.GEMMA2 && !/system role not supported/i.test(template);
    const { inWords, withTools } = await import("./tool-words.ts");
    said = format ? withTools(messages, tools, format, takesSystem) : inWords(messages, tools, takesSystem);
  }
  if (format || kind === ChatKind.NONE) {
    const { qwenText, qwenWords } = await import("./qwen-text.ts");
    const words = kind === ChatKind.CHATML || kind === ChatKind.QWEN3 ? qwenWords(template) : null;
    if (words) return qwenText(said, tools, words, kind === ChatKind.QWEN3, prefix);
    const known = isTold ? tools : [];
    const why = known.length > 0 || said.some(isOfTools) ? "is run for tools" : "is none that limpet knows";
    const { rendered } = await import("./rendered.ts");
    return rendered(loaded, template, { messages: said, tools: known, prefix }, why);
  }
  return packMessages(said, kind === ChatKind.QWEN3, prefix);
}

function isOfTools(message: Message): boolean {
  return message.role === "tool" || (message.role === "assistant" && message.toolCalls !== undefined);
}

/** The tokens that a call of the core writes, with as much room as it says they take. */
function grown(
  { core }: LoadedModel,
  arena: Arena,
  first: number,
  write: (target: Pointer, capacity: number) => number,
): number[] {
  for (let capacity = first; ; ) {
    const target = arena.allocate(capacity * 4);
    const count = core.check(write(target, capacity));
    if (count <= capacity) return Array.from(core.memory.u32(target, count));
    capacity = count;
  }
}

const ROLES: Readonly<Record<string, number>> = {
  system: Role.SYSTEM,
  user: Role.USER,
  assistant: Role.ASSISTANT,
};

/** Each message as role u32, length u32, bytes; an answer's thoughts in front of it where the template looks for them. */
function packMessages(messages: readonly Message[], thinks: boolean, prefix: string | null): Uint8Array<ArrayBuffer> {
  const roles = messages.map(({ role }) => ROLES[role]);
  const contents = messages.map((message) => {
    const { content } = message;
    const thought = thinks && message.role === "assistant" && message.reasoning;
    return encodeText(thought ? `<think>\n${thought}\n</think>\n\n${content}` : content);
  });
  if (prefix) {
    roles.push(Role.PREFIX);
    contents.push(encodeText(prefix));
  }
  const packed = new Uint8Array(contents.reduce((sum, { length }) => sum + 8 + length, 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  contents.forEach((content, i) => {
    view.setUint32(at, roles[i], true);
    view.setUint32(at + 4, content.length, true);
    packed.set(content, at + 8);
    at += 8 + content.length;
  });
  return packed;
}

function templateOf({ core, pointer }: LoadedModel): string {
  const { exports } = core;
  return core.text(exports.chat_template(core.pointer, pointer), exports.chat_template_length(core.pointer, pointer));
}
