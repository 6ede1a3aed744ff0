/** The model that answers: chosen, fetched, loaded, and put away when another one comes. */
import { byId, el } from "./dom.ts";
import type { Engine } from "./engine.ts";
import { icon } from "./icons.ts";
import { LocalEngine, type Progress } from "./local.ts";
import { isFile, isServed, SHIPPED, shownName } from "./models.ts";
import { type Loading, loadingInWords } from "./models-dialog.ts";
import { ServedEngine, type ServedModel, ServerError, servedModels } from "./served.ts";
import type { Settings } from "./settings.ts";
import type { Trouble } from "./talk.ts";
import { troubleOf } from "./words.ts";

/** Milliseconds that a rate of bytes is taken over. */
const RATE_MS = 3000;

/** Whom the loader tells. */
export interface LoaderEvents {
  settings(): Settings;
  /** Something has changed. */
  show(): void;
  /** The model that answers goes, since another one comes. */
  leave(): void;
  /** A model is there. */
  use(engine: Engine): void;
  fail(trouble: Trouble): void;
}

export class Loader {
  readonly #events: LoaderEvents;
  readonly #button: HTMLElement = byId("model");
  #engine: Engine | null = null;
  #loading: Loading | null = null;
  #served: readonly ServedModel[] = [];
  #controller: AbortController | null = null;
  #work: Promise<void> = Promise.resolve();
  #waiting: ((failed: Trouble | null) => void)[] = [];
  #trouble: Trouble | null = null;
  /** What was asked for last. */
  #asked: { id: string; files: readonly File[] | null } = { id: "", files: null };
  #marks: { at: number; bytes: number }[] = [];

  constructor(events: LoaderEvents) {
    this.#events = events;
    this.#draw();
  }

  get engine(): Engine | null {
    return this.#engine;
  }

  get loading(): Loading | null {
    return this.#loading;
  }

  /** The models of the server. */
  get served(): readonly ServedModel[] {
    return this.#served;
  }

  /** Why there is no model. */
  get trouble(): Trouble | null {
    return this.#trouble;
  }

  /** At the page's beginning: the model that was used last, or the server's first, or the one that comes with the page. */
  begin(wanted: string): void {
    const looked = this.#lookAtServer();
    if (wanted !== "" && !isServed(wanted) && !isFile(wanted)) this.load(wanted);
    else {
      this.#mark(wanted || "server:");
      void looked.then(() => {
        const isThere = this.#served.some(({ id }) => `server:${id}` === wanted);
        const [first] = this.#served;
        if (this.#asked.id === (wanted || "server:"))
          this.load(isThere ? wanted : first ? `server:${first.id}` : SHIPPED);
      });
    }
  }

  /** Loads what was asked for last once more: with other settings, or behind an error. */
  again(): void {
    void this.#lookAtServer();
    this.load(this.#asked.id || SHIPPED, this.#asked.files);
  }

  load(id: string, files: readonly File[] | null = null): void {
    this.#controller?.abort();
    const controller = new AbortController();
    this.#controller = controller;
    this.#mark(id, files);
    this.#work = this.#load(id, files, controller.signal);
  }

  /** Ends a download; what is there stays, and the model before goes on. */
  async pause(): Promise<void> {
    const work = this.#work;
    this.#controller?.abort();
    // What has come by now is put away first.
    await work;
    if (work !== this.#work) return;
    this.#loading = null;
    if (this.#engine) this.#asked = { id: this.#engine.id, files: null };
    else
      this.#settle({
        title: "No model is loaded",
        words: "The download waits. Resume it, or choose another model.",
        helps: ["models"],
      });
    this.#show();
  }

  /** The model, as soon as it is there. */
  async ready(signal: AbortSignal): Promise<Engine> {
    for (;;) {
      if (this.#engine && (!this.#loading || this.#loading.phase === "download")) return this.#engine;
      if (!this.#loading) throw new Error(this.#trouble?.words ?? "no model is loaded: choose one");
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => reject(signal.reason);
        signal.addEventListener("abort", abort, { once: true });
        this.#waiting.push(() => {
          signal.removeEventListener("abort", abort);
          resolve();
        });
      });
    }
  }

  async #lookAtServer(): Promise<void> {
    try {
      this.#served = await servedModels(this.#events.settings().key);
    } catch (error) {
      // No server is no fault: the page has a model of its own. One that wants a key is told of.
      this.#served = [];
      if (error instanceof ServerError) this.#events.fail(troubleOf(error, "server"));
    }
    this.#show();
  }

  async #load(id: string, files: readonly File[] | null, signal: AbortSignal): Promise<void> {
    try {
      const engine = isServed(id) ? await this.#openServed(id) : await this.#openLocal(id, files, signal);
      if (signal.aborted) return engine.dispose();
      this.#putAway();
      this.#engine = engine;
      this.#loading = null;
      this.#trouble = null;
      this.#settle(null);
      this.#show();
      this.#events.use(engine);
      // Whether the server has loaded it shows in the list.
      if (isServed(id)) await this.#lookAtServer();
    } catch (error) {
      if (signal.aborted) return;
      this.#loading = null;
      this.#settle(troubleOf(error, isServed(id) ? "server" : "page"));
      this.#show();
    }
  }

  async #openServed(id: string): Promise<Engine> {
    const name = id.slice("server:".length);
    const model = this.#served.find((one) => one.id === name) ?? { id: name, loaded: false };
    return ServedEngine.open(model, this.#events.settings().key);
  }

  #openLocal(id: string, files: readonly File[] | null, signal: AbortSignal): Promise<Engine> {
    return LocalEngine.load(id, files, this.#events.settings(), {
      signal,
      onProgress: (progress) => {
        if (!signal.aborted) this.#progress(id, progress);
      },
    });
  }

  #progress(id: string, { phase, bytes, total }: Progress): void {
    // Two models at once may be too much for the memory: the one before goes when the next one's weights come.
    if (phase !== "download") this.#putAway();
    const now = performance.now();
    if (this.#loading?.phase !== phase) this.#marks = [];
    this.#marks.push({ at: now, bytes });
    while (this.#marks.length > 2 && now - this.#marks[0].at > RATE_MS) this.#marks.shift();
    const [first] = this.#marks;
    const rate = now - first.at > 300 ? ((bytes - first.bytes) * 1000) / (now - first.at) : null;
    this.#loading = { id, phase, bytes, total, rate };
    this.#show();
  }

  #putAway(): void {
    if (!this.#engine) return;
    this.#events.leave();
    this.#engine.dispose();
    this.#engine = null;
  }

  #mark(id: string, files: readonly File[] | null = null): void {
    this.#asked = { id, files };
    this.#trouble = null;
    this.#loading = { id, phase: "wasm", bytes: 0, total: 0, rate: null };
    if (!isServed(id) && !files && id !== SHIPPED) this.#loading = { ...this.#loading, phase: "download" };
    this.#show();
  }

  /** Whoever waits for a model is told that there is one, or none. */
  #settle(trouble: Trouble | null): void {
    this.#trouble = trouble;
    const waiting = this.#waiting.splice(0);
    for (const tell of waiting) tell(trouble);
    // Who waits shows it where it was asked.
    if (trouble && waiting.length === 0) this.#events.fail(trouble);
  }

  #show(): void {
    this.#draw();
    this.#events.show();
  }

  #draw(): void {
    const engine = this.#engine;
    const loading = this.#loading;
    const name = engine ? engine.name : loading && loading.id !== "server:" ? shownName(loading.id) : "Models";
    const place = engine?.place === "server" ? "on the server" : "in this page";
    const words = loading
      ? loading.id === "server:"
        ? "…"
        : loadingInWords(loading)
      : engine
        ? place
        : "none is loaded";
    const title = el("strong", {}, loading && engine && loading.id !== engine.id ? shownName(loading.id) : name);
    this.#button.replaceChildren(
      el("span", { class: "hidden" }, "Model: "),
      title,
      el("span", { class: "state" }, words),
      icon("down"),
    );
    this.#button.style.setProperty("--done", loading?.total ? String(loading.bytes / loading.total) : "0");
  }
}
