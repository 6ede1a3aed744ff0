/** Twenty texts, and what is to be found in each: questions that a program asks of a small model. */

const text = (maxLength) => ({ type: "string", maxLength });
const object = (properties) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

const PERSON = object({ name: text(40), age: { type: "integer", minimum: 0, maximum: 130 }, city: text(40) });
const ORDER = object({
  product: text(40),
  quantity: { type: "integer", minimum: 1, maximum: 1000 },
  price: { type: "number", minimum: 0, maximum: 100000 },
  currency: { enum: ["EUR", "USD", "GBP"] },
});
const EVENT = object({ title: text(60), date: { type: "string", format: "date" }, place: text(40) });
const TICKET = object({
  product: text(40),
  problem: text(100),
  severity: { enum: ["low", "medium", "high"] },
  needs_reply: { type: "boolean" },
});
const RECIPE = object({
  dish: text(40),
  ingredients: { type: "array", items: text(30), minItems: 1, maxItems: 6 },
  minutes: { type: "integer", minimum: 1, maximum: 600 },
});

const TEXTS = [
  [PERSON, "Maria Lopez, 34, moved from Sevilla to Lisbon last spring."],
  [PERSON, "My neighbour Tom is 71 years old and has lived in Leeds all his life."],
  [PERSON, "The winner is Aiko Tanaka (22) of Osaka."],
  [PERSON, 'They call him "Red" O\'Brien; he turned 45 in Cork.'],
  [ORDER, "Please send me 12 notebooks at 3.50 euros each."],
  [ORDER, "We ordered two office chairs for 149 dollars apiece."],
  [ORDER, "40 kg of flour, 0.89 pounds sterling a kilo."],
  [ORDER, "One espresso machine, EUR 799.00, next week please."],
  [EVENT, "The spring concert takes place on 12 April 2025 in the town hall."],
  [EVENT, "Save the date: board meeting, 2024-11-03, Zurich office."],
  [EVENT, "On July 4th, 2026 we celebrate grandmother's birthday in the garden."],
  [EVENT, "The lecture on limpets was moved to 1 December 2025, room B12."],
  [TICKET, "Your app crashes whenever I open the settings. I can't work! Please call me back."],
  [TICKET, "Small thing: the logo on the invoice page is a bit blurred."],
  [TICKET, "The printer prints every page twice since the update. What can I do?"],
  [TICKET, "Router X200 loses its connection about once a day."],
  [RECIPE, "For pancakes whisk flour, eggs and milk, and fry for 15 minutes."],
  [RECIPE, "Tomato soup: tomatoes, onion, garlic, basil. It takes half an hour."],
  [RECIPE, "Mix oats, honey and nuts, bake 25 minutes: granola."],
  [RECIPE, "Lentil curry needs lentils, coconut milk, ginger and 40 minutes."],
];

/** The question about each text, with the schema of its answer. */
export const EXTRACTIONS = TEXTS.map(([schema, about]) => ({
  schema,
  prompt: `Extract the data from the text as JSON that obeys this JSON schema:\n${JSON.stringify(schema)}\n\nText: ${about}\n\nAnswer with the JSON only.`,
}));

/** A schema of 2 KB, as a program has them. */
export const SCHEMA_OF_2_KB = object({
  id: { type: "string", format: "uuid" },
  created: { type: "string", format: "date-time" },
  status: { enum: ["draft", "open", "paid", "cancelled", "refunded"] },
  customer: object({
    name: text(80),
    email: { type: "string", format: "email" },
    phone: { type: "string", pattern: "^\\+?[0-9 ]{6,20}$" },
    address: object({
      street: text(80),
      number: text(10),
      zip: { type: "string", pattern: "^[0-9]{4,5}$" },
      city: text(60),
      country: { enum: ["AT", "CH", "DE", "FR", "IT", "NL", "PT", "ES", "SE", "DK"] },
    }),
    newsletter: { type: "boolean" },
  }),
  lines: {
    type: "array",
    minItems: 1,
    maxItems: 50,
    items: object({
      sku: { type: "string", pattern: "^[A-Z]{3}-[0-9]{4,8}$" },
      title: text(120),
      quantity: { type: "integer", minimum: 1, maximum: 9999 },
      price: { type: "number", minimum: 0, maximum: 1000000 },
      tax: { enum: [0, 0.05, 0.1, 0.2] },
      tags: { type: "array", items: { enum: ["new", "sale", "fragile", "heavy", "digital"] }, maxItems: 5 },
      note: { anyOf: [text(200), { type: "null" }] },
    }),
  },
  payment: {
    anyOf: [
      object({ kind: { const: "card" }, last4: { type: "string", pattern: "^[0-9]{4}$" }, brand: text(20) }),
      object({ kind: { const: "transfer" }, iban: { type: "string", pattern: "^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$" } }),
      object({ kind: { const: "cash" }, received_by: text(60) }),
    ],
  },
  shipped: { type: "string", format: "date" },
});
