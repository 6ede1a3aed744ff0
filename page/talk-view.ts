/** The talk that is open: its turns one below the other, and what stands there before anything was said. */
import { byId, el } from "./dom.ts";
import type { Engine } from "./engine.ts";
import { beside, pathTo, type Talk, type Turn, type Turns, textOf } from "./talk.ts";
import { type Place, type TurnActions, TurnView } from "./turn-view.ts";

/** What the talk asks for. */
export interface TalkActions extends TurnActions {
  suggest(text: string): void;
}

const TALES = ["Once upon a time", "The king had three daughters", "In the deep sea there lived"];
const QUESTIONS = [
  "Explain what a limpet is.",
  "Write a short poem about the tide.",
  "List five ideas for a rainy day.",
];
/** How near the end counts as being there [pixels]. */
const NEAR = 80;

export class TalkView {
  readonly #scroll: HTMLElement = byId("scroll");
  readonly #list: HTMLElement = byId("turns");
  readonly #empty: HTMLElement = byId("empty");
  readonly #toEnd: HTMLButtonElement = byId<HTMLButtonElement>("to-end");
  readonly #actions: TalkActions;
  readonly #views = new Map<string, TurnView>();
  #turns: Turns = new Map();
  #engine: Engine | null = null;
  #isFollowing = true;
  #frame = 0;
  #suggested = "";

  constructor(actions: TalkActions) {
    this.#actions = actions;
    this.#scroll.addEventListener("scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
      this.#isFollowing = scrollHeight - clientHeight - scrollTop < NEAR;
      this.#toEnd.hidden = this.#isFollowing;
    });
    this.#toEnd.addEventListener("click", () => this.toEnd());
  }

  /** Who answers decides what may be begun with. */
  use(engine: Engine | null): void {
    this.#engine = engine;
    this.#suggest();
  }

  clear(): void {
    this.#views.clear();
    this.#list.replaceChildren();
  }

  /** Draws with the next frame, once. */
  draw(run: () => void): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      run();
    });
  }

  show(talk: Talk | null, turns: Turns, busy: boolean): void {
    this.#turns = turns;
    const path = talk ? pathTo(turns, talk.leaf) : [];
    const results = new Map(path.flatMap(({ toolCallId, text }) => (toolCallId ? [[toolCallId, text] as const] : [])));
    const elements: HTMLElement[] = [];
    const shown = new Set<string>();
    path.forEach((turn, at) => {
      const next = path[at + 1];
      // What a tale begins with stands in the tale, and a tool's result at its call.
      if (turn.role === "tool" || (turn.role === "user" && next?.mode === "text")) return;
      const key = `${turn.id} ${turn.mode} ${turn.model}`;
      let view = this.#views.get(key);
      if (!view) this.#views.set(key, (view = new TurnView(turn, this.#actions)));
      const previous = path[at - 1];
      const lead = turn.mode === "text" && previous?.role === "user" ? previous : null;
      const versions = lead && beside(turns, turn).length < 2 ? beside(turns, lead) : beside(turns, turn);
      const place: Place = {
        at: versions.findIndex(({ id }) => id === turn.id || id === lead?.id),
        of: versions.length,
        isLast: at === path.length - 1,
        lead,
        before: lead ? textOf(path.slice(0, at - 1)) : "",
        results,
        busy,
      };
      view.show(turn, place);
      elements.push(view.element);
      shown.add(key);
    });
    for (const key of this.#views.keys()) if (!shown.has(key)) this.#views.delete(key);
    this.#place(elements);
    this.#empty.hidden = path.length > 0;
    this.#suggest();
    if (this.#isFollowing) this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }

  /** The turns in the place of this one; of a tale with one ending, those in the place of its beginning. */
  besides(turn: Turn): Turn[] {
    const own = beside(this.#turns, turn);
    const lead = turn.parent === null ? undefined : this.#turns.get(turn.parent);
    if (turn.mode !== "text" || own.length > 1 || lead?.role !== "user") return own;
    const leads = beside(this.#turns, lead);
    // So that a step from here is one from its beginning.
    return leads.map((one) => (one.id === lead.id ? turn : one));
  }

  toEnd(): void {
    this.#isFollowing = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#toEnd.hidden = true;
  }

  /** Opens what was said last to be changed. */
  editLast(): void {
    const buttons = this.#list.querySelectorAll<HTMLButtonElement>('button[aria-label^="Edit"]');
    buttons[buttons.length - 1]?.click();
  }

  /** Elements that stand already are left where they are: what is selected or focused in them stays so. */
  #place(elements: readonly HTMLElement[]): void {
    elements.forEach((element, at) => {
      if (this.#list.children[at] !== element) this.#list.insertBefore(element, this.#list.children[at] ?? null);
    });
    while (this.#list.children.length > elements.length) this.#list.lastElementChild?.remove();
  }

  #suggest(): void {
    const isTale = this.#engine !== null && !this.#engine.chats;
    const kind = this.#engine === null ? "none" : isTale ? "tale" : "talk";
    if (this.#suggested === kind) return;
    this.#suggested = kind;
    const [title, words] = isTale
      ? ["Begin a tale", "This model knows fairy tales and nothing else. It goes on with what you write."]
      : ["What shall we talk about?", "A language model on your own machine: no account, no cloud, no trace."];
    byId("empty-title").textContent = title;
    byId("empty-words").textContent = words;
    const texts = kind === "none" ? [] : isTale ? TALES : QUESTIONS;
    const chips = texts.map((text) => {
      const chip = el("button", { type: "button", class: "chip" }, text);
      chip.addEventListener("click", () => this.#actions.suggest(text));
      return chip;
    });
    byId("suggestions").replaceChildren(...chips);
  }
}
