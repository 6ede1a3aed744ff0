/** `compile`: a schema, an expression, a grammar or a choice of texts as a table, and what may be written by it. */
import { listOf, type OptionTable, printable, readOptions, text, unchecked, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { GrammarError } from "./errors.ts";
import { gbnfRule } from "./gbnf.ts";
import { expression, plainSchema } from "./given.ts";
import { utf8 } from "./letters.ts";
import { Matcher } from "./matcher.ts";
import { Net, type Rule, type State } from "./net.ts";
import { patternLanguage } from "./pattern.ts";
import { Languages } from "./regex.ts";
import { SchemaRules } from "./schema.ts";
import { encodeTable, verifiedTable } from "./table.ts";

/** What an answer has to be: one of these. */
export interface GrammarSource {
  /** A JSON Schema (drafts 4 to 2020-12), or an object whose `toJSONSchema` or `~standard` gives one, as zod's do. */
  readonly schema?: unknown;
  /** A regular expression that the whole text matches. */
  readonly regex?: RegExp | string;
  /** A grammar in llama.cpp's GBNF; its rule `root` is the text. */
  readonly grammar?: string;
  /** One of these texts. */
  readonly choice?: readonly string[];
  /** Most blanks behind a line's end in JSON; 0: no white space at all. Default: 20. */
  readonly whitespace?: number;
}

/** A grammar that was compiled. */
export interface Grammar {
  /** The table that the core, WASI and other hosts take. */
  readonly table: Uint8Array<ArrayBuffer>;
  /** Whether a text is one of the grammar's. */
  accepts(text: string | Uint8Array): boolean;
  /** The bytes that may follow a beginning; null where it begins no text of the grammar. */
  next(prefix: string | Uint8Array): number[] | null;
}

const KINDS = ["schema", "regex", "grammar", "choice"] as const;
/** What each field has to be. */
const SOURCE: OptionTable<GrammarSource> = {
  schema: unchecked,
  regex: expression,
  grammar: text,
  choice: listOf(text),
  whitespace: whole(0, 1000),
};
/** Most blanks behind a line's end, where nothing else is asked for. */
export const SPACES = 20;
const EXPRESSION_STATES = 20_000;

/**
 * Compiles what an answer has to be. What cannot be held is a `GrammarError` that names it; what is no grammar, a
 * `LimpetError`.
 */
export function compile(source: GrammarSource): Grammar {
  try {
    return grammarOf(encodeTable(statesOf(source)));
  } catch (error) {
    if (error instanceof RangeError) throw new GrammarError("its parts lie too deep in one another", "depth");
    throw error;
  }
}

/** A grammar of a table that `compile` made; `LimpetError` BAD_FILE when it is none. */
export function grammarOf(given: Uint8Array): Grammar {
  const table = verifiedTable(given);
  const walk = (text: string | Uint8Array): Matcher | null => {
    const matcher = new Matcher(table);
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    return bytes.every((byte) => matcher.step(byte)) ? matcher : null;
  };
  return {
    table,
    accepts: (text) => walk(text)?.ends ?? false,
    next(prefix) {
      const allowed = walk(prefix)?.allowed();
      return allowed ? Array.from(allowed.keys()).filter((byte) => allowed[byte] === 1) : null;
    },
  };
}

function statesOf(source: GrammarSource): State[] {
  const net = new Net();
  const rule = ruleOf(net, source);
  const states = net.finish(rule);
  if (states) return states;
  const [keyword] = KINDS.filter((kind) => source[kind] !== undefined);
  throw new GrammarError("no text satisfies it", keyword, "");
}

/** The rule, in a net, of what an answer has to be. */
export function ruleOf(net: Net, source: GrammarSource): Rule {
  const { schema, regex, grammar, choice, whitespace = SPACES } = readOptions(source, SOURCE, "a grammar");
  const given = [schema, regex, grammar, choice].filter((one) => one !== undefined);
  if (given.length !== 1) {
    throw new LimpetError("BAD_ARGUMENT", "a grammar is one of schema, regex, grammar and choice");
  }
  if (schema !== undefined) {
    return new SchemaRules(plainSchema(schema), whitespace, { net }).root();
  }
  const { rule, begin, end } = net.rule();
  if (regex !== undefined) {
    const { source: pattern, flags } = typeof regex === "string" ? { source: regex, flags: "u" } : regex;
    const languages = Languages.forCompilation();
    const language = patternLanguage(languages, `^(?:${pattern})$`, flags.replace(/[gy]/g, ""), "");
    const automaton = languages.automaton(language, EXPRESSION_STATES, "regex");
    if (automaton) net.automaton(begin, automaton, utf8, end);
    return rule;
  }
  if (choice !== undefined) {
    if (choice.length === 0) throw new LimpetError("BAD_ARGUMENT", "choice is a list of texts, one at least");
    const broken = choice.find((one) => /\p{Surrogate}/u.test(one));
    if (broken !== undefined) {
      throw new LimpetError("BAD_ARGUMENT", `choice has ${printable(broken)}, half of a character, which no answer is`);
    }
    for (const one of choice) net.text(begin, new TextEncoder().encode(one), end);
    return rule;
  }
  return gbnfRule(net, grammar as string);
}
