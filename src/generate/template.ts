/**
 * Chat templates of model files, run by `@huggingface/jinja` on a budget. A template comes from a stranger, and its
 * interpreter ends only when it does: so its steps, the time, and the size of whatever it makes are counted, and one that
 * takes more than a chat can need is refused. A call of the interpreter that nobody can stop works on what was counted.
 */
import { LimpetError, messageOf } from "../host/errors.ts";

export type Jinja = typeof import("@huggingface/jinja");
type Evaluate = InstanceType<Jinja["Interpreter"]>["evaluate"];
type Statement = NonNullable<Parameters<Evaluate>[0]> & {
  /** Of a loop: what it goes over, and of one with a condition what that is asked of. */
  readonly iterable?: object & { readonly lhs?: object };
  readonly value?: unknown;
};
type Scope = Parameters<Evaluate>[1];
/** A value of the interpreter: numbers, texts, lists and maps of such values, functions. */
type Value = ReturnType<Evaluate>;

/** The longest template [letters]: those of today's models have 20,000 at most. */
const TEMPLATE_LETTERS = 1 << 18;
/** Steps of the interpreter, and those that each message adds. */
const STEPS = 300_000;
const STEPS_A_MESSAGE = 30_000;
const MILLISECONDS = 4000;
/** Letters and elements of one value, and how many times the messages' own letters. */
const SIZE = 4 << 20;
const SIZE_A_LETTER = 16;
/** Elements of a range. */
const RANGE = 100_000;
/** Letters of what a template says when it refuses. */
const WORDS = 1000;

/** A template that is no Jinja, or too long to be run, is refused. */
export function parseTemplate(jinja: Jinja, template: string): void {
  requireShort(template);
  try {
    new jinja.Template(template);
  } catch (error) {
    const words = messageOf(error).slice(0, WORDS);
    throw new LimpetError("BAD_ARGUMENT", `template is no chat template: ${words}`, { cause: error });
  }
}

function requireShort({ length }: string): void {
  if (length > TEMPLATE_LETTERS)
    throw tooMuch(`it has ${length} letters, and ${TEMPLATE_LETTERS} are the most that are run`);
}

/** The text of a conversation by a template. What the template itself refuses is a BAD_ARGUMENT with its words. */
export function renderTemplate(
  jinja: Jinja,
  template: string,
  messages: readonly object[],
  variables: {
    readonly bos_token: string;
    readonly eos_token: string;
    readonly tools?: readonly object[];
    /** Whether it ends where the assistant speaks. Default: yes. */
    readonly add_generation_prompt?: boolean;
  },
): string {
  requireShort(template);
  const { tools = [] } = variables;
  const letters = JSON.stringify([messages, tools]).length;
  const parts = messages.length + tools.length;
  const budget = new Budget(STEPS + STEPS_A_MESSAGE * parts, SIZE + SIZE_A_LETTER * letters);
  class Interpreter extends jinja.Interpreter {
    override evaluate(statement: Statement | undefined, scope: Scope): Value {
      budget.step(statement);
      const value = super.evaluate(statement, scope);
      budget.look(statement, value);
      return value;
    }
  }
  const scope = new jinja.Environment();
  const globals = { true: true, True: true, false: false, False: false, none: null, None: null };
  for (const [name, value] of Object.entries({ ...globals, ...FUNCTIONS })) scope.set(name, value);
  scope.set("messages", messages);
  for (const [name, value] of Object.entries({ add_generation_prompt: true, ...variables })) scope.set(name, value);
  try {
    const { parsed } = new jinja.Template(template);
    return String(new Interpreter(scope).run(parsed).value);
  } catch (error) {
    if (error instanceof LimpetError) throw error;
    // A text longer than any can be, a call deeper than the host goes.
    if (error instanceof RangeError) throw tooMuch("it grows or nests without end");
    const words = messageOf(error).slice(0, WORDS);
    throw new LimpetError("BAD_ARGUMENT", `the model's chat template refuses: ${words}`, { cause: error });
  }
}

/** What is left of what a template may take. */
class Budget {
  readonly #size: number;
  readonly #end: number = performance.now() + MILLISECONDS;
  /** Lists and maps that were weighed; what a namespace holds changes. */
  readonly #weights: WeakMap<object, number> = new WeakMap();
  /** What loops go over: a turn of a loop without a body is no step of the interpreter. */
  readonly #loops: WeakSet<object> = new WeakSet();
  #steps: number;

  constructor(steps: number, size: number) {
    this.#steps = steps;
    this.#size = size;
  }

  step(statement: Statement | undefined): void {
    this.#spend(1);
    if (statement?.type === "For" && statement.iterable) this.#loops.add(statement.iterable.lhs ?? statement.iterable);
  }

  look(statement: Statement | undefined, value: Value): void {
    if (this.#weight(value) > this.#size) throw tooMuch("it makes more text than a chat can be");
    if (statement && this.#loops.has(statement)) this.#spend(countOf(value));
  }

  #spend(steps: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) throw tooMuch("it loops for longer than a chat can need");
    if (performance.now() > this.#end) throw tooMuch(`it takes more than ${MILLISECONDS / 1000} seconds`);
  }

  /** Letters and elements of a value, those within it included, as often as they are there; beyond the size any number. */
  #weight(of: Value): number {
    const value: unknown = of.value;
    if (typeof value === "string") return value.length;
    if (typeof value !== "object" || value === null) return 1;
    const known = this.#weights.get(of);
    if (known !== undefined) return known;
    const parts = (value instanceof Map ? [...value.values()] : value) as Iterable<Value>;
    let weight = 1;
    // A namespace may hold itself: while it is weighed it weighs nothing.
    this.#weights.set(of, 0);
    for (const part of parts) {
      weight += 1 + this.#weight(part);
      if (weight > this.#size) break;
    }
    if (of.type === "NamespaceValue") this.#weights.delete(of);
    else this.#weights.set(of, weight);
    return weight;
  }
}

function countOf({ value }: Value): number {
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}

/** What every template may call: as the interpreter's own, but that a range has an end. */
const FUNCTIONS = {
  raise_exception(words: unknown): never {
    throw new Error(String(words));
  },
  range(first: number, second?: number, step: number = 1): number[] {
    const [start, stop] = second === undefined ? [0, first] : [first, second];
    if (!(Math.abs(step) > 0)) throw new Error("the step of a range must not be zero");
    const count = Math.max(0, Math.ceil((stop - start) / step));
    if (count > RANGE) throw tooMuch(`it asks for a range of ${count} numbers`);
    return Array.from({ length: count }, (_, i) => start + i * step);
  },
  strftime_now(format: unknown): string {
    const now = new Date();
    const two = (number: number): string => String(number).padStart(2, "0");
    const month = (length: "long" | "short"): string => now.toLocaleString("en", { month: length });
    const parts: Record<string, () => string> = {
      "%Y": () => String(now.getFullYear()),
      "%m": () => two(now.getMonth() + 1),
      "%d": () => two(now.getDate()),
      "%b": () => month("short"),
      "%B": () => month("long"),
      "%H": () => two(now.getHours()),
      "%M": () => two(now.getMinutes()),
      "%%": () => "%",
    };
    return String(format).replace(/%[YmdbBHM%]/g, (part) => parts[part]());
  },
};

function tooMuch(words: string): LimpetError {
  return new LimpetError("BAD_FILE", `the model's chat template is not run to its end: ${words}`);
}
