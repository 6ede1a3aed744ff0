/**
 * Conversations as a model's chat template writes them. The common templates live in the core, so that every host has
 * them; any other is run by `@huggingface/jinja`, which is loaded only then.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { encodeText } from "../../bindings/memory.ts";
import { ChatKind, Role } from "../../bindings/numbers.ts";
import { printable } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Arena } from "../host/instance.ts";
import { Contents, type Told } from "./contents.ts";
import type { LoadedModel } from "./sequence-pool.ts";
import { renderTemplate } from "./template.ts";
import type { Tokenizer } from "./tokenizer.ts";

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

/**
 * The tokens of a conversation up to where the assistant speaks. What messages say is text: only what the template writes
 * becomes control tokens.
 */
export async function chatTokens(loaded: LoadedModel, messages: readonly Message[]): Promise<number[]> {
  const { core, pointer } = loaded;
  const { exports } = core;
  if (core.check(exports.chat_kind(core.pointer, pointer)) === ChatKind.NONE) {
    const { text, contents } = await renderOwn(loaded, messages);
    return core.scoped((arena) => {
      const [source, spans] = [arena.put(text), arena.put(contents)];
      return grown(loaded, arena, text.length + 8, (target, capacity) =>
        exports.chat_tokenize(core.pointer, pointer, source, text.length, spans, contents.length / 2, target, capacity),
      );
    });
  }
  return core.scoped((arena) => {
    const packed = packMessages(messages);
    const source = arena.put(packed);
    return grown(loaded, arena, packed.length + 1024, (target, capacity) =>
      exports.chat_tokens(core.pointer, pointer, source, packed.length, target, capacity),
    );
  });
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

async function renderOwn(loaded: LoadedModel, messages: readonly Message[]): Promise<Told> {
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
  const contents = contentsOf(tokenizer, template, messages);
  const hidden = messages.map(({ role, content }) => ({ role, content: contents.hide(content, role === "assistant") }));
  const rendered = renderTemplate(jinja, template, hidden, {
    bos_token: bos === undefined ? "" : tokenizer.tokenText(bos),
    eos_token: eos === undefined ? "" : tokenizer.tokenText(eos),
  });
  return contents.show(rendered);
}

function contentsOf(tokenizer: Tokenizer, template: string, messages: readonly Message[]): Contents {
  const cut = tokenizer.cut();
  const controls = cut.filter(({ id, control }) => control || tokenizer.endsGeneration(id));
  return new Contents(
    template,
    messages.map(({ content }) => content),
    cut.map(({ text }) => text),
    new Set(controls.map(({ text }) => text)),
  );
}
