/** Two tools that need no network. */

/** @typedef {import("./agent.mjs").RunnableTool} RunnableTool */

/** @type {RunnableTool} */
export const calculate = {
  name: "calculate",
  description: "The value of an arithmetic expression of numbers, + - * / and brackets.",
  parameters: {
    type: "object",
    properties: { expression: { type: "string", pattern: "^[0-9+*/(). -]{1,60}$" } },
    required: ["expression"],
    additionalProperties: false,
  },
  run: ({ expression }) => ({ value: evaluate(expression) }),
};

/** @type {RunnableTool} */
export const clock = {
  name: "clock",
  description: "The date and the time now in a time zone.",
  parameters: {
    type: "object",
    properties: { zone: { enum: ["UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo"] } },
    required: ["zone"],
    additionalProperties: false,
  },
  run: ({ zone }) => ({ time: new Date().toLocaleString("en-GB", { timeZone: zone }), zone }),
};

/**
 * The value of an expression, by its grammar: sums of products of what stands in brackets, or is a number.
 * @param {string} expression
 * @returns {number}
 */
export function evaluate(expression) {
  const parts = expression.match(/\d+(?:\.\d+)?|[-+*/()]/g) ?? [];
  let at = 0;
  /** @returns {number} */
  const factor = () => {
    const part = parts[at++];
    if (part === "-") return -factor();
    if (part !== "(") {
      if (part === undefined || !/^\d/.test(part)) throw new Error(`a number is missing in ${expression}`);
      return Number(part);
    }
    const value = sum();
    if (parts[at++] !== ")") throw new Error(`a bracket is missing in ${expression}`);
    return value;
  };
  const product = () => {
    let value = factor();
    while (parts[at] === "*" || parts[at] === "/") value = parts[at++] === "*" ? value * factor() : value / factor();
    return value;
  };
  const sum = () => {
    let value = product();
    while (parts[at] === "+" || parts[at] === "-") value += parts[at++] === "+" ? product() : -product();
    return value;
  };
  const value = sum();
  if (at < parts.length) throw new Error(`${parts[at]} is too much in ${expression}`);
  return value;
}
