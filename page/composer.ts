/** Where the reader writes: Enter sends (not while a word is composed), Shift+Enter begins a line, Escape stops. */
import { byId } from "./dom.ts";
import { icon } from "./icons.ts";

/** What the composer asks for. */
export interface ComposerActions {
  send(text: string): void;
  stop(): void;
  /** The reader wants what was said last, to change it. */
  editLast(): void;
}

const DRAFT = "limpet draft";

export class Composer {
  readonly #field: HTMLTextAreaElement = byId<HTMLTextAreaElement>("message");
  readonly #send: HTMLButtonElement = byId<HTMLButtonElement>("send");
  readonly #note: HTMLElement = byId("note");
  readonly #actions: ComposerActions;
  #isBusy = false;

  constructor(actions: ComposerActions) {
    this.#actions = actions;
    this.#field.value ||= sessionStorage.getItem(DRAFT) ?? "";
    this.#field.addEventListener("input", () => this.#written());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#send.addEventListener("click", () => (this.#isBusy ? this.#actions.stop() : this.#submit()));
    this.#written();
    this.show({ busy: false });
  }

  /** Whether an answer is being written, and what stands below. */
  show({ busy, placeholder, note }: { busy?: boolean; placeholder?: string; note?: string }): void {
    if (busy !== undefined) {
      this.#isBusy = busy;
      this.#send.replaceChildren(icon(busy ? "stop" : "send"));
      this.#send.setAttribute("aria-label", busy ? "Stop" : "Send");
      this.#send.title = busy ? "Stop (Esc)" : "Send (Enter)";
      this.#written();
    }
    if (placeholder !== undefined) this.#field.placeholder = placeholder;
    if (note !== undefined) this.#note.textContent = note;
  }

  /** Puts a text there, to be sent or changed. */
  set(text: string): void {
    this.#field.value = text;
    this.#written();
    this.focus();
  }

  focus(): void {
    // On a phone that would open the keyboard over what is read.
    if (!isTouched()) this.#field.focus({ preventScroll: true });
  }

  #submit(): void {
    const text = this.#field.value;
    if (text.trim() === "") return;
    this.#field.value = "";
    this.#written();
    this.#actions.send(text);
  }

  #written(): void {
    this.#send.disabled = !this.#isBusy && this.#field.value.trim() === "";
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
    try {
      sessionStorage.setItem(DRAFT, this.#field.value);
    } catch {
      // It lasts as long as the page.
    }
  }

  #key(event: KeyboardEvent): void {
    // Enter that ends a composition (Japanese, Chinese, Korean) belongs to the input method; 229 is Safari's word for it.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey && (!isTouched() || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!this.#isBusy) this.#submit();
    } else if (event.key === "ArrowUp" && this.#field.value === "" && !this.#isBusy) {
      event.preventDefault();
      this.#actions.editLast();
    }
  }
}

function isTouched(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}
