/**
 * Grammars: tables with wounds, of which the core and its twin in TypeScript say the same, and answers that obey what both
 * take; schemas, expressions and GBNF that nobody would write, which are compiled or refused in words.
 */
import * as assert from "uvu/assert";
import { compile, GrammarError, type GrammarSource, grammarOf } from "../../src/grammar.ts";
import { Model } from "../../src/index.ts";
import { woundJson } from "./checkpoints.ts";
import { Finding, type Fuzzer, guardModule, type Run, refusal, refused } from "./fuzzer.ts";
import { textOf } from "./mutate.ts";
import type { Random } from "./random.ts";
import { makeSeeds } from "./seeds.ts";

export const grammars: Fuzzer = {
  name: "grammars",
  about: "tables of grammars with wounds, and odd schemas, expressions and GBNF through the compiler",
  cases: 400,
  share: 1,
  prepare,
};

const SCHEMAS: readonly unknown[] = [
  { type: "array", items: { type: "string", maxLength: 9 }, minItems: 1, maxItems: 3 },
  {
    type: "object",
    properties: { a: { type: "integer", minimum: -3, maximum: 300 }, b: { enum: ["x", null, 1.5] } },
    required: ["a"],
    additionalProperties: false,
  },
  {
    $defs: { tree: { type: "object", properties: { left: { $ref: "#/$defs/tree" }, v: { type: "number" } } } },
    anyOf: [{ $ref: "#/$defs/tree" }, { type: "string", pattern: "^[a-c]{2,7}$" }],
  },
];
const GBNF = 'root ::= (word " "?){1,4} end\nword ::= [a-zA-Z]+ | "é" | [^x]\nend ::= "." | "!"{2,3}';
const SOURCES: readonly GrammarSource[] = [
  ...SCHEMAS.map((schema) => ({ schema })),
  { regex: "(a|b[^c-e]){2,20}é?(水|😊)*" },
  { grammar: GBNF },
  { choice: ["yes", "no", "not yet", "nein"] },
];
/** Letters of expressions and of GBNF. */
const PIECES = [
  "a",
  "é",
  "(",
  ")",
  "|",
  "*",
  "+",
  "?",
  "{2}",
  "{0,9}",
  "{3,}",
  "[a-z]",
  "[^b]",
  ".",
  "\\d",
  "\\",
  "(?:",
];
const RULES = ["root", "::=", "x", '"a"', "|", "(", ")", "*", "+", "{1,3}", "[a-c]", "\n", "[^", '"', "#", "."];

async function prepare(): Promise<Run> {
  const seed = makeSeeds().find(({ name }) => name === "llama F32")!;
  const model = await Model.load(seed.bytes, { wasm: guardModule() });
  const tables = SOURCES.map((source) => compile(source).table);

  const one = async (random: Random): Promise<string> => {
    if (random.oneIn(3)) return compiled(random);
    const table = woundTable(random, random.pick(tables));
    let grammar: ReturnType<typeof grammarOf> | undefined;
    const here = await refused(() => {
      grammar = grammarOf(table);
    });
    const generation = model.generate("Once", { table, maxTokens: 6, temperature: 1, seed: random.below(1000) });
    let text = "";
    const core = await refused(async () => {
      text = await generation.text();
    });
    if (here !== null) {
      assert.is(core, here, "the core refuses what its twin refuses");
      return here;
    }
    // Too many ways to go on are too many for either, each with its own room; a dead end is the table's.
    if (core !== null) return core === "BAD_FILE" ? fail("the core refuses what its twin takes") : core;
    // A table with wounds may want bytes that are no text, which nobody gets back.
    if (text.includes("\ufffd")) return "answered with bytes";
    try {
      if (grammar!.next(text) === null) fail(`${JSON.stringify(text)} is not of the grammar`);
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
    }
    return "answered";
  };
  return { one };
}

function fail(words: string): never {
  throw new Finding(words);
}

/** Words of a table that say something else. */
function woundTable(random: Random, sound: Uint8Array): Uint8Array<ArrayBuffer> {
  const table = new Uint32Array(new Uint8Array(sound).buffer);
  for (let wounds = random.below(4); wounds > 0; wounds--) {
    const at = random.below(random.oneIn(3) ? Math.min(table.length, 12) : table.length);
    table[at] = random.pick([random.edge32(), table[at] ^ (1 << random.below(32)), table[random.below(table.length)]]);
  }
  const length = random.oneIn(12) ? random.below(4 * table.length) : 4 * table.length;
  return new Uint8Array(table.buffer).slice(0, length);
}

/** A source with wounds: compiled, and then walked, or refused. */
function compiled(random: Random): string {
  try {
    const grammar = compile(sourceOf(random));
    for (const text of ["", "a", '{"a":', "\u0000"]) grammar.next(text);
    return "compiled";
  } catch (error) {
    return refusal(error, true);
  }
}

function sourceOf(random: Random): GrammarSource {
  const some = (pieces: readonly string[], space: string) =>
    Array.from({ length: random.from(1, 14) }, () => random.pick(pieces)).join(space);
  switch (random.below(5)) {
    case 0:
      return { regex: some(PIECES, "") };
    case 1:
      return { grammar: random.oneIn(2) ? textOf(random, GBNF) : `root ::= ${some(RULES, " ")}` };
    case 2:
      return { choice: [textOf(random, "choice"), some(PIECES, "")] };
    default:
      return { schema: schemaOf(random) };
  }
}

function schemaOf(random: Random): unknown {
  const wounded = woundJson(random, JSON.stringify(random.pick(SCHEMAS)));
  try {
    return JSON.parse(typeof wounded === "string" ? wounded : new TextDecoder().decode(wounded));
  } catch {
    return wounded;
  }
}
