/** The agent of examples/agent: it calls what it is told to call, tells what came of it, and has an end. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ask, type Chat } from "../examples/agent/agent.mjs";
import { calculate, clock, evaluate } from "../examples/agent/tools.mjs";
import { compile } from "../src/grammar.ts";
import type { ChatOptions, GenerationResult, Message, ToolCall } from "../src/index.ts";

/** What plays a model: it answers with what a script says, and keeps what it was asked. */
function scripted(script: (round: number) => { text?: string; toolCalls?: ToolCall[] }) {
  const asked: { messages: readonly Message[]; options: ChatOptions }[] = [];
  const chat = (messages: readonly Message[], options: ChatOptions) => {
    asked.push({ messages: [...messages], options });
    const { text = "", toolCalls } = script(asked.length - 1);
    return { text: async () => text, result: { text, toolCalls } as unknown as GenerationResult };
  };
  return { model: { chat } as unknown as Chat, asked };
}

const call = (name: string, given: object, id = "call00000"): ToolCall => ({
  id,
  name,
  arguments: JSON.stringify(given),
});

test("calls are carried out, and their results are told", async () => {
  const { model, asked } = scripted((round) =>
    round === 0
      ? {
          toolCalls: [
            call("calculate", { expression: "(17 + 3) * 4" }),
            call("calculate", { expression: "1 +" }, "call00001"),
          ],
        }
      : { text: "80." },
  );
  const { answer, messages } = await ask(model, "?", [calculate, clock]);
  assert.is(answer, "80.");
  assert.equal(
    messages.map(({ role }) => role),
    ["user", "assistant", "tool", "tool", "assistant"],
  );
  assert.equal(messages[2], { role: "tool", toolCallId: "call00000", content: '{"value":80}' });
  assert.match(messages[3].content, /a number is missing/);
  assert.equal(asked[1].messages, messages.slice(0, -1));
  assert.equal(
    asked[0].options.tools!.map((tool) => Object.keys(tool).includes("run")),
    [false, false],
  );
});

test("who never answers has to", async () => {
  const { model, asked } = scripted(() => ({ toolCalls: asked.length > 5 ? [] : [call("clock", { zone: "UTC" })] }));
  await ask(model, "?", [clock]);
  assert.is(asked.length, 6);
  assert.is(asked[5].options.toolChoice, "none");
});

test("expressions have the values that they have, and what obeys the schema is one or is refused in words", () => {
  for (const [text, value] of [
    ["1 + 2 * 3", 7],
    ["-(2 - 5) / 2", 1.5],
    ["2*(3+4)*-1", -14],
  ] as const)
    assert.is(evaluate(text), value);
  for (const text of ["", "1 +", "(1", "1)", "1 2", "*"]) assert.throws(() => evaluate(text), /missing|too much/);
  assert.ok(compile({ schema: calculate.parameters }).accepts('{"expression": "2*(3+4)*-1"}'));
});

test.run();
