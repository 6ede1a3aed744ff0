/** The page: the talk that is open, the model that answers, and what joins them with the elements of index.html. */
import { answer } from "./answering.ts";
import { Composer } from "./composer.ts";
import { announce, byId, newId } from "./dom.ts";
import { Drawer } from "./drawer.ts";
import type { Engine } from "./engine.ts";
import { readTalks, saveTalk, saveTalks } from "./export.ts";
import { Loader } from "./loader.ts";
import { SHIPPED } from "./models.ts";
import { ModelsDialog } from "./models-dialog.ts";
import { Notice } from "./notice.ts";
import { keepOffline } from "./offline.ts";
import { applyTheme, readSettings, type Sampling, type Settings, samplingOf, writeSettings } from "./settings.ts";
import { SettingsDialog } from "./settings-dialog.ts";
import { Store } from "./store.ts";
import { newestLeaf, pathTo, type Talk, type Trouble, type Turn, titleOf } from "./talk.ts";
import { TalkList } from "./talk-list.ts";
import { TalkView } from "./talk-view.ts";
import { troubleOf } from "./words.ts";

/** Milliseconds between two times that an answer is kept while it is written. */
const KEEP_MS = 100;

/** The answer that is being written. */
interface Running {
  readonly talk: string;
  readonly controller: AbortController;
  /** Keeps what there is of it now. */
  keep(): void;
}

class App {
  #settings: Settings = readSettings();
  #store!: Store;
  #talks: Talk[] = [];
  #talk: Talk | null = null;
  #turns = new Map<string, Turn>();
  #running: Running | null = null;
  #hasDrawn = false;
  readonly #notice = new Notice((help) => this.#help(help));
  readonly #drawer = new Drawer();
  readonly #view = new TalkView({
    edit: (turn, text) => void this.#edit(turn, text),
    again: (turn) => void this.#answerTo(turn.parent),
    // A text goes on with another turn; an answer that was cut, in its own place.
    goOn: (turn) => void (turn.mode === "text" ? this.#answerTo(turn.id) : this.#answerTo(turn.parent, turn)),
    step: (turn, by) => void this.#step(turn, by),
    result: (turn, callId, text) => void this.#giveResult(turn, callId, text),
    help: (turn, help) => this.#help(help, turn),
    suggest: (text) => void this.#say(text),
  });
  readonly #composer = new Composer({
    send: (text) => void this.#say(text),
    stop: () => this.#running?.controller.abort(),
    editLast: () => this.#view.editLast(),
  });
  readonly #list = new TalkList({
    open: (id) => void this.#open(id),
    begin: () => void this.#open(null),
    rename: (talk, title) => void this.#put({ ...talk, title }),
    save: (talk) => void this.#store.turns(talk.id).then((turns) => saveTalk(talk, turns)),
    remove: (talk) => void this.#remove(talk),
  });
  readonly #loader = new Loader({
    settings: () => this.#settings,
    show: () => this.#showModel(),
    leave: () => this.#running?.controller.abort(),
    use: (engine) => this.#use(engine),
    fail: (trouble) => this.#notice.show(trouble),
  });
  readonly #models = new ModelsDialog({
    use: (id) => this.#choose(id),
    useFiles: (files) => this.#choose(`page:file:${files[0].name}`, files),
    pause: () => void this.#loader.pause(),
  });
  readonly #dialog = new SettingsDialog((settings, isOver) => this.#set(settings, isOver));
  /** The model that the reader has chosen in this page. */
  #chosen: string | null = null;
  #lastKey = this.#settings.key;
  /** What the model in the page was loaded with. */
  #loadedWith = machineOf(this.#settings);

  async start(): Promise<void> {
    applyTheme(this.#settings);
    this.#listen();
    // The model comes while talks are looked up.
    this.#chosen = new URLSearchParams(location.hash.slice(1)).get("model");
    this.#loader.begin(this.#chosen ?? this.#settings.model);
    this.#store = await Store.open();
    if (!this.#store.keeps) {
      this.#notice.show({
        title: "This browser keeps nothing",
        words: "Talks are gone when the tab is closed: export what is to stay.",
        helps: [],
      });
    }
    this.#store.watch(({ talk }) => void this.#changedElsewhere(talk));
    this.#talks = await this.#store.talks();
    const asked = new URLSearchParams(location.hash.slice(1)).get("talk");
    await this.#open(this.#talks.some(({ id }) => id === asked) ? asked : null);
    this.#composer.focus();
    document.documentElement.dataset.ready = "yes";
  }

  #listen(): void {
    byId("model").addEventListener("click", () => this.#models.open());
    byId("open-settings").addEventListener("click", () => this.#openSettings());
    byId("export-all").addEventListener("click", () => void this.#saveAll());
    const picker = byId<HTMLInputElement>("import-file");
    byId("import-all").addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => void this.#bringBack([...(picker.files ?? [])]));
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]"))
        this.#running?.controller.abort();
      if ((event.ctrlKey || event.metaKey) && event.shiftKey && event.key.toLowerCase() === "o") {
        event.preventDefault();
        void this.#open(null);
      }
    });
    addEventListener("hashchange", () => {
      const id = new URLSearchParams(location.hash.slice(1)).get("talk");
      if (id !== (this.#talk?.id ?? null)) void this.#open(id);
    });
    // Whoever leaves in the middle of an answer finds what there was of it.
    addEventListener("pagehide", () => this.#running?.keep());
    this.#takeDrops();
  }

  /** A GGUF file that is dropped anywhere is opened; a file of talks is brought back. */
  #takeDrops(): void {
    const isOfFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    let depth = 0;
    const over = (isOver: boolean): void => {
      depth = isOver ? depth : 0;
      document.body.classList.toggle("dropping", isOver);
    };
    addEventListener("dragenter", (event) => {
      if (isOfFiles(event) && depth++ === 0) over(true);
    });
    addEventListener("dragleave", (event) => {
      if (isOfFiles(event) && --depth <= 0) over(false);
    });
    addEventListener("dragover", (event) => {
      if (isOfFiles(event)) event.preventDefault();
    });
    addEventListener("drop", (event) => {
      if (!isOfFiles(event)) return;
      event.preventDefault();
      over(false);
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length === 0) return;
      if (files.every(({ name }) => /\.json$/i.test(name))) void this.#bringBack(files);
      else this.#choose(`page:file:${files[0].name}`, files);
    });
  }

  // ── the model ──

  #choose(id: string, files: readonly File[] | null = null): void {
    this.#notice.hide();
    this.#chosen = files ? null : id;
    this.#loader.load(id, files);
  }

  #use(engine: Engine): void {
    // What is to be said of the server stays while the page's own model comes by itself.
    if (engine.id === this.#chosen || engine.place === "server") this.#notice.hide();
    this.#drawer.use(engine);
    this.#loadedWith = machineOf(this.#settings);
    // What came by itself may be another one the next time.
    if (engine.id === this.#chosen) this.#keepSettings({ ...this.#settings, model: engine.id });
    this.#models.close();
    this.#draw();
    keepOffline(engine);
  }

  #showModel(): void {
    const { engine, loading, served } = this.#loader;
    this.#models.show({ served, current: engine?.id ?? "", loading });
    this.#view.use(engine);
    const place = engine?.place === "server" ? "on the server" : "in this page";
    this.#composer.show({
      placeholder: engine && !engine.chats ? "Begin a tale …" : "Ask anything …",
      note: !engine
        ? ""
        : engine.place === "page"
          ? "Runs in this page: nothing that you write leaves it."
          : `Answers ${place} that this page comes from.`,
    });
  }

  // ── settings ──

  #openSettings(at?: keyof Settings): void {
    this.#dialog.open({ ...this.#settings, system: this.#talk?.system ?? this.#settings.system }, at);
  }

  #set(settings: Settings, isOver: boolean): void {
    this.#keepSettings(settings);
    applyTheme(settings);
    if (this.#talk && this.#talk.system !== settings.system) void this.#put({ ...this.#talk, system: settings.system });
    if (!isOver) return;
    const isOther = machineOf(settings) !== this.#loadedWith && this.#loader.engine?.place === "page";
    if (this.#lastKey !== settings.key) this.#loader.begin(settings.model);
    else if (isOther || (!this.#loader.engine && !this.#loader.loading)) this.#loader.again();
    this.#lastKey = settings.key;
  }

  #keepSettings(settings: Settings): void {
    this.#settings = settings;
    writeSettings(settings);
  }

  // ── talks ──

  async #open(id: string | null): Promise<void> {
    const talk = id === null ? null : (this.#talks.find((one) => one.id === id) ?? null);
    this.#talk = talk;
    this.#turns = talk ? await this.#store.turns(talk.id) : new Map();
    await this.#closeDead();
    const hash = talk ? `#talk=${talk.id}` : "";
    if (location.hash !== hash && !location.hash.startsWith("#model="))
      history.replaceState(null, "", hash || location.pathname);
    this.#view.clear();
    this.#draw();
    this.#view.toEnd();
    if (this.#hasDrawn) this.#composer.focus();
    this.#hasDrawn = true;
  }

  /** Answers whose page has gone have ended: one that is being written holds a lock. */
  async #closeDead(): Promise<void> {
    const dead = [...this.#turns.values()].filter(({ role, end }) => role === "assistant" && end === undefined);
    if (dead.length === 0 || !this.#talk) return;
    const { held = [] } = (await navigator.locks?.query()) ?? {};
    const alive = new Set(held.map(({ name }) => name));
    const closed = dead.filter(({ id }) => !alive.has(lockOf(id))).map((turn): Turn => ({ ...turn, end: "closed" }));
    for (const turn of closed) this.#turns.set(turn.id, turn);
    if (closed.length > 0) await this.#store.put(this.#talk, ...closed);
  }

  async #changedElsewhere(id: string): Promise<void> {
    this.#talks = await this.#store.talks();
    if (this.#talk?.id === id && this.#running?.talk !== id) {
      const talk = this.#talks.find((one) => one.id === id);
      if (!talk) return this.#open(null);
      // What is read here stays on its path: only what is new behind it shows.
      const leaf = this.#talk.leaf;
      this.#turns = await this.#store.turns(id);
      const follows = leaf !== null && pathTo(this.#turns, talk.leaf).some((turn) => turn.id === leaf);
      this.#talk = follows || leaf === null || !this.#turns.has(leaf) ? talk : { ...talk, leaf };
    }
    this.#draw();
  }

  async #put(talk: Talk, ...turns: readonly Turn[]): Promise<void> {
    this.#talks = [talk, ...this.#talks.filter(({ id }) => id !== talk.id)].sort((a, b) => b.updated - a.updated);
    if (this.#talk?.id === talk.id) {
      this.#talk = talk;
      for (const turn of turns) this.#turns.set(turn.id, turn);
    }
    this.#draw();
    try {
      await this.#store.put(talk, ...turns);
    } catch (error) {
      const words = `${error instanceof Error ? error.message : error}. Export what is to stay, and delete other talks or models.`;
      this.#notice.show({ title: "The browser does not keep this talk", words, helps: [] });
    }
  }

  async #remove(talk: Talk): Promise<void> {
    const turns = [...(await this.#store.turns(talk.id)).values()];
    if (this.#running?.talk === talk.id) this.#running.controller.abort();
    await this.#store.remove(talk.id);
    this.#talks = this.#talks.filter(({ id }) => id !== talk.id);
    if (this.#talk?.id === talk.id) await this.#open(null);
    else this.#draw();
    this.#notice.undo(`“${talk.title}” was deleted.`, () => void this.#put(talk, ...turns));
  }

  async #saveAll(): Promise<void> {
    const talks = await this.#store.talks();
    saveTalks(
      await Promise.all(talks.map(async (talk) => ({ talk, turns: [...(await this.#store.turns(talk.id)).values()] }))),
    );
  }

  async #bringBack(files: readonly File[]): Promise<void> {
    byId<HTMLInputElement>("import-file").value = "";
    try {
      let count = 0;
      for (const file of files) {
        for (const { talk, turns } of readTalks(await file.text())) {
          await this.#put(talk, ...turns);
          count++;
        }
      }
      this.#notice.say(`${count} talk${count === 1 ? " is" : "s are"} back.`);
    } catch (error) {
      this.#notice.show({ title: "These talks cannot be read", words: troubleOf(error, "page").words, helps: [] });
    }
  }

  // ── turns ──

  /** The reader has said something: behind the last turn. */
  async #say(text: string): Promise<void> {
    if (this.#running) return;
    await this.#follow(this.#talk?.leaf ?? null, text);
  }

  async #edit(turn: Turn, text: string): Promise<void> {
    if (text.trim() === "" || text === turn.text) return this.#draw();
    await this.#follow(turn.parent, text);
  }

  async #follow(parent: string | null, text: string): Promise<void> {
    this.#requireSound();
    const talk = this.#talk ?? this.#newTalk(text);
    this.#talk = talk;
    const turn: Turn = { id: newId(), talk: talk.id, parent, role: "user", text, created: Date.now() };
    await this.#put({ ...talk, leaf: turn.id, updated: Date.now() }, turn);
    await this.#answerTo(turn.id);
  }

  #newTalk(text: string): Talk {
    const id = newId();
    history.replaceState(null, "", `#talk=${id}`);
    const now = Date.now();
    return { id, title: titleOf(text), created: now, updated: now, leaf: null, system: this.#settings.system };
  }

  async #giveResult(turn: Turn, callId: string, text: string): Promise<void> {
    const talk = this.#talk;
    if (!talk) return;
    const result: Turn = {
      id: newId(),
      talk: talk.id,
      parent: talk.leaf,
      role: "tool",
      text,
      created: Date.now(),
      toolCallId: callId,
    };
    await this.#put({ ...talk, leaf: result.id, updated: Date.now() }, result);
    const given = new Set(pathTo(this.#turns, result.id).map(({ toolCallId }) => toolCallId));
    if ((turn.toolCalls ?? []).every(({ id }) => given.has(id))) await this.#answerTo(result.id);
  }

  async #step(turn: Turn, by: number): Promise<void> {
    const talk = this.#talk;
    if (!talk || by === 0) return this.#draw();
    const next = this.#view.besides(turn)[this.#view.besides(turn).findIndex(({ id }) => id === turn.id) + by];
    if (next) await this.#put({ ...talk, leaf: newestLeaf(this.#turns, next.id) });
  }

  /** Has the model answer what stands behind this turn; `begun`: the answer that is to go on. */
  async #answerTo(parent: string | null, begun?: Turn): Promise<void> {
    const talk = this.#talk;
    if (this.#running || !talk) return;
    const sampling = this.#requireSound();
    if (!sampling) return;
    const controller = new AbortController();
    const { end: _, trouble: __, ...rest } = begun ?? this.#newAnswer(talk.id, parent);
    let turn: Turn = rest;
    const path = pathTo(this.#turns, parent);
    const keep = async (now: Turn): Promise<void> => {
      const latest = this.#talks.find(({ id }) => id === talk.id) ?? talk;
      await this.#put({ ...latest, leaf: turn.id, updated: Date.now() }, now);
    };
    this.#running = { talk: talk.id, controller, keep: () => void keep(turn) };
    this.#composer.show({ busy: true });
    this.#drawer.begin();
    this.#notice.hide();
    announce("The model answers.");
    let kept = 0;
    const see = (now: Turn): void => {
      if (now.text !== turn.text || now.reasoning !== turn.reasoning || now.toolCalls !== turn.toolCalls)
        this.#drawer.tick();
      turn = now;
      if (performance.now() - kept > KEEP_MS) {
        kept = performance.now();
        void keep(turn);
      } else if (this.#talk?.id === talk.id) {
        this.#turns.set(turn.id, turn);
        this.#view.draw(() => this.#draw());
      }
    };
    const write = async (): Promise<void> => {
      await keep(turn);
      this.#view.toEnd();
      try {
        const engine = await this.#loader.ready(controller.signal);
        const wanted = { engine, path, system: talk.system, sampling, signal: controller.signal, see };
        turn = await answer(turn, wanted);
      } catch (error) {
        const aborted = controller.signal.aborted;
        turn = aborted
          ? { ...turn, end: "aborted" }
          : { ...turn, end: "error", trouble: this.#loader.trouble ?? troubleOf(error, "page") };
      }
    };
    await (navigator.locks ? navigator.locks.request(lockOf(turn.id), write) : write());
    this.#running = null;
    this.#composer.show({ busy: false });
    await keep(turn);
    announce(turn.trouble ? turn.trouble.title : `The answer is there: ${turn.text}`);
    if (turn.figures) await this.#drawer.end(turn.figures, turn.text);
  }

  #newAnswer(talk: string, parent: string | null): Turn {
    return { id: newId(), talk, parent, role: "assistant", text: "", created: Date.now() };
  }

  /** How answers are sampled; null where a setting makes no sense, which is told. */
  #requireSound(): Sampling | null {
    try {
      return samplingOf(this.#settings);
    } catch (error) {
      this.#notice.show({ title: "A setting makes no sense", words: (error as Error).message, helps: ["settings"] });
      return null;
    }
  }

  #help(help: Trouble["helps"][number], turn?: Turn): void {
    if (help === "models") this.#models.open();
    else if (help === "settings") this.#openSettings();
    else if (help === "key") this.#openSettings("key");
    else {
      if (help === "shipped") this.#choose(SHIPPED);
      else if (!this.#loader.engine && !this.#loader.loading) this.#loader.again();
      this.#notice.hide();
      if (turn) void this.#answerTo(turn.parent);
    }
  }

  #draw(): void {
    this.#list.show(this.#talks, this.#talk?.id ?? null, this.#running?.talk ?? null);
    this.#view.show(this.#talk, this.#turns, this.#running !== null);
    document.title = this.#talk ? `${this.#talk.title} · limpet` : "limpet";
  }
}

/** The settings that a model in the page is loaded with. */
function machineOf({ context, threads, build }: Settings): string {
  return JSON.stringify([context, threads, build]);
}

function lockOf(turn: string): string {
  return `limpet answer ${turn}`;
}

void new App().start();
