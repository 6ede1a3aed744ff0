/**
 * Models by the name that a hub has for them, in the way of huggingface.co: what a name says, which files a repository has,
 * and which of them is meant.
 *
 *     hf:owner/repo                     its Q4_K_M, or the only one that there is
 *     hf:owner/repo:Q8_0                the one of this block format or mix
 *     hf:owner/repo/sub/model.gguf      this file
 *     hf:owner/repo/model.gguf@v1.0     … of a branch, tag or commit
 */
import { isNode } from "../../bindings/node.ts";
import { printable } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { isHubName } from "../host/names.ts";
import { pause, within } from "../host/wait.ts";
import { splitNames } from "../load/kinds.ts";
import { drop, isPassing, reasonOf } from "../load/request.ts";
import type { Ask } from "./download.ts";

/** Where a hub is, and what it wants to know of who asks. */
export interface HubOptions {
  /** The hub's address. Default: `LIMPET_HUB` of the environment, or https://huggingface.co. */
  hub?: string;
  /** A token for models that not everybody may have, which no other server is sent. Default: `HF_TOKEN`. */
  token?: string;
}

/** A name, as what it says. */
export interface HubName {
  readonly owner: string;
  readonly repository: string;
  /** A branch, tag or commit. */
  readonly revision: string;
  /** A file, or a block format, or neither. */
  readonly file: string | null;
  readonly format: string | null;
}

/** A hub that is asked. */
export interface Hub {
  /** Its address without a bar at its end. */
  readonly address: string;
  readonly ask: Ask;
}

/** A file of a repository. */
export interface HubFile {
  readonly path: string;
  readonly size: number | null;
  readonly sha256: string | null;
}

const HOME = "https://huggingface.co";
const SCHEME = "hf:";
const MAIN = "main";
/** What is taken where nothing is asked for: of these the first that there is. */
const PREFERRED = ["Q4_K_M", "Q4_K_S", "Q4_0", "Q4_1", "Q5_K_M", "Q5_0", "Q8_0", "Q6_K", "F16", "BF16", "F32"];
const REDIRECTS = 10;
/** How often a request that the network lost is sent again, and the first pause before that; each is twice the last. */
const RETRIES = 3;
const RETRY_MS = 100;
/** Bytes of a page of a listing, and pages of one, at most. */
const LONGEST_PAGE = 16 << 20;
const MOST_PAGES = 100;

/** What a name says; null where it is none of a hub's. */
export function hubName(name: string): HubName | null {
  if (!isHubName(name)) return null;
  const wrong = (why: string) => {
    const words = `${printable(name)} ${why}: a name is hf:owner/repository, with /file.gguf or :Q4_K_M, and @revision`;
    return new LimpetError("BAD_ARGUMENT", words);
  };
  const at = name.indexOf("@");
  const revision = at < 0 ? MAIN : name.slice(at + 1);
  const [owner, repository, ...file] = name.slice(SCHEME.length, at < 0 ? undefined : at).split("/");
  const colon = file.length > 0 ? -1 : (repository ?? "").indexOf(":");
  const own = colon < 0 ? repository : repository.slice(0, colon);
  const format = colon < 0 ? null : repository.slice(colon + 1);
  if (!own || !/^[\w.-]+$/.test(own) || !/^[\w.-]+$/.test(owner)) throw wrong("names no repository");
  if (format !== null && !/^\w+$/.test(format)) throw wrong("names no block format");
  const path = file.join("/");
  if (![owner, own, ...file, ...revision.split("/")].every(isPlain)) throw wrong("leads out of the repository");
  if (file.length > 0 && !/\.gguf$/i.test(path)) throw wrong("names no GGUF file");
  return { owner, repository: own, revision, file: file.length > 0 ? path : null, format };
}

/** Whether a part of a path leads to what it names and nowhere else. */
function isPlain(part: string): boolean {
  return part !== "" && !/^\.{1,2}$/.test(part) && !/[\\\x00-\x1f\x7f]/.test(part);
}

/** A name with its file, as it is written: `limpet list` shows it so. */
export function spell({ owner, repository, revision }: HubName, file: string): string {
  return `${SCHEME}${owner}/${repository}/${file}${revision === MAIN ? "" : `@${revision}`}`;
}

/** The hub that is asked, as the options say or the environment. */
export function hubOf(options: HubOptions, env: Readonly<Record<string, string | undefined>>): Hub {
  const given = options.hub ?? (env.LIMPET_HUB || HOME);
  if (!URL.canParse(given) || !/^https?:$/.test(new URL(given).protocol)) {
    throw new LimpetError("BAD_ARGUMENT", `the hub is an address as ${HOME}, not ${printable(given)}`);
  }
  const { origin, pathname } = new URL(given);
  const address = origin + pathname.replace(/\/+$/, "");
  // A token of the environment is for the hub of the environment.
  const token = options.token ?? (options.hub === undefined ? env.HF_TOKEN || undefined : undefined);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new LimpetError("BAD_ARGUMENT", "the token is none: it has letters that no token has");
  }
  return { address, ask: asking(origin, token) };
}

/** Asks with a token, which goes to the hub alone: where a redirect leads elsewhere, it is left behind. */
function asking(origin: string, token: string | undefined): Ask {
  return async (first, { signal, headers }) => {
    let url = first;
    for (let turns = 0; turns <= REDIRECTS; turns++) {
      const all = new Headers(headers);
      if (token !== undefined && new URL(url).origin === origin) all.set("authorization", `Bearer ${token}`);
      const response = await fetch(url, { signal, headers: all, redirect: followed() });
      if (![301, 302, 303, 307, 308].includes(response.status)) return response;
      const next = response.headers.get("location");
      drop(response);
      if (next === null || !URL.canParse(next, url)) throw astray(`${url} leads nowhere`);
      url = new URL(next, url).href;
      if (!/^https?:/.test(url)) throw astray(`${first} leads to ${url}, which is not fetched`);
    }
    throw astray(`${first} leads from one address to another for ever`);
  };
}

function astray(words: string): LimpetError {
  return new LimpetError("HOST", words);
}

/** A page cannot see where a redirect leads: there the browser leaves the token behind, as the Fetch Standard says. */
function followed(): RequestRedirect {
  return isNode() ? "manual" : "follow";
}

/** Where a file is had from. */
export function addressOf({ address }: Hub, { owner, repository, revision }: HubName, file: string): string {
  const path = file.split("/").map(encodeURIComponent).join("/");
  return `${address}/${owner}/${repository}/resolve/${encodeURIComponent(revision)}/${path}`;
}

/** The name of what lies at an address of `addressOf`; null: it is none. */
export function nameOf(url: string): HubName | null {
  const [, owner, repository, revision, path] =
    url.match(/\/([^/]+)\/([^/]+)\/resolve\/([^/?#]+)\/([^?#]+)$/)?.map((part) => part) ?? [];
  if (path === undefined) return null;
  try {
    const file = path.split("/").map(decodeURIComponent).join("/");
    return { owner, repository, revision: decodeURIComponent(revision), file, format: null };
  } catch {
    return null;
  }
}

/** The GGUF files of a repository. */
export async function filesOf(hub: Hub, name: HubName, signal?: AbortSignal): Promise<HubFile[]> {
  const { owner, repository, revision } = name;
  const place = `${SCHEME}${owner}/${repository}`;
  const files: HubFile[] = [];
  let url: string | null =
    `${hub.address}/api/models/${owner}/${repository}/tree/${encodeURIComponent(revision)}?recursive=true`;
  for (let page = 0; url !== null && page < MOST_PAGES; page++) {
    const response: Response = await answered(hub, url, place, signal);
    const listed: unknown = await jsonOf(response, place, signal);
    if (!Array.isArray(listed))
      throw new LimpetError("HOST", `${hub.address} says of ${place} what is no list of files`);
    for (const one of listed) {
      const file = fileOf(one);
      if (file) files.push(file);
    }
    url = nextPage(response, url);
  }
  return files;
}

/** The error of an answer that holds nothing. */
export function refusal(hub: Hub, place: string, status: number): LimpetError {
  let why = `${hub.address} answers ${status}`;
  if (status === 401 || status === 403) {
    why = "is not there, or not for everybody: ask its page for access, and give a token (HF_TOKEN, { token })";
  } else if (status === 404) why = `is not there (${hub.address} answers 404): is it spelt so?`;
  else if (isPassing(status)) why += ": try again later";
  return new LimpetError("HOST", `${place} ${why}`);
}

async function answered(hub: Hub, url: string, place: string, signal?: AbortSignal): Promise<Response> {
  for (let retries = 0; ; retries++) {
    try {
      const response = await within(hub.ask(url, { signal }), signal, url);
      if (response.ok) return response;
      drop(response);
      throw refusal(hub, place, response.status);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LimpetError) throw error;
      if (retries === RETRIES) {
        const words = `${hub.address} cannot be asked for ${place}: ${reasonOf(error)}`;
        throw new LimpetError("HOST", words, { cause: error });
      }
    }
    // What the network has lost once it may give the next time.
    await pause(RETRY_MS * 2 ** retries, signal);
  }
}

async function jsonOf(response: Response, place: string, signal?: AbortSignal): Promise<unknown> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (reader) {
      const { done, value } = await within(reader.read(), signal, place);
      if (done) break;
      text += decoder.decode(value, { stream: true });
      if (text.length > LONGEST_PAGE) throw new Error("the list of its files is too long");
    }
    return JSON.parse(text);
  } catch (error) {
    signal?.throwIfAborted();
    throw new LimpetError("HOST", `the list of files of ${place} cannot be read: ${reasonOf(error)}`, { cause: error });
  } finally {
    reader?.cancel().catch(() => {});
  }
}

/** A GGUF file that a hub lists; null: something else, or a name that leads elsewhere. */
function fileOf(one: unknown): HubFile | null {
  const { path, type, size, lfs } = (one ?? {}) as Record<string, unknown>;
  if (type !== "file" || typeof path !== "string" || !/\.gguf$/i.test(path)) return null;
  if (!path.split("/").every(isPlain)) return null;
  const { oid } = (lfs ?? {}) as { oid?: unknown };
  const hash = typeof oid === "string" ? oid.replace(/^sha256:/, "").toLowerCase() : "";
  return {
    path,
    size: Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : null,
    sha256: /^[0-9a-f]{64}$/.test(hash) ? hash : null,
  };
}

/** The address of the next page of a list, of the same server. */
function nextPage(response: Response, url: string): string | null {
  const next = response.headers.get("link")?.match(/<([^>]*)>\s*;\s*rel="?next"?/i)?.[1];
  if (next === undefined || !URL.canParse(next, url)) return null;
  const { href, origin } = new URL(next, url);
  return origin === new URL(url).origin ? href : null;
}

/** The files that a name means, in the order of their parts: one, or all parts of a split model. */
export function chosen(name: HubName, files: readonly HubFile[]): HubFile[] {
  const place = `${SCHEME}${name.owner}/${name.repository}`;
  const list = () => `; it has ${files.map(({ path }) => path).join(", ") || "no GGUF file"}`;
  const first = firstOf(name, files);
  if (!first) {
    if (files.length === 0)
      throw new LimpetError("HOST", `${place} has no GGUF file: another repository may have them`);
    const what = name.file ?? name.format;
    const words = what === null ? "names none of several files" : `has no ${what}`;
    throw new LimpetError(what === null ? "BAD_ARGUMENT" : "HOST", `${place} ${words}${list()}`);
  }
  return (splitNames(first.path) as string[]).map((path) => {
    const part = files.find((file) => file.path === path);
    if (part) return part;
    throw new LimpetError("HOST", `${place} has not all parts of ${first.path}: ${path} is missing`);
  });
}

function firstOf({ file, format }: HubName, files: readonly HubFile[]): HubFile | undefined {
  if (file !== null) return files.find(({ path }) => path === file);
  // What looks at pictures is no model by itself, and of a split one the first part stands for all.
  const models = files.filter(
    ({ path }) => !/(^|\/)mmproj/i.test(path) && !/-(?!00001)\d{5}-of-\d{5}\.gguf$/i.test(path),
  );
  if (format !== null) return models.find(({ path }) => isOf(path, format));
  if (models.length === 1) return models[0];
  for (const one of PREFERRED) {
    const found = models.find(({ path }) => isOf(path, one));
    if (found) return found;
  }
  return undefined;
}

/** Whether a file's name says that it is of this block format or mix. */
function isOf(path: string, format: string): boolean {
  return new RegExp(`(^|[-._/])${format}(?=[-./])`, "i").test(path);
}
