/**
 * A model by its hub's name, fetched once: as paths in Node and Deno, as files of the browser's own file system in pages.
 * What is there is not asked for again, so that a name goes on working without a network; `pull` asks the hub anew.
 */
import { isNode } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import type { FetchOptions } from "./download.ts";
import {
  addressOf,
  chosen,
  filesOf,
  type Hub,
  type HubName,
  type HubOptions,
  hubName,
  hubOf,
  nameOf,
  refusal,
  spell,
} from "./hub.ts";

import type { Shelf } from "./shelf.ts";

export type { HubOptions } from "./hub.ts";

/** How a model is fetched by its name. */
export type NameOptions = HubOptions & Pick<FetchOptions, "onProgress" | "signal">;

/** A model that was fetched: the paths of its parts, or files of the browser's. */
export type Located = readonly (string | File)[];

/** A model of a shelf, by its name. */
export interface KeptModel {
  /** As `limpet list` shows it: a file of a repository. */
  readonly name: string;
  readonly url: string;
  readonly bytes: number;
  readonly size: number;
  readonly complete: boolean;
}

/** The parts of the model of a name: from where it was fetched to, or from the hub. */
export async function located(name: string, options: NameOptions = {}, shelf?: Shelf): Promise<Located> {
  const { read, hub, place } = await begin(name, options, shelf);
  return (await present(hub, read, place)) ?? fetchAll(hub, read, options, place);
}

/** The same, and the hub is asked whether what is there is what it has. */
export async function pull(name: string, options: NameOptions = {}, shelf?: Shelf): Promise<Located> {
  const { read, hub, place } = await begin(name, options, shelf);
  return fetchAll(hub, read, options, place);
}

/** All models of hubs that were fetched, whole or begun. */
export async function keptModels(shelf?: Shelf): Promise<KeptModel[]> {
  const kept: KeptModel[] = [];
  for (const { url, bytes, size, complete } of await (shelf ?? (await ownShelf())).list()) {
    const name = nameOf(url);
    if (name) kept.push({ name: spell(name, name.file!), url, bytes, size, complete });
  }
  return kept;
}

/** Deletes the models of a name: a file, or all of a repository's. Gives those that are gone. */
export async function removeKept(name: string, shelf?: Shelf): Promise<KeptModel[]> {
  const { read, place } = await begin(name, {}, shelf);
  const gone: KeptModel[] = [];
  for (const model of await keptModels(place)) {
    const own = nameOf(model.url)!;
    const isOf = own.owner === read.owner && own.repository === read.repository;
    const isMeant = read.file === null ? read.format === null || isThere(own, read) : own.file === read.file;
    if (!isOf || !isMeant || (read.file !== null && own.revision !== read.revision)) continue;
    await place.remove(model.url);
    gone.push(model);
  }
  return gone;
}

function isThere(own: HubName, read: HubName): boolean {
  try {
    return chosen(read, [{ path: own.file!, size: null, sha256: null }]).length === 1;
  } catch {
    return false;
  }
}

async function begin(name: string, options: NameOptions, shelf?: Shelf) {
  const read = hubName(name);
  if (!read) throw new LimpetError("BAD_ARGUMENT", `${name} is no name of a hub's: hf:owner/repository`);
  return { read, hub: hubOf(options, environment()), place: shelf ?? (await ownShelf()) };
}

async function ownShelf(): Promise<Shelf> {
  return isNode() ? (await import("./disk.ts")).diskShelf() : (await import("./opfs.ts")).opfsShelf();
}

function environment(): Readonly<Record<string, string | undefined>> {
  if (!isNode()) return {};
  try {
    const { LIMPET_HUB, HF_TOKEN } = process.env;
    return { LIMPET_HUB, HF_TOKEN };
  } catch (error) {
    // Deno asks for leave.
    const words = `this host does not let its environment be read: ${messageOf(error)}; allow LIMPET_HUB and HF_TOKEN`;
    throw new LimpetError("HOST", words, { cause: error });
  }
}

/** The parts of a model that lie there, if all do. */
async function present(hub: Hub, read: HubName, place: Shelf): Promise<Located | null> {
  const beginning = addressOf(hub, read, "");
  const there = (await place.list()).filter(({ url, complete }) => complete && url.startsWith(beginning));
  const byPath = new Map(there.map((one) => [nameOf(one.url)?.file ?? "", one]));
  try {
    const files = chosen(
      read,
      [...byPath.keys()].map((path) => ({ path, size: null, sha256: null })),
    );
    return await Promise.all(files.map(({ path }) => byPath.get(path)!.open()));
  } catch {
    return null;
  }
}

async function fetchAll(hub: Hub, read: HubName, options: NameOptions, place: Shelf): Promise<Located> {
  const { signal, onProgress } = options;
  const files = chosen(read, await filesOf(hub, read, signal));
  const parts: (string | File)[] = [];
  const total = files.reduce((sum, { size }) => sum + (size ?? 0), 0);
  let before = 0;
  for (const file of files) {
    let here = 0;
    parts.push(
      await place.fetch(addressOf(hub, read, file.path), file, {
        sha256: file.sha256 ?? undefined,
        signal,
        ask: async (url, how) => {
          const response = await hub.ask(url, how);
          if (![401, 403, 404].includes(response.status)) return response;
          await response.body?.cancel();
          throw refusal(hub, spell(read, file.path), response.status);
        },
        onProgress: (bytes, all) => {
          here = bytes;
          onProgress?.(before + bytes, Math.max(total, before + all));
        },
      }),
    );
    before += file.size ?? here;
  }
  return parts;
}
