/**
 * A small agent: a model is asked, calls tools, is told what they give, and answers. Nothing leaves the machine but what
 * the tools themselves do.
 */

/** @typedef {import("../../src/index.ts").ChatOptions} ChatOptions */
/** @typedef {import("../../src/index.ts").Generation} Generation */
/** @typedef {import("../../src/index.ts").Message} Message */
/** @typedef {import("../../src/index.ts").Tool & { run(given: any): unknown }} RunnableTool */
/**
 * What answers a conversation: a model, or what stands for one.
 * @typedef {{ chat(messages: readonly Message[], options: ChatOptions): Generation }} Chat
 */

/** Rounds of calls before the agent has to answer. */
const ROUNDS = 5;

/**
 * The answer to a question; `onCall` sees each call and what came of it. What a tool throws is told to the model.
 * @param {Chat} model
 * @param {string} question
 * @param {readonly RunnableTool[]} tools
 * @param {{ options?: ChatOptions, onCall?: (name: string, given: string, result: string) => void }} [more]
 * @returns {Promise<{ answer: string, messages: Message[] }>}
 */
export async function ask(model, question, tools, { options = {}, onCall = () => {} } = {}) {
  /** @type {Message[]} */
  const messages = [{ role: "user", content: question }];
  for (let round = 0; ; round++) {
    const told = tools.map(({ run: _, ...tool }) => tool);
    const generation = model.chat(messages, {
      ...options,
      tools: told,
      ...(round === ROUNDS && { toolChoice: /** @type {const} */ ("none") }),
    });
    await generation.text();
    const { text, toolCalls = [] } = /** @type {import("../../src/index.ts").GenerationResult} */ (generation.result);
    messages.push({ role: "assistant", content: text, ...(toolCalls.length > 0 && { toolCalls }) });
    if (toolCalls.length === 0) return { answer: text, messages };
    for (const { id, name, arguments: given } of toolCalls) {
      const content = await result(
        tools.find((tool) => tool.name === name),
        given,
      );
      onCall(name, given, content);
      messages.push({ role: "tool", toolCallId: id, content });
    }
  }
}

/**
 * @param {RunnableTool | undefined} tool
 * @param {string} given
 */
async function result(tool, given) {
  try {
    return JSON.stringify(await tool?.run(JSON.parse(given)));
  } catch (error) {
    return JSON.stringify({ error: error instanceof Error ? error.message : String(error) });
  }
}
