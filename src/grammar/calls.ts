/**
 * The grammar of an answer that may call tools: thoughts and text are free up to what begins a call; what follows is the
 * name of a tool and arguments of its schema, in the format of the model.
 */
import { type BareOpening, bareOpenings, type CallFormat, type CallPart, type ThoughtMarks } from "./call-format.ts";
import { type GrammarSource, ruleOf, SPACES } from "./compile.ts";
import { GrammarError } from "./errors.ts";
import { Net, type Rule } from "./net.ts";
import { SchemaRules, spaceRule } from "./schema.ts";
import { encodeTable } from "./table.ts";
import { CONTROL_MARK, type Mark, writeUntil } from "./until.ts";

export interface CallsSource {
  readonly format: CallFormat;
  /** The tools that may be called, with the schemas of their arguments. */
  readonly tools: readonly { readonly name: string; readonly schema: unknown }[];
  /** Whether tools may, must or must not be called. */
  readonly choice: "auto" | "required" | "none";
  /** Whether there may be several calls. */
  readonly parallel: boolean;
  /** What stands around the model's thoughts; null: it has none. */
  readonly thoughts: ThoughtMarks | null;
  /** Whether the answer begins within thoughts. */
  readonly isThinking: boolean;
  /** Marks that are control tokens. */
  readonly controls: readonly string[];
  /** What an answer without calls has to be; null: any text. */
  readonly answer: GrammarSource | null;
}

/** The table of the grammar of such an answer. What a tool's schema asks and cannot be held is a `GrammarError`. */
export function callsTable(source: CallsSource): Uint8Array {
  const states = new CallRules(source).finish();
  if (!states) throw new GrammarError("no text satisfies it", "tools", "");
  return encodeTable(states);
}

class CallRules {
  readonly #net = new Net();
  readonly #of: CallsSource;
  readonly #space: Rule;
  readonly #root: Rule;

  constructor(source: CallsSource) {
    this.#of = source;
    this.#space = spaceRule(this.#net, SPACES);
    const { rule, begin, end } = this.#net.rule();
    this.#root = rule;
    this.#write(begin, end);
  }

  finish(): ReturnType<Net["finish"]> {
    return this.#net.finish(this.#root);
  }

  #write(begin: number, end: number): void {
    const { format, choice, thoughts, isThinking, answer } = this.#of;
    const net = this.#net;
    const openings = format.openings.map((opening) => ({ ...opening, to: net.state() }));
    const names = this.#of.tools.map(({ name }) => name);
    // Those of one tool that go on alike share what follows.
    const bare = bareOpenings(format, names);
    const bareStates = new Map<string, number>();
    const stateOf = ({ tool, behind }: BareOpening): number => {
      const key = JSON.stringify([tool, behind]);
      const at = bareStates.get(key) ?? net.state();
      bareStates.set(key, at);
      return at;
    };
    /** Where what is no thought begins. */
    const speech = net.state();
    const thinking = thoughts ? net.state() : null;
    if (thoughts && thinking !== null) {
      writeUntil(net, thinking, this.#marks(thoughts.close, speech), choice === "required" || answer ? null : end);
    }
    net.free(begin, isThinking && thinking !== null ? thinking : speech);
    const open = thoughts && thinking !== null ? this.#marks(thoughts.open, thinking) : [];
    if (choice !== "required" && answer === null) {
      const closed = choice === "none";
      const calls = openings.flatMap(({ mark, to }) => this.#marks(mark, closed ? null : to));
      const first = bare.flatMap((each) => this.#marks(each.mark, closed ? null : stateOf(each), true));
      writeUntil(net, speech, [...calls, ...first, ...open], end);
    } else {
      // Behind thoughts there is an empty line, as a rule.
      const at = this.#parts(speech, [null, null, null]);
      for (const { mark, to } of choice === "none" ? [] : openings) net.text(at, this.#bytes(mark), to);
      for (const each of choice === "none" ? [] : bare) net.text(at, this.#bytes(each.mark), stateOf(each));
      for (const { bytes, to } of open) if (to !== null) net.text(at, bytes, to);
      if (answer && choice !== "required") net.call(at, ruleOf(net, answer), end);
    }
    if (choice === "none") return;
    const values = this.#values();
    this.#calls(openings, values, end);
    for (const each of bare) {
      const key = JSON.stringify([each.tool, each.behind]);
      const to = bareStates.get(key);
      if (to === undefined) continue;
      bareStates.delete(key);
      const said = net.state();
      net.call(this.#parts(to, each.rest), values.get(each.tool)!, said);
      net.free(this.#parts(said, each.behind), end);
    }
  }

  #calls(
    openings: readonly { rest: readonly CallPart[]; to: number }[],
    values: ReadonlyMap<string, Rule>,
    end: number,
  ): void {
    const { format, parallel } = this.#of;
    const net = this.#net;
    const call = net.rule();
    for (const [name, value] of values) {
      const named = net.state();
      net.text(call.begin, new TextEncoder().encode(name), named);
      const said = net.state();
      net.call(this.#parts(named, format.between), value, said);
      net.free(this.#parts(said, format.behind), call.end);
    }
    const behind = net.state();
    for (const { rest, to } of openings) net.call(this.#parts(to, rest), call.rule, behind);
    net.free(this.#parts(behind, format.end ?? []), end);
    if (parallel && format.next) net.call(this.#parts(behind, format.next), call.rule, behind);
  }

  /** The arguments of each tool. */
  #values(): Map<string, Rule> {
    const { format, tools } = this.#of;
    const { notation = null } = format;
    const quoteMark = notation?.quote === undefined ? undefined : this.#bytes(notation.quote);
    const place = { net: this.#net, notation, quoteMark };
    let like: SchemaRules | undefined;
    const values = new Map<string, Rule>();
    for (const { name, schema } of tools) {
      const { rule, begin, end } = this.#net.rule();
      try {
        const rules: SchemaRules = new SchemaRules(schema, SPACES, like ? { like } : place);
        like ??= rules;
        rules.callArguments(begin, end);
      } catch (error) {
        if (!(error instanceof GrammarError)) throw error;
        throw new GrammarError(`of the tool ${name}: ${error.message}`, error.keyword, error.path);
      }
      values.set(name, rule);
    }
    return values;
  }

  #parts(from: number, parts: readonly CallPart[]): number {
    let at = from;
    for (const part of parts) {
      if (part === null) at = this.#spaced(at);
      else {
        const to = this.#net.state();
        this.#net.text(at, this.#bytes(part), to);
        at = to;
      }
    }
    return at;
  }

  /** The state behind white space, or none. */
  #spaced(from: number): number {
    const to = this.#net.state();
    this.#net.call(from, this.#space, to);
    return to;
  }

  /** What a mark is where it is looked for: its text, and its token where it is a control token. */
  #marks(mark: string, to: number | null, first?: boolean): Mark[] {
    const text = new TextEncoder().encode(mark);
    const bytes = this.#bytes(mark);
    return bytes.length === text.length
      ? [{ bytes, to, first }]
      : [text, bytes].map((each) => ({ bytes: each, to, first }));
  }

  /** The bytes of a text, or of a control token. */
  #bytes(text: string): Uint8Array {
    const bytes = new TextEncoder().encode(text);
    return this.#of.controls.includes(text) ? Uint8Array.of(CONTROL_MARK, ...bytes) : bytes;
  }
}
