/** What the page has to say above the composer: what went wrong and what helps, or what can be undone. */
import { byId, el } from "./dom.ts";
import { icon } from "./icons.ts";
import type { Trouble } from "./talk.ts";

const HELPS: Readonly<Record<Trouble["helps"][number], string>> = {
  again: "Try again",
  models: "Choose a model",
  settings: "Settings",
  shipped: "Use the model of this page",
  key: "Give the key",
};
const SHOWN_MS = 8000;

/** The words of what helps. */
export function helpInWords(help: Trouble["helps"][number]): string {
  return HELPS[help];
}

export class Notice {
  readonly #element: HTMLElement = byId("notice");
  readonly #help: (help: Trouble["helps"][number]) => void;
  #timer = 0;

  constructor(help: (help: Trouble["helps"][number]) => void) {
    this.#help = help;
  }

  show({ title, words, helps }: Trouble): void {
    const buttons = helps.map((help) => {
      const button = el("button", { type: "button", class: "small" }, HELPS[help]);
      button.addEventListener("click", () => this.#help(help));
      return button;
    });
    this.#put(
      "trouble",
      el("p", {}, icon("warning"), el("strong", {}, title)),
      el("p", {}, words),
      el("p", { class: "helps" }, ...buttons),
    );
  }

  say(words: string): void {
    this.#put("said", el("p", {}, words));
    this.#timer = window.setTimeout(() => this.hide(), SHOWN_MS);
  }

  undo(words: string, undo: () => void): void {
    const button = el("button", { type: "button", class: "small" }, "Undo");
    button.addEventListener("click", () => {
      this.hide();
      undo();
    });
    this.#put("said", el("p", {}, words, " ", button));
    this.#timer = window.setTimeout(() => this.hide(), SHOWN_MS);
  }

  hide(): void {
    clearTimeout(this.#timer);
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }

  #put(kind: "trouble" | "said", ...children: HTMLElement[]): void {
    clearTimeout(this.#timer);
    const close = el("button", { type: "button", class: "tool", "aria-label": "Close" }, icon("close"));
    close.addEventListener("click", () => this.hide());
    this.#element.className = kind;
    this.#element.replaceChildren(...children, close);
    this.#element.hidden = false;
  }
}
