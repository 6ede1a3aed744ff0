/**
 * Conversations as a model's chat template writes them. The common templates live in the core, so that every host has
 * them; any other is run by `@huggingface/jinja`, which is loaded only then.
 */
import { encodeText } from "../../bindings/memory.ts";
import { ChatKind, Role } from "../../bindings/numbers.ts";
import { printable } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { LoadedModel } from "./sequence-pool.ts";
import { renderTemplate } from "./template.ts";

/** A message of a conversation. */
export interface Message {
  /** Who speaks: `system` tells the model how to behave. */
  readonly role: "system" | "user" | "assistant";
  /** What is said, as text. */
  readonly content: string;
}

const ROLES: Readonly<Record<Message["role"], number>> = {
  system: Role.SYSTEM,
  user: Role.USER,
  assistant: Role.ASSISTANT,
};

/** A copy of a conversation, each message of which is one. */
export function messagesOf(messages: unknown): Message[] {
  if (!Array.isArray(messages)) {
    throw new LimpetError("BAD_ARGUMENT", `messages is a list of messages, not ${printable(messages)}`);
  }
  return Array.from(messages, (message: unknown) => {
    const { role, content } = (message ?? {}) as Partial<Message>;
    if (typeof role === "string" && Object.hasOwn(ROLES, role) && typeof content === "string") return { role, content };
    throw new LimpetError("BAD_ARGUMENT", "a message has a role (system, user or assistant) and a content of text");
  });
}

/** The tokens of a conversation up to where the assistant speaks. */
export async function chatTokens(loaded: LoadedModel, messages: readonly Message[]): Promise<number[]> {
  const { core, pointer } = loaded;
  const { exports, memory } = core;
  const text = encodeText(await formatChat(loaded, messages));
  return core.scoped((arena) => {
    const source = arena.put(text);
    for (let capacity = text.length + 8; ; ) {
      const target = arena.allocate(capacity * 4);
      const count = core.check(exports.chat_tokenize(core.pointer, pointer, source, text.length, target, capacity));
      if (count <= capacity) return Array.from(memory.u32(target, count));
      capacity = count;
    }
  });
}

/** A conversation as text, with the words that make the assistant speak next. */
async function formatChat(loaded: LoadedModel, messages: readonly Message[]): Promise<string> {
  const { core, pointer } = loaded;
  const { exports, memory } = core;
  if (core.check(exports.chat_kind(core.pointer, pointer)) === ChatKind.NONE) return renderOwn(loaded, messages);
  return core.scoped((arena) => {
    const packed = packMessages(messages);
    const source = arena.put(packed);
    for (let capacity = packed.length * 2 + 1024; ; ) {
      const target = arena.allocate(capacity);
      const length = core.check(exports.chat_format(core.pointer, pointer, source, packed.length, target, capacity));
      if (length <= capacity) return memory.readText(target, length);
      capacity = length;
    }
  });
}

/** Each message as role u32, length u32, bytes. */
function packMessages(messages: readonly Message[]): Uint8Array {
  const contents = messages.map(({ content }) => encodeText(content));
  const packed = new Uint8Array(contents.reduce((sum, { length }) => sum + 8 + length, 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  contents.forEach((content, i) => {
    view.setUint32(at, ROLES[messages[i].role], true);
    view.setUint32(at + 4, content.length, true);
    packed.set(content, at + 8);
    at += 8 + content.length;
  });
  return packed;
}

async function renderOwn(loaded: LoadedModel, messages: readonly Message[]): Promise<string> {
  const { core, pointer, tokenizer } = loaded;
  const { exports } = core;
  const template = core.text(
    exports.chat_template(core.pointer, pointer),
    exports.chat_template_length(core.pointer, pointer),
  );
  if (template === "") {
    const words = "the model file has no chat template: it goes on with a text (generate), it does not chat";
    throw new LimpetError("UNSUPPORTED", words);
  }
  let jinja: typeof import("@huggingface/jinja");
  try {
    jinja = await import("@huggingface/jinja");
  } catch (error) {
    const words = "this model's chat template is none that limpet knows; npm install @huggingface/jinja runs any";
    throw new LimpetError("UNSUPPORTED", words, { cause: error });
  }
  const { bos, eos } = tokenizer.specials;
  return renderTemplate(jinja, template, messages, {
    bos_token: bos === undefined ? "" : tokenizer.tokenText(bos),
    eos_token: eos === undefined ? "" : tokenizer.tokenText(eos),
  });
}
