/** The list of talks beside the one that is read: by the day of their last change, to open, rename, export and delete. */
import { byId, el } from "./dom.ts";
import { icon } from "./icons.ts";
import type { Talk } from "./talk.ts";

/** What the list asks for. */
export interface TalkListActions {
  open(id: string): void;
  begin(): void;
  rename(talk: Talk, title: string): void;
  save(talk: Talk): void;
  remove(talk: Talk): void;
}

const DAY_MS = 86_400_000;

export class TalkList {
  readonly #list: HTMLElement = byId("talks");
  readonly #side: HTMLElement = byId("side");
  readonly #main: HTMLElement = byId("main");
  readonly #menu: HTMLButtonElement = byId<HTMLButtonElement>("menu");
  readonly #actions: TalkListActions;
  #shown = "";

  constructor(actions: TalkListActions) {
    this.#actions = actions;
    byId("new-talk").addEventListener("click", () => {
      this.#over(false);
      actions.begin();
    });
    this.#menu.addEventListener("click", () => this.#toggle());
    byId("scrim").addEventListener("click", () => this.#over(false));
    this.#side.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#over(false);
    });
    matchMedia(WIDE).addEventListener("change", () => this.#over(false));
  }

  show(talks: readonly Talk[], open: string | null, running: string | null): void {
    // While an answer is written the list is asked to show itself often: what is hovered or renamed in it stays.
    const titles = talks.map(({ id, title, updated }) => [id, title, dayOf(updated)]);
    const shown = JSON.stringify([titles, open, running]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const groups = new Map<string, HTMLElement[]>();
    for (const talk of talks) {
      const day = dayOf(talk.updated);
      groups.set(day, [...(groups.get(day) ?? []), this.#item(talk, talk.id === open, talk.id === running)]);
    }
    const focus = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.talk : undefined;
    this.#list.replaceChildren(
      ...[...groups].map(([day, items]) => el("section", {}, el("h2", {}, day), el("ul", {}, ...items))),
    );
    if (talks.length === 0)
      this.#list.append(el("p", { class: "note" }, "Talks are kept in this browser, and nowhere else."));
    if (focus) this.#list.querySelector<HTMLElement>(`[data-talk="${focus}"]`)?.focus();
  }

  /** On a phone the list lies over the talk; on a wide page it is beside it, or put away. */
  #toggle(): void {
    if (matchMedia(WIDE).matches) {
      const isAway = document.body.classList.toggle("side-away");
      this.#menu.setAttribute("aria-expanded", String(!isAway));
    } else this.#over(!this.#side.classList.contains("over"));
  }

  #over(isOver: boolean): void {
    if (!isOver && !this.#side.classList.contains("over")) return;
    this.#side.classList.toggle("over", isOver);
    this.#main.inert = isOver;
    this.#menu.setAttribute("aria-expanded", String(isOver));
    if (isOver) byId("new-talk").focus();
    else this.#menu.focus();
  }

  #item(talk: Talk, isOpen: boolean, isRunning: boolean): HTMLElement {
    const open = el("button", { type: "button", class: "open", "data-talk": talk.id, dir: "auto" }, talk.title);
    if (isOpen) open.setAttribute("aria-current", "page");
    open.addEventListener("click", () => {
      this.#over(false);
      this.#actions.open(talk.id);
    });
    const item = el("li", { class: isRunning ? "running" : "" }, open);
    const tool = (name: Parameters<typeof icon>[0], label: string, act: () => void) => {
      const button = el("button", {
        type: "button",
        class: "tool",
        title: label,
        "aria-label": `${label}: ${talk.title}`,
      });
      button.append(icon(name));
      button.addEventListener("click", act);
      return button;
    };
    const tools = el("span", { class: "tools" });
    tools.append(
      tool("edit", "Rename", () => this.#rename(item, talk)),
      tool("download", "Export", () => this.#actions.save(talk)),
      tool("trash", "Delete", () => this.#actions.remove(talk)),
    );
    item.append(tools);
    return item;
  }

  #rename(item: HTMLElement, talk: Talk): void {
    const field = el("input", {
      type: "text",
      "aria-label": "Title",
      value: talk.title,
      dir: "auto",
      maxlength: "120",
    });
    let isOver = false;
    const close = (title: string) => {
      if (isOver) return;
      isOver = true;
      this.#shown = "";
      this.#actions.rename(talk, title.trim() || talk.title);
    };
    field.addEventListener("blur", () => close(field.value));
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter") close(field.value);
      if (event.key === "Escape") {
        event.stopPropagation();
        close(talk.title);
      }
    });
    item.replaceChildren(field);
    field.select();
    field.focus();
  }
}

const WIDE = "(min-width: 52rem)";

function dayOf(time: number): string {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (time >= midnight) return "Today";
  if (time >= midnight - DAY_MS) return "Yesterday";
  if (time >= midnight - 7 * DAY_MS) return "The last days";
  return new Date(time).toLocaleDateString("en", { month: "long", year: "numeric" });
}
