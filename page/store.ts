/**
 * Talks kept in the browser (IndexedDB), which all tabs share: each tells the others what it has changed. Where the browser
 * keeps nothing (a private window, for instance), talks last as long as the tab.
 */
import type { Talk, Turn } from "./talk.ts";

const NAME = "limpet";
const VERSION = 1;

/** What another tab has changed. */
export interface Change {
  readonly talk: string;
}

/** Where talks are. */
export class Store {
  readonly #database: IDBDatabase | null;
  readonly #tabs: BroadcastChannel | null = typeof BroadcastChannel === "function" ? new BroadcastChannel(NAME) : null;
  /** In place of a database. */
  readonly #talks = new Map<string, Talk>();
  readonly #turns = new Map<string, Turn>();

  private constructor(database: IDBDatabase | null) {
    this.#database = database;
  }

  /** Opens the browser's own. */
  static async open(): Promise<Store> {
    return new Store(await opened().catch(() => null));
  }

  /** Whether talks outlive the tab. */
  get keeps(): boolean {
    return this.#database !== null;
  }

  /** Calls back when another tab has changed something. */
  watch(see: (change: Change) => void): void {
    this.#tabs?.addEventListener("message", ({ data }) => see(data as Change));
  }

  /** All talks, that of the last change first. */
  async talks(): Promise<Talk[]> {
    const all = this.#database
      ? await settled<Talk[]>(this.#database.transaction("talks").objectStore("talks").getAll())
      : [...this.#talks.values()];
    return all.sort((a, b) => b.updated - a.updated);
  }

  async turns(talk: string): Promise<Map<string, Turn>> {
    const all = this.#database
      ? await settled<Turn[]>(this.#database.transaction("turns").objectStore("turns").index("talk").getAll(talk))
      : [...this.#turns.values()].filter((turn) => turn.talk === talk);
    return new Map(all.map((turn) => [turn.id, turn]));
  }

  async put(talk: Talk, ...turns: readonly Turn[]): Promise<void> {
    if (this.#database) {
      const transaction = this.#database.transaction(["talks", "turns"], "readwrite");
      transaction.objectStore("talks").put(talk);
      for (const turn of turns) transaction.objectStore("turns").put(turn);
      await done(transaction);
    } else {
      this.#talks.set(talk.id, talk);
      for (const turn of turns) this.#turns.set(turn.id, turn);
    }
    this.#tell(talk.id);
  }

  async remove(id: string): Promise<void> {
    const turns = await this.turns(id);
    if (this.#database) {
      const transaction = this.#database.transaction(["talks", "turns"], "readwrite");
      transaction.objectStore("talks").delete(id);
      for (const key of turns.keys()) transaction.objectStore("turns").delete(key);
      await done(transaction);
    } else {
      this.#talks.delete(id);
      for (const key of turns.keys()) this.#turns.delete(key);
    }
    this.#tell(id);
  }

  #tell(talk: string): void {
    this.#tabs?.postMessage({ talk } satisfies Change);
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("talks", { keyPath: "id" });
      request.result.createObjectStore("turns", { keyPath: "id" }).createIndex("talk", "talk");
    };
    request.onsuccess = () => {
      // A later version in another tab must not wait for this one.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
}

function settled<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(transaction: IDBTransaction): Promise<void> {
  // At once: a page that is left now would not live to see its requests succeed, and what it wrote last would be lost.
  transaction.commit();
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}
