/**
 * A small agent with two tools, which needs no network:  node examples/agent/main.mjs [MODEL.gguf [QUESTION]]
 *
 * A model that was taught to call tools decides what to call, such as Qwen2.5-0.5B-Instruct; its template needs
 * @huggingface/jinja. Without one the model that ships, which only tells tales, plays the part: it is made to call each tool
 * once, with arguments that obey the tool's schema and are otherwise its own invention. Needs a build (node
 * scripts/build.mjs).
 */
import { defaultModel } from "../../build/js/default-model.js";
import { Model } from "../../build/js/index.js";
import { ask } from "./agent.mjs";
import { calculate, clock } from "./tools.mjs";

const [, , file, question = "What is 17 times 24, and what time is it in Tokyo?"] = process.argv;
const tools = [calculate, clock];
const model = await Model.load(file ?? defaultModel);
const onCall = (name, given, result) => console.log(`  ${name} ${given} → ${result}`);

console.log(question);
if (file) {
  const { answer } = await ask(model, question, tools, { onCall });
  console.log(answer);
} else {
  for (const { name, parameters, run } of tools) {
    const given = await model.generate(`${question} The ${name} said: `, { schema: parameters, temperature: 1 }).text();
    let result;
    try {
      result = run(JSON.parse(given));
    } catch (error) {
      result = { error: error.message };
    }
    onCall(name, given, JSON.stringify(result));
  }
  console.log("(This model tells tales, and cannot answer: name one that chats.)");
}
model.dispose();
