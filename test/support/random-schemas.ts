/** JSON Schemas drawn at random. */

/** A generator of its own, so that a failure can be repeated. */
export function random(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** A schema whose values end: objects, lists, choices, texts, numbers. */
export function randomSchema(next: () => number, depth: number): object {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)];
  const number = (most: number): number => Math.floor(next() * most);
  const maybe = (part: object): object => (next() < 0.5 ? part : {});
  switch (
    pick(
      depth > 0
        ? ["object", "array", "any", "string", "integer", "enum", "number"]
        : ["string", "integer", "enum", "number"],
    )
  ) {
    case "object": {
      const names = ["a", "b", "long name", "é", "a"].slice(0, 1 + number(4));
      return {
        type: "object",
        properties: Object.fromEntries(names.map((name) => [name, randomSchema(next, depth - 1)])),
        ...maybe({ required: names.filter(() => next() < 0.6) }),
        ...(next() < 0.8 ? { additionalProperties: false } : { additionalProperties: { type: "boolean" } }),
      };
    }
    case "array":
      return {
        type: "array",
        items: randomSchema(next, depth - 1),
        maxItems: 1 + number(4),
        ...maybe({ minItems: number(2) }),
      };
    case "any":
      return { [pick(["anyOf", "oneOf"])]: [randomSchema(next, depth - 1), { type: "boolean" }, { const: null }] };
    case "string":
      return pick([
        { type: "string", maxLength: number(12) },
        { type: "string", pattern: pick(["^[a-z]{1,6}$", "^\\d{2,4}(\\.\\d)?$", "x"]), maxLength: 9 },
        { type: "string", format: pick(["date", "time", "ipv4", "uuid", "email"]), maxLength: 40 },
      ]);
    case "integer":
      return {
        type: "integer",
        minimum: -number(200),
        ...maybe({ maximum: number(5000) }),
        ...maybe({ multipleOf: 1 + number(12) }),
      };
    case "number":
      return {
        type: "number",
        ...maybe({ exclusiveMinimum: -number(50) / 4 }),
        ...maybe({ maximum: number(500) / 8 }),
      };
    default:
      return { enum: [1, "two", null, [3, { four: 5 }], true].filter(() => next() < 0.7).concat("x") };
  }
}
