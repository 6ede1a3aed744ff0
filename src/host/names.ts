/** Names of what is read, of a model or of the wasm: URLs of any spelling, and paths. */
import { isNode, requirePlace } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "./errors.ts";

/** `https`, in small letters, of what begins with it; a letter alone is a drive of Windows. */
export function schemeOf(name: string | URL): string | null {
  return (
    String(name)
      .match(/^\s*((?:data|blob|file)(?=:)|[a-z][a-z0-9+.-]+(?=:\/\/))/i)?.[1]
      .toLowerCase() ?? null
  );
}

/** Whether a name is asked of a server, or of the page that holds it. */
export function isRemote(name: string | URL): boolean {
  const scheme = schemeOf(name);
  if (!isNode() || scheme === null || scheme === "file") return !isNode();
  if (/^(https?|data|blob)$/.test(scheme)) return true;
  throw new LimpetError("BAD_ARGUMENT", `${name}: what is read are http, https, data, blob and file URLs, and paths`);
}

/** Whether a thing is a URL, of whatever realm. */
export function isUrl(thing: unknown): thing is URL {
  const { href, protocol } = (thing ?? {}) as { href?: unknown; protocol?: unknown };
  return typeof href === "string" && typeof protocol === "string";
}

/** A name that is a path or a `file:` URL, for the file system. */
export function fileName(name: string | URL): string | URL {
  if (isUrl(name)) ownPlace(name);
  return schemeOf(name) === "file" ? new URL(name) : name;
}

/** A URL as it is; what a bundler has made of one for a page is refused where there is no page. */
export function ownPlace(url: URL): URL {
  if (!isNode()) return url;
  try {
    return requirePlace(url);
  } catch (error) {
    throw new LimpetError("HOST", messageOf(error), { cause: error });
  }
}

/** Whether a name is one of a hub: `hf:owner/repository`. */
export function isHubName(name: string): boolean {
  return name.startsWith("hf:");
}
