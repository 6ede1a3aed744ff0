/** Where fetched models lie: a folder (disk.ts), or the browser's own file system (opfs.ts). */
import type { FetchOptions } from "./download.ts";
import type { HubFile } from "./hub.ts";

/** Where fetched models lie. */
export interface Shelf {
  /** All that lie there, whole or begun. */
  list(): Promise<Shelved[]>;
  /** The file of an address: it lies there, or is fetched. */
  fetch(url: string, file: HubFile, options: FetchOptions): Promise<string | File>;
  remove(url: string): Promise<void>;
}

/** A file of a shelf. */
export interface Shelved {
  readonly url: string;
  /** So many of its bytes are there, of so many. */
  readonly bytes: number;
  readonly size: number;
  readonly complete: boolean;
  /** Where it is. */
  open(): Promise<string | File>;
}
