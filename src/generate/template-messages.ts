/** Messages and tools as chat templates take them: the names of Hugging Face, what is said hidden from the template. */

import { encodeText } from "../../bindings/memory.ts";
import { fnv } from "../host/checksum.ts";
import type { Message, Tool, ToolCall } from "./messages.ts";

export interface TemplateMessage {
  readonly role: string;
  readonly content: string | null;
  readonly [name: string]: unknown;
}

type Hide = (text: string, isAssistant?: boolean) => string;

/** What stands for a call's arguments while it is found out how a template takes them. */
const PROBE = "limpetprobe";

/**
 * The messages for a template. Some take a call's arguments as an object, some as text; `render` tells which. Some want
 * null where a model only called tools, and some ids of nine letters.
 */
export function templateMessages(
  messages: readonly Message[],
  template: string,
  hide: Hide,
  render: (messages: readonly TemplateMessage[], tools: readonly object[]) => string,
): TemplateMessage[] {
  const hasCalls = messages.some((message) => message.role === "assistant" && message.toolCalls);
  const asText = hasCalls && !takesObjects(render);
  const knowsNull = /\bcontent(?:'\]|"\])? is (?:not )?none/.test(template);
  const shortIds = template.includes("[TOOL_CALLS]");
  const idOf = (id: string): string => (shortIds ? nineLetters(id) : hide(id));
  const open: ToolCall[] = [];
  return messages.map((message) => {
    const { role } = message;
    const content = hide(message.content, role === "assistant");
    if (message.role === "tool") {
      const at = message.toolCallId === undefined ? 0 : open.findIndex(({ id }) => id === message.toolCallId);
      const [call] = at >= 0 ? open.splice(at, 1) : [];
      const id = message.toolCallId ?? call?.id;
      const name = message.name ?? call?.name;
      return {
        role,
        content,
        ...(id !== undefined && { tool_call_id: idOf(id) }),
        ...(name !== undefined && { name: hide(name) }),
      };
    }
    if (message.role !== "assistant") return { role, content };
    const { reasoning, toolCalls = [] } = message;
    open.push(...toolCalls);
    const calls = toolCalls.map((call) => ({
      id: idOf(call.id),
      type: "function",
      function: {
        name: hide(call.name),
        arguments: asText ? hide(call.arguments) : hidden(JSON.parse(call.arguments), hide),
      },
    }));
    return {
      role,
      content: content === "" && calls.length > 0 && knowsNull ? null : content,
      ...(reasoning !== undefined && { reasoning_content: hide(reasoning) }),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
  });
}

/** The tools for a template. */
export function templateTools(tools: readonly Tool[], hide: Hide): object[] {
  return tools.map(({ name, description = "", parameters = { type: "object", properties: {} } }) => ({
    type: "function",
    function: { name: hide(name), description: hide(description), parameters: hidden(parameters, hide) },
  }));
}

/** Whether a template writes a call's arguments that are an object. */
function takesObjects(render: (messages: readonly TemplateMessage[], tools: readonly object[]) => string): boolean {
  const said = { name: PROBE, arguments: { [PROBE]: PROBE } };
  const shown = (given: unknown): boolean => {
    const call = { id: "limpet000", type: "function", function: { ...said, arguments: given } };
    const messages = [
      { role: "user", content: "x" },
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", content: "x", name: PROBE, tool_call_id: call.id },
    ];
    // Some templates cannot do without a text, some write a turn of its own for one.
    for (const content of [null, ""]) {
      try {
        const text = render(
          messages.map((message) => (message.content === null ? { ...message, content } : message)),
          [],
        );
        // Once as the name of the tool, then in its arguments; in quotes of quotes it is text that was taken for an object.
        return text.split(PROBE).length > 3 && !text.includes(`\\"${PROBE}`);
      } catch {
        // Asked with the other.
      }
    }
    return false;
  };
  return shown(said.arguments) || !shown(JSON.stringify(said.arguments));
}

/** A value with all its texts hidden, names of properties too. */
function hidden(value: unknown, hide: Hide): unknown {
  if (typeof value === "string") return hide(value);
  if (Array.isArray(value)) return value.map((part) => hidden(part, hide));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [hide(name), hidden(part, hide)]));
}

/** An id as Mistral's templates want it. */
function nineLetters(id: string): string {
  if (/^[A-Za-z0-9]{9}$/.test(id)) return id;
  return fnv(encodeText(id)).toString(36).padStart(9, "0");
}
