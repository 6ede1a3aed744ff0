/** Who answers: a model in this page (local.ts) or on the server (served.ts), by one interface. */
import type { Message, ToolCallDelta } from "../src/index.ts";
import type { Sampling } from "./settings.ts";
import type { End, Figures } from "./talk.ts";

/** What a model is asked: a conversation to answer, or a text to go on with. */
export interface Question {
  readonly messages?: readonly Message[];
  readonly text?: string;
  readonly sampling: Sampling;
  readonly signal: AbortSignal;
  /** Is told how many tokens of the question have been read, and of how many, where that can be known. */
  readonly onRead?: (read: number, all: number) => void;
}

/** What became whole of an answer. */
export interface Part {
  readonly text?: string;
  readonly reasoning?: string;
  readonly toolCalls?: readonly ToolCallDelta[];
}

/** How an answer ended. */
export interface Outcome {
  readonly end: End;
  readonly figures: Figures;
}

/** A model that answers. */
export interface Engine {
  /** As models.ts names it. */
  readonly id: string;
  /** As people do. */
  readonly name: string;
  readonly place: "page" | "server";
  /** Whether it answers conversations; one that does not goes on with texts. */
  readonly chats: boolean;
  /** Tokens that a conversation may hold; null where nobody says. */
  readonly context: number | null;
  /** Answers, part by part. What was aborted ends as such and throws nothing. */
  answer(question: Question): AsyncGenerator<Part, Outcome, undefined>;
  dispose(): void;
}

/** Milliseconds below which a rate says nothing: what is short comes at once. */
const LEAST_MS = 50;

/** A clock of one answer: when its words come. */
export class Clock {
  readonly #start: number = performance.now();
  #first: number | null = null;
  #last = 0;
  #tokens = 0;

  tick(): void {
    this.#last = performance.now();
    this.#first ??= this.#last;
    this.#tokens++;
  }

  get tokens(): number {
    return this.#tokens;
  }

  get firstMs(): number | null {
    return this.#first === null ? null : this.#first - this.#start;
  }

  /** Tokens a second behind the first. */
  get rate(): number | null {
    const passed = this.#last - (this.#first ?? 0);
    return this.#tokens > 1 && passed > LEAST_MS ? ((this.#tokens - 1) * 1000) / passed : null;
  }
}
