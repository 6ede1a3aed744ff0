/** The dialog of the models: those of the server, those of the page with their sizes, and the reader's own. */
import { byId, bytesInWords, el, secondsInWords } from "./dom.ts";
import { icon } from "./icons.ts";
import type { Progress } from "./local.ts";
import {
  CATALOGUE,
  fitOf,
  forget,
  idOf,
  isShipped,
  type KeptFile,
  keptFiles,
  type ListedModel,
  shownName,
} from "./models.ts";
import type { ServedModel } from "./served.ts";
import { closeByItself } from "./settings-dialog.ts";

/** What the dialog asks for. */
export interface ModelActions {
  use(id: string): void;
  useFiles(files: readonly File[]): void;
  /** Ends the download; what is there stays. */
  pause(): void;
}

/** What is being fetched or loaded. */
export interface Loading {
  readonly id: string;
  readonly phase: Progress["phase"];
  readonly bytes: number;
  readonly total: number;
  /** Bytes a second; null where nothing is known yet. */
  readonly rate: number | null;
}

/** How far it is, in words. */
export function loadingInWords({ phase, bytes, total, rate }: Loading): string {
  if (phase === "wasm") return "Fetching limpet …";
  if (phase === "header") return "Reading the file …";
  if (phase === "weights") return total > 0 ? `Loading ${Math.floor((100 * bytes) / total)} %` : "Loading …";
  const words = [total > 0 ? `${bytesInWords(bytes)} of ${bytesInWords(total)}` : bytesInWords(bytes)];
  if (rate) {
    words.push(`${bytesInWords(rate)}/s`);
    if (total > bytes) words.push(`${secondsInWords((total - bytes) / rate)} left`);
  }
  return words.join(" · ");
}

export class ModelsDialog {
  readonly #dialog: HTMLDialogElement = byId<HTMLDialogElement>("models");
  readonly #lists: HTMLElement = byId("model-lists");
  readonly #actions: ModelActions;
  #served: readonly ServedModel[] = [];
  #kept: readonly KeptFile[] = [];
  #current = "";
  #loading: Loading | null = null;

  constructor(actions: ModelActions) {
    this.#actions = actions;
    const field = byId<HTMLInputElement>("model-name");
    const wrong = byId("model-name-error");
    const open = () => {
      const id = idOf(field.value);
      wrong.textContent = id ? "" : "A model is named hf:owner/repository, or by the address of a GGUF file.";
      if (!id) return field.focus();
      field.value = "";
      this.#actions.use(id);
    };
    byId("model-name-open").addEventListener("click", open);
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) open();
    });
    const picker = byId<HTMLInputElement>("model-file");
    byId("model-file-open").addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      const files = [...(picker.files ?? [])];
      picker.value = "";
      if (files.length > 0) this.#actions.useFiles(files);
    });
    closeByItself(this.#dialog);
  }

  open(): void {
    this.#dialog.showModal();
    void this.refresh();
  }

  close(): void {
    this.#dialog.close();
  }

  show({
    served,
    current,
    loading,
  }: {
    served?: readonly ServedModel[];
    current?: string;
    loading?: Loading | null;
  }): void {
    if (served) this.#served = served;
    if (current !== undefined) this.#current = current;
    const wasLoading = this.#loading?.id;
    if (loading !== undefined) this.#loading = loading;
    if (!this.#dialog.open) return;
    // While bytes come, only their figures change: what is focused stays.
    const figures = this.#loading && wasLoading === this.#loading.id ? this.#lists.querySelector(".now") : null;
    if (figures && this.#loading) {
      figures.querySelector("progress")!.value =
        this.#loading.total > 0 ? this.#loading.bytes / this.#loading.total : 0;
      figures.querySelector("span")!.textContent = loadingInWords(this.#loading);
      return;
    }
    if (wasLoading !== this.#loading?.id) void this.refresh();
    else this.#draw();
  }

  /** Looks anew at what the browser keeps. */
  async refresh(): Promise<void> {
    this.#kept = await keptFiles();
    this.#draw();
  }

  #draw(): void {
    const listed = new Set(CATALOGUE.map(({ id }) => id));
    const others = this.#kept
      .filter(({ id }) => !listed.has(id))
      .map(({ id, name, size }): ListedModel => ({ id, name, words: "Kept in this browser.", bytes: size }));
    // What the reader has named, or has picked.
    for (const id of new Set([this.#loading?.id ?? "", this.#current])) {
      if (!id.startsWith("page:") || listed.has(id) || others.some((other) => other.id === id)) continue;
      others.push({ id, name: shownName(id), words: id.replace(/^page:(file:)?/, ""), bytes: 0 });
    }
    const served = this.#served.map(({ id, architecture, loaded }): ListedModel => {
      return {
        id: `server:${id}`,
        name: id,
        words: [architecture, loaded && "loaded"].filter(Boolean).join(", "),
        bytes: 0,
      };
    });
    const sections: HTMLElement[] = [];
    if (served.length > 0) sections.push(this.#section("On the server", "server", served));
    sections.push(this.#section("In this page", "page", [...CATALOGUE, ...others]));
    this.#lists.replaceChildren(...sections);
  }

  #section(title: string, name: "server" | "page", models: readonly ListedModel[]): HTMLElement {
    const items = models.map((model) => this.#item(model));
    return el("section", {}, el("h3", {}, icon(name), title), el("ul", {}, ...items));
  }

  #item({ id, name, words, bytes }: ListedModel): HTMLElement {
    const kept = this.#kept.find((file) => file.id === id);
    const isNow = this.#loading?.id === id;
    const isCurrent = this.#current === id && !isNow;
    const size = kept?.size || bytes;
    const fit = size > 0 && !id.startsWith("server:") ? fitOf(size) : "well";
    const item = el("li", { class: `${isCurrent ? "current" : ""} fit-${fit}` });
    const about = el("div", { class: "about" }, el("strong", {}, name));
    if (size > 0)
      about.append(el("span", { class: "size" }, `${kept || isShipped(id) ? "" : "about "}${bytesInWords(size)}`));
    about.append(el("p", { class: "note" }, words));
    if (fit === "tight")
      about.append(el("p", { class: "note tight" }, "Needs more than half of this machine's memory."));
    if (fit === "not") about.append(el("p", { class: "note tight" }, "Too large for this machine's memory."));
    item.append(about);
    if (isNow && this.#loading) {
      const bar = el("progress", { max: "1", "aria-label": `Loading ${name}` });
      bar.value = this.#loading.total > 0 ? this.#loading.bytes / this.#loading.total : 0;
      about.append(el("div", { class: "now" }, bar, el("span", {}, loadingInWords(this.#loading))));
      item.append(this.#button("Pause", `Pause ${name}`, () => this.#actions.pause()));
      return item;
    }
    if (isCurrent) item.append(el("span", { class: "answers" }, icon("check"), "Answers"));
    else if (fit !== "not")
      item.append(this.#button(labelOf(id, kept), `${labelOf(id, kept)}: ${name}`, () => this.#actions.use(id)));
    if (kept && !isCurrent) {
      const remove = this.#button("", `Delete ${name} from this browser`, async () => {
        await forget(id);
        await this.refresh();
      });
      remove.className = "tool";
      remove.append(icon("trash"));
      item.append(remove);
    }
    return item;
  }

  #button(text: string, label: string, act: () => unknown): HTMLButtonElement {
    const button = el("button", { type: "button", class: "small", "aria-label": label }, text);
    button.addEventListener("click", () => void act());
    return button;
  }
}

function labelOf(id: string, kept: KeptFile | undefined): string {
  if (id.startsWith("server:") || isShipped(id) || kept?.complete) return "Use";
  return kept ? `Resume at ${bytesInWords(kept.bytes)}` : "Download";
}
