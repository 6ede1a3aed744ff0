/** Tools for models whose chat template knows none: told in the system message, called and answered as text. */
import type { CallFormat } from "../grammar/call-format.ts";
import type { Message, Tool } from "./messages.ts";
import { exampleOf, GENERIC } from "./tool-formats.ts";

/**
 * The conversation in messages of system, user and assistant alone: tools in the system message (or the first question,
 * where the template takes no system message), calls within an answer, results as what the user says next.
 */
export function inWords(
  messages: readonly Message[],
  tools: readonly Tool[],
  takesSystem: boolean,
): readonly Message[] {
  const said: Message[] = [];
  /** The last message is of results, and others may join it: some templates want turns. */
  let answers = false;
  const say = (content: string): void => {
    const last = said.at(-1);
    if (answers && last) said[said.length - 1] = { role: "user", content: `${last.content}\n${content}` };
    else said.push({ role: "user", content });
  };
  for (const message of messages) {
    if (message.role === "tool") {
      say(`<tool_response>\n${message.content}\n</tool_response>`);
      answers = true;
      continue;
    }
    if (message.role === "user") say(message.content);
    else if (message.role === "assistant") said.push(withCalls(message));
    else said.push(message);
    answers = false;
  }
  return withTools(said, tools, GENERIC, takesSystem);
}

/** The conversation with the tools in its system message, and how to call them in a format. */
export function withTools(
  said: readonly Message[],
  tools: readonly Tool[],
  format: CallFormat,
  takesSystem: boolean,
): readonly Message[] {
  if (tools.length === 0) return said;
  const words = toolWords(tools, format);
  const [first, ...rest] = said;
  if (first?.role === "system") return [{ ...first, content: `${first.content}\n\n${words}` }, ...rest];
  if (takesSystem) return [{ role: "system", content: words }, ...said];
  return first?.role === "user" ? [{ ...first, content: `${words}\n\n${first.content}` }, ...rest] : said;
}

function withCalls(message: Extract<Message, { role: "assistant" }>): Message {
  const { toolCalls = [], ...rest } = message;
  const calls = toolCalls.map(
    (call) => `<tool_call>\n{"name": "${call.name}", "arguments": ${call.arguments}}\n</tool_call>`,
  );
  return { ...rest, content: [...(rest.content === "" ? [] : [rest.content]), ...calls].join("\n") };
}

function toolWords(tools: readonly Tool[], format: CallFormat): string {
  const lines = tools.map(({ name, description, parameters = { type: "object", properties: {} } }) =>
    JSON.stringify({ name, description, parameters }),
  );
  return [
    "You can call these tools:",
    ...lines,
    "",
    "To call one, answer with its name and its arguments, as JSON:",
    exampleOf(format),
    "What it gives follows. Where no tool helps, answer in words.",
  ].join("\n");
}
