/**
 * Tells an answer apart as it comes: text, thoughts, and calls of tools. What may be the beginning of a mark is held back
 * until it is sure; white space in front of a mark is of nobody.
 */
import { bareOpenings, type CallFormat, type CallPart, type ThoughtMarks } from "../grammar/call-format.ts";
import { type ArgumentReader, argumentReader } from "./call-arguments.ts";
import type { ToolCall, ToolCallDelta } from "./messages.ts";

/** What became sure of an answer. */
export interface AnswerParts {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCallDelta[];
}

/** How an answer is read. */
export interface AnswerForm {
  /** How calls are written; null: there are none. */
  readonly calls: CallFormat | null;
  /** The names of the tools. */
  readonly tools: readonly string[];
  /** What stands around thoughts; null: there are none. */
  readonly thoughts: ThoughtMarks | null;
  /** Whether the answer begins within thoughts. */
  readonly isThinking: boolean;
  /** The id of each call. */
  idOf(index: number): string;
}

type Mode = "text" | "thoughts" | "parts" | "name" | "arguments" | "behind" | "end";

export class AnswerReader {
  readonly #form: AnswerForm;
  readonly #calls: ToolCall[] = [];
  #mode: Mode;
  #held = "";
  /** White space in front of what is said next is left out. */
  #trims = false;
  /** Whether something was said: some calls stand at an answer's beginning alone. */
  #hasSaid = false;
  /** Of "parts": what is still to come, and what is behind. */
  #parts: readonly CallPart[] = [];
  /** Behind the arguments of a bare call, which is the only one. */
  #bare: readonly CallPart[] | null = null;
  #then: Mode = "name";
  #name = "";
  #json = "";
  #arguments: ArgumentReader | null = null;
  #index = -1;

  constructor(form: AnswerForm) {
    this.#form = form;
    this.#mode = form.isThinking ? "thoughts" : "text";
    this.#trims = form.isThinking;
  }

  /** The calls that are whole. */
  get calls(): readonly ToolCall[] {
    return this.#calls;
  }

  /** Takes what came next. */
  read(text: string): AnswerParts {
    return this.#read(text, false);
  }

  /** What was held back, when nothing follows. */
  end(): AnswerParts {
    return this.#read("", true);
  }

  #read(text: string, isEnd: boolean): AnswerParts {
    this.#held += text;
    const parts = { text: "", reasoning: "", toolCalls: [] as ToolCallDelta[] };
    while (this.#held !== "" && this.#step(parts, isEnd));
    return parts;
  }

  /** Reads on in the mode at hand; false: it waits for more. */
  #step(parts: { text: string; reasoning: string; toolCalls: ToolCallDelta[] }, isEnd: boolean): boolean {
    switch (this.#mode) {
      case "text":
        return this.#text(parts, isEnd);
      case "thoughts":
        return this.#thoughts(parts, isEnd);
      case "parts":
        return this.#literal();
      case "name": {
        const [name] = /^[\w.:-]*/.exec(this.#held)!;
        this.#name += name;
        this.#held = this.#held.slice(name.length);
        if (this.#held === "") return false;
        this.#call(this.#form.calls!.between);
        parts.toolCalls.push(this.#delta(""));
        return true;
      }
      case "arguments": {
        const { taken, json, isWhole } = this.#arguments!.read(this.#held);
        this.#held = this.#held.slice(taken);
        this.#json += json;
        if (json !== "") parts.toolCalls.push(this.#delta(json));
        if (isWhole) {
          this.#calls.push({ id: this.#form.idOf(this.#index), name: this.#name, arguments: this.#json });
          this.#expect(this.#bare ?? this.#form.calls!.behind, this.#bare ? "end" : "behind");
        }
        return true;
      }
      case "behind":
        return this.#behind();
      default:
        // Behind the calls nothing is said.
        this.#held = "";
        return false;
    }
  }

  /** A call of the name at hand begins. */
  #call(between: readonly CallPart[]): void {
    this.#index++;
    this.#json = "";
    this.#arguments = argumentReader(this.#form.calls!.notation);
    this.#expect(between, "arguments");
  }

  #delta(json: string): ToolCallDelta {
    return { index: this.#index, id: this.#form.idOf(this.#index), name: this.#name, arguments: json };
  }

  #expect(parts: readonly CallPart[], then: Mode): void {
    this.#parts = parts;
    this.#then = then;
    this.#mode = parts.length > 0 ? "parts" : then;
    if (then === "name") this.#name = "";
  }

  #text(parts: { text: string; toolCalls: ToolCallDelta[] }, isEnd: boolean): boolean {
    const { calls, thoughts, tools } = this.#form;
    const marks: Sought[] = (calls?.openings ?? []).map(({ mark, rest }) => {
      return { mark, go: () => this.#expect(rest, "name") };
    });
    for (const { mark, tool, rest, behind } of calls && !this.#hasSaid ? bareOpenings(calls, tools) : []) {
      const go = (): void => {
        this.#name = tool;
        this.#bare = behind;
        this.#call(rest);
        parts.toolCalls.push(this.#delta(""));
      };
      marks.push({ mark, first: true, go });
    }
    if (thoughts) {
      const go = (): void => {
        this.#mode = "thoughts";
        this.#trims = true;
      };
      marks.push({ mark: thoughts.open, go });
    }
    const { said, found } = this.#upTo(marks, isEnd);
    parts.text += said;
    if (said.trim() !== "") this.#hasSaid = true;
    found?.go();
    return found !== null;
  }

  #thoughts(parts: { reasoning: string }, isEnd: boolean): boolean {
    const go = (): void => {
      this.#mode = "text";
      this.#trims = true;
    };
    const { said, found } = this.#upTo([{ mark: this.#form.thoughts!.close, go }], isEnd);
    parts.reasoning += said;
    found?.go();
    return found !== null;
  }

  /** Takes what is sure to stand in front of any of the marks, and the first mark that is there. */
  #upTo(marks: readonly Sought[], isEnd: boolean): { said: string; found: Sought | null } {
    if (this.#trims) {
      this.#held = this.#held.trimStart();
      if (this.#held === "") return { said: "", found: null };
      this.#trims = false;
    }
    const held = this.#held;
    const begin = held.length - held.trimStart().length;
    let found: Sought | null = null;
    let at = held.length;
    let kept = 0;
    for (const sought of marks) {
      const { mark, first } = sought;
      const there = first ? (held.startsWith(mark, begin) ? begin : -1) : held.indexOf(mark);
      if (there >= 0 && there < at) {
        found = sought;
        at = there;
      }
      const most = Math.min(mark.length - 1, held.length - (first ? begin : 0));
      for (let length = most; length > kept; length--) {
        if (first && length < held.length - begin) break;
        if (held.endsWith(mark.slice(0, length))) kept = length;
      }
    }
    if (found) {
      this.#held = held.slice(at + found.mark.length);
      return { said: held.slice(0, at).trimEnd(), found };
    }
    const said = isEnd ? held : held.slice(0, held.length - kept).trimEnd();
    this.#held = held.slice(said.length);
    return { said, found: null };
  }

  /** Takes the parts that have to come; what comes otherwise ends the calls. */
  #literal(): boolean {
    const [part, ...rest] = this.#parts;
    if (part === undefined) {
      this.#mode = this.#then;
      return true;
    }
    if (part === null) {
      this.#held = this.#held.trimStart();
      if (this.#held === "") return false;
    } else if (this.#held.startsWith(part)) this.#held = this.#held.slice(part.length);
    else if (part.startsWith(this.#held)) return false;
    else {
      this.#mode = "end";
      return true;
    }
    this.#parts = rest;
    if (rest.length === 0) this.#mode = this.#then;
    return true;
  }

  /** Behind a call: another one, or the end of all. */
  #behind(): boolean {
    const { next, end } = this.#form.calls!;
    const held = this.#held.trimStart();
    if (held === "") return false;
    for (const [parts, then] of [
      [next, "name"],
      [end, "end"],
    ] as const) {
      const literal = parts?.find((part) => part !== null);
      if (literal === undefined) continue;
      if (literal.startsWith(held) && literal.length > held.length) return false;
      if (!held.startsWith(literal)) continue;
      this.#expect(parts!, then);
      return true;
    }
    this.#mode = "end";
    return true;
  }
}

interface Sought {
  readonly mark: string;
  readonly first?: boolean;
  readonly go: () => void;
}
