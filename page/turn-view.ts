/** One turn of a talk on the page: what was said, what it took, and what can be done with it. */
import { el, rateInWords, secondsInWords } from "./dom.ts";
import { icon } from "./icons.ts";
import { copyWith, MarkdownView } from "./markdown.ts";
import { helpInWords } from "./notice.ts";
import { joint, type Trouble, type Turn } from "./talk.ts";

/** What a reader can do with a turn. */
export interface TurnActions {
  edit(turn: Turn, text: string): void;
  again(turn: Turn): void;
  goOn(turn: Turn): void;
  /** Shows the turn that stands in its place, so many before or behind. */
  step(turn: Turn, by: number): void;
  result(turn: Turn, callId: string, text: string): void;
  help(turn: Turn, help: Trouble["helps"][number]): void;
}

/** What stands around a turn. */
export interface Place {
  /** Which of the turns in its place it is, from 0, and of how many. */
  readonly at: number;
  readonly of: number;
  /** Whether it is the last one. */
  readonly isLast: boolean;
  /** Of a text that goes on: the words that it begins with, and all before. */
  readonly lead: Turn | null;
  readonly before: string;
  /** Results of its calls of tools. */
  readonly results: ReadonlyMap<string, string>;
  /** Whether nothing can be asked now. */
  readonly busy: boolean;
}

const ENDS: Readonly<Record<string, string>> = {
  aborted: "stopped",
  length: "cut: it was as long as it may be",
  context: "cut: the context is full",
  closed: "cut: the page was closed",
};

/** The element of a turn, which `show` keeps as the turn is. */
export class TurnView {
  readonly element: HTMLLIElement;
  readonly #actions: TurnActions;
  readonly #body: HTMLElement = el("div", { class: "body" });
  readonly #foot: HTMLElement = el("div", { class: "foot" });
  readonly #parts: HTMLElement = el("div", { class: "parts" });
  readonly #thoughts: HTMLElement = el("div", { class: "thoughts" });
  readonly #markdown: MarkdownView = new MarkdownView(this.#body);
  #shown = "";
  #isEdited = false;

  constructor({ role, mode, model }: Turn, actions: TurnActions) {
    this.#actions = actions;
    const who = role === "user" ? "You" : role === "tool" ? "Result of a tool" : (model ?? "The model");
    const article = el("article", { "aria-label": who });
    if (role === "assistant" && mode !== "text") article.append(el("p", { class: "who", "aria-hidden": "true" }, who));
    article.append(this.#thoughts, this.#body, this.#parts, this.#foot);
    this.element = el("li", { class: `turn ${role}${mode === "text" ? " tale" : ""}` }, article);
  }

  show(turn: Turn, place: Place): void {
    if (this.#isEdited) return;
    const words = JSON.stringify([turn, { ...place, results: [...place.results] }]);
    if (words === this.#shown) return;
    this.#shown = words;
    const isRunning = turn.role === "assistant" && turn.end === undefined;
    this.element.classList.toggle("running", isRunning);
    this.element.setAttribute("aria-busy", String(isRunning));
    this.#showText(turn, place);
    this.#showThoughts(turn, isRunning);
    this.#parts.replaceChildren(...this.#calls(turn, place), ...this.#trouble(turn, place));
    this.#foot.replaceChildren(...(isRunning ? [] : this.#buttons(turn, place)), this.#figures(turn, isRunning));
  }

  #showText(turn: Turn, { lead, before }: Place): void {
    const { role, mode, text } = turn;
    if (role === "assistant" && mode !== "text") {
      this.#body.classList.add("prose");
      this.#markdown.show(text);
    } else if (role === "assistant") {
      const start = lead ? joint(before, lead.text) + lead.text : "";
      this.#body.dir = "auto";
      this.#body.replaceChildren(el("span", { class: "given" }, start.replace(/^\n/, "")), text);
    } else {
      this.#body.dir = "auto";
      this.#body.textContent = text;
    }
  }

  #showThoughts({ reasoning, text }: Turn, isRunning: boolean): void {
    if (!reasoning) {
      this.#thoughts.replaceChildren();
      return;
    }
    const isThinking = isRunning && text === "";
    let box = this.#thoughts.querySelector("details");
    if (!box) {
      box = el("details", {}, el("summary", {}), el("div", { class: "thought", dir: "auto" }));
      box.open = isThinking;
      this.#thoughts.append(box);
    } else if (!isThinking && this.#thoughts.dataset.thinks === "yes") box.open = false;
    this.#thoughts.dataset.thinks = isThinking ? "yes" : "no";
    box.querySelector("summary")?.replaceChildren(icon("think"), isThinking ? "Thinking …" : "Thoughts");
    box.querySelector("div")!.textContent = reasoning;
  }

  *#calls(turn: Turn, { results, isLast, busy }: Place): Generator<HTMLElement> {
    for (const { id, name, arguments: given } of turn.toolCalls ?? []) {
      const head = el("p", { class: "call-head" }, icon("tool"), "Calls ", el("code", {}, name));
      const card = el("div", { class: "call" }, head, el("pre", { dir: "ltr", tabindex: "0" }, pretty(given)));
      const result = results.get(id);
      if (result !== undefined) card.append(el("p", { class: "call-result", dir: "auto" }, `→ ${result}`));
      else if (isLast && turn.end !== undefined && !busy) card.append(this.#resultField(turn, id, name));
      yield card;
    }
  }

  #resultField(turn: Turn, id: string, name: string): HTMLElement {
    const field = el("textarea", {
      rows: "1",
      "aria-label": `Result of ${name}`,
      placeholder: "Its result …",
      dir: "auto",
    });
    const send = el("button", { type: "button", class: "small" }, "Give it to the model");
    send.addEventListener("click", () => this.#actions.result(turn, id, field.value));
    return el("div", { class: "call-field" }, field, send);
  }

  *#trouble(turn: Turn, { busy }: Place): Generator<HTMLElement> {
    const { trouble, left } = turn;
    if (left) {
      const many = left === 1 ? "The oldest turn" : `The oldest ${left} turns`;
      const what = turn.mode === "text" ? "The beginning of the text" : many;
      yield el("p", { class: "note" }, `Left out, since it no longer fitted into the context: ${what.toLowerCase()}.`);
    }
    if (!trouble) return;
    const box = el("div", { class: "trouble", role: "alert" });
    box.append(el("p", {}, icon("warning"), el("strong", {}, trouble.title)), el("p", {}, trouble.words));
    const buttons = trouble.helps.map((help) => {
      const button = el("button", { type: "button", class: "small", disabled: busy }, helpInWords(help));
      button.addEventListener("click", () => this.#actions.help(turn, help));
      return button;
    });
    box.append(el("p", { class: "helps" }, ...buttons));
    yield box;
  }

  #buttons(turn: Turn, place: Place): HTMLElement[] {
    const { at, of, isLast, lead, busy } = place;
    const { role, mode, text, end } = turn;
    const buttons: HTMLElement[] = [];
    const add = (
      name: Parameters<typeof icon>[0],
      label: string,
      act: (button: HTMLButtonElement) => void,
      off = false,
    ) => {
      const button = el("button", { type: "button", class: "tool", title: label, "aria-label": label, disabled: off });
      button.append(icon(name));
      button.addEventListener("click", () => act(button));
      buttons.push(button);
    };
    if (of > 1) {
      add("previous", "The one before", () => this.#actions.step(turn, -1), at === 0 || busy);
      buttons.push(el("span", { class: "versions" }, `${at + 1} of ${of}`));
      add("next", "The next one", () => this.#actions.step(turn, 1), at === of - 1 || busy);
    }
    if (text !== "") {
      const all = mode === "text" && lead ? lead.text + text : text;
      add("copy", "Copy", (button) => void copyWith(button, all));
    }
    if (role === "user") add("edit", "Edit", () => this.#edit(turn), busy);
    if (role === "assistant") {
      if (lead) add("edit", "Edit the beginning", () => this.#edit(lead), busy);
      add("retry", "Answer again", () => this.#actions.again(turn), busy);
      const isCut = end !== "stop" && end !== "tool_calls" && text !== "";
      if (isLast && (mode === "text" ? end !== "error" : isCut)) {
        add("goOn", "Go on", () => this.#actions.goOn(turn), busy);
      }
    }
    return buttons;
  }

  #figures({ role, figures, end, read }: Turn, isRunning: boolean): HTMLElement {
    const words: string[] = [];
    if (isRunning && read !== undefined && read < 1) words.push(`reading ${Math.round(100 * read)} %`);
    if (role === "assistant" && end && ENDS[end]) words.push(ENDS[end]);
    if (figures && figures.tokens > 0 && !isRunning) {
      words.push(`${figures.tokens} token${figures.tokens === 1 ? "" : "s"}`);
      if (figures.rate !== null) words.push(`${rateInWords(figures.rate)} a second`);
      if (figures.firstMs !== null) words.push(`first after ${secondsInWords(figures.firstMs / 1000)}`);
    }
    const more = figures && !isRunning ? detail(figures) : null;
    return el("span", { class: "figures", title: more }, words.join(" · "));
  }

  /** Puts a field in the place of the text. */
  #edit(turn: Turn): void {
    this.#isEdited = true;
    const field = el("textarea", { class: "edit", dir: "auto", rows: "3", "aria-label": "Edit what you said" });
    field.value = turn.text;
    const close = (text: string | null) => {
      this.#isEdited = false;
      this.#shown = "";
      box.replaceWith(this.#body);
      this.#foot.hidden = false;
      if (text !== null) this.#actions.edit(turn, text);
      else this.#actions.step(turn, 0);
    };
    const send = el("button", { type: "button", class: "primary" }, "Send");
    const leave = el("button", { type: "button", class: "plain" }, "Leave it");
    send.addEventListener("click", () => close(field.value));
    leave.addEventListener("click", () => close(null));
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        close(field.value);
      } else if (event.key === "Escape") {
        event.stopPropagation();
        close(null);
      }
    });
    const box = el("div", { class: "edit-box" }, field, el("p", { class: "helps" }, send, leave));
    this.#foot.hidden = true;
    this.#body.replaceWith(box);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}

function detail({ promptTokens, cachedTokens, context, seed }: NonNullable<Turn["figures"]>): string {
  const words = [`${promptTokens} tokens were read, ${cachedTokens} of them before`];
  if (context !== null) words.push(`the context holds ${context}`);
  if (seed !== null) words.push(`seed ${seed}`);
  return words.join("; ");
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
