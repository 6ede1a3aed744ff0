/** Tools, their calls and their results, from the words of three APIs to limpet's. */
import type { ToolOptions } from "../generate/chat-answer.ts";
import type { Tool, ToolCall, ToolChoice } from "../generate/messages.ts";
import { compile } from "../grammar/compile.ts";
import { printable } from "../host/arguments.ts";
import type { Fields } from "./fields.ts";

const MOST_TOOLS = 128;

/** Whether arguments can be held to the schemas that were seen last. */
const holdable = new Map<string, boolean>();
const KEPT = 256;
/** Milliseconds for which a request's schemas are looked at; those that are left are not held to. */
const PATIENCE_MS = 500;

/** What a tool is, wherever its parts stand. */
interface Parts {
  /** Where name, description and `strict` stand. */
  readonly of: Fields;
  /** The name of the field with the schema. */
  readonly schema: string;
}

/** The tools of OpenAI's chat: each in a `function` of its own. */
export function chatTools(fields: Fields): ToolOptions {
  return toolsOf(fields, (tool) => ({ of: functionOf(tool), schema: "parameters" }), openChoice);
}

/** Those of OpenAI's responses: name and schema stand beside the type. */
export function responseTools(fields: Fields): ToolOptions {
  const parts = (tool: Fields): Parts => {
    requireFunction(tool);
    return { of: tool, schema: "parameters" };
  };
  return toolsOf(fields, parts, openChoice);
}

/** Those of Anthropic's messages. */
export function messageTools(fields: Fields): ToolOptions {
  const parts = (tool: Fields): Parts => {
    const type = tool.text("type") ?? "custom";
    if (type !== "custom") throw tool.wrong("type", `is custom: the server has no tool ${printable(type)} of its own`);
    return { of: tool, schema: "input_schema" };
  };
  return toolsOf(fields, parts, (given) => {
    const choice = given.object("tool_choice");
    if (!choice) return {};
    const type = choice.required("type", choice.text("type"));
    const parallel = choice.flag("disable_parallel_tool_use") ? { parallel: false } : {};
    const named: Record<string, ToolChoice> = { auto: "auto", any: "required", none: "none" };
    if (Object.hasOwn(named, type)) return { toolChoice: named[type], ...parallel };
    if (type !== "tool") throw choice.wrong("type", `is auto, any, none or tool, not ${printable(type)}`);
    return { toolChoice: { name: choice.required("name", choice.text("name")) }, ...parallel };
  });
}

/** The calls of an assistant's message in OpenAI's chat. */
export function chatCalls(message: Fields): ToolCall[] {
  return (message.objects("tool_calls", MOST_TOOLS) ?? []).map((call) => {
    const of = functionOf(call);
    return {
      id: call.required("id", call.text("id")),
      name: of.required("name", of.text("name")),
      arguments: argumentsText(of),
    };
  });
}

/** The arguments of a call: JSON, of which nothing is as good as an empty object. */
export function argumentsText(of: Fields): string {
  const text = of.text("arguments");
  return text === undefined || text.trim() === "" ? "{}" : text;
}

function toolsOf(
  fields: Fields,
  parts: (tool: Fields) => Parts,
  choiceOf: (fields: Fields) => Omit<ToolOptions, "tools">,
): ToolOptions {
  const given = fields.objects("tools", MOST_TOOLS) ?? [];
  const end = performance.now() + PATIENCE_MS;
  const tools = given.map((tool): Tool => {
    const { of, schema } = parts(tool);
    const parameters = of.object(schema) && of.raw(schema);
    const description = of.text("description");
    return {
      name: of.required("name", of.text("name")),
      ...(description !== undefined && { description }),
      ...(parameters !== undefined && { parameters }),
      // Who does not say is held to as much as can be held: a tool of any origin works.
      strict: of.flag("strict") ?? (parameters === undefined || isHoldable(parameters, end)),
    };
  });
  return tools.length === 0 ? {} : { tools, ...choiceOf(fields) };
}

function openChoice(fields: Fields): Omit<ToolOptions, "tools"> {
  const parallel = fields.flag("parallel_tool_calls");
  const more = parallel === undefined ? {} : { parallel };
  const choice = fields.raw("tool_choice");
  if (choice === undefined) return more;
  if (choice === "auto" || choice === "none" || choice === "required") return { toolChoice: choice, ...more };
  if (typeof choice === "string") {
    throw fields.wrong(
      "tool_choice",
      `is auto, none, required or a tool's name in an object, not ${printable(choice)}`,
    );
  }
  const given = fields.object("tool_choice")!;
  const of = given.object("function") ?? given;
  return { toolChoice: { name: of.required("name", of.text("name")) }, ...more };
}

function functionOf(tool: Fields): Fields {
  requireFunction(tool);
  return tool.required("function", tool.object("function"));
}

function requireFunction(tool: Fields): void {
  const type = tool.text("type") ?? "function";
  if (type !== "function")
    throw tool.wrong("type", `is function: the server has no tool ${printable(type)} of its own`);
}

function isHoldable(schema: unknown, end: number): boolean {
  const key = JSON.stringify(schema);
  let known = holdable.get(key);
  if (known === undefined) {
    if (performance.now() > end) return false;
    try {
      compile({ schema });
      known = true;
    } catch {
      known = false;
    }
    if (holdable.size >= KEPT) holdable.clear();
    holdable.set(key, known);
  }
  return known;
}
