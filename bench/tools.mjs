/**
 * Whether a model calls the right one of three tools:  node bench/tools.mjs MODEL.gguf
 *
 * 15 plain requests, greedy. A call is right when it is the only one and names the tool; its arguments are printed. Needs a
 * build, and @huggingface/jinja for a template with tools.
 */
import { Model } from "../build/js/index.js";

const text = { type: "string" };
const TOOLS = [
  {
    name: "get_weather",
    description: "The weather of a city now.",
    parameters: {
      type: "object",
      properties: { city: text, unit: { enum: ["celsius", "fahrenheit"] } },
      required: ["city"],
    },
  },
  {
    name: "calculate",
    description: "The value of an arithmetic expression.",
    parameters: { type: "object", properties: { expression: text }, required: ["expression"] },
  },
  {
    name: "send_email",
    description: "Sends an email.",
    parameters: { type: "object", properties: { to: text, subject: text, body: text }, required: ["to", "body"] },
  },
];
const REQUESTS = [
  ["What is the weather in Paris?", "get_weather"],
  ["What is 12 times 31?", "calculate"],
  ["Send an email to bob@example.com that says the meeting is at noon.", "send_email"],
  ["Is it raining in Tokyo right now?", "get_weather"],
  ["How much is 45.5 plus 54.5?", "calculate"],
  ["Write to anna@example.org: I'll be late today.", "send_email"],
  ["Tell me the temperature in Berlin in celsius.", "get_weather"],
  ["Compute (17 + 3) * 4.", "calculate"],
  ["Email carol@example.net with the subject Lunch and ask whether she has time on Friday.", "send_email"],
  ["Do I need an umbrella in London today?", "get_weather"],
  ["What is 15 percent of 240?", "calculate"],
  ["Please mail dan@example.com and thank him for the book.", "send_email"],
  ["How warm is it in Cairo?", "get_weather"],
  ["Divide 1000 by 8.", "calculate"],
  ["Let eve@example.com know by mail that the report is done.", "send_email"],
];

const [, , file] = process.argv;
if (!file) {
  console.error("usage: node bench/tools.mjs MODEL.gguf");
  process.exit(2);
}
const model = await Model.load(file, { context: 2048 });
// A session, so that the tools are read once.
const session = model.session();
let right = 0;
for (const [request, tool] of REQUESTS) {
  session.rewind(0);
  const generation = session.chat(request, { tools: TOOLS, maxTokens: 120 });
  await generation.text();
  const { toolCalls = [], text: said } = generation.result;
  const isRight = toolCalls.length === 1 && toolCalls[0].name === tool;
  if (isRight) right++;
  const calls = toolCalls.map(({ name, arguments: given }) => `${name} ${JSON.stringify(JSON.parse(given))}`);
  console.log(`${isRight ? "+" : "-"} ${request} → ${calls.join("; ") || said}`);
}
console.log(`${right} of ${REQUESTS.length}`);
