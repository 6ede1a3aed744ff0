/** The page that `limpet serve` opens at `/`: files that the build has made, the wasm and the model that ships; nothing else. */
import { readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defaultModel } from "../store/default-model.ts";

/** Set by the build: whether this is the bundle in build/js/, and not the sources themselves. */
declare const LIMPET_BUNDLE: boolean | undefined;

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".gguf": "application/octet-stream",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

/**
 * What the page's scripts may do: run themselves and limpet's wasm, and fetch models from wherever they are. Nothing that an
 * answer says runs, loads a picture or sends a form.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' https: http://localhost:* http://127.0.0.1:*",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** With the first two the page is cross-origin isolated, which threads need. */
const HEADERS: Readonly<Record<string, string>> = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "content-security-policy": POLICY,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};

/** Answers what asks for a file of the page; null: another thing is asked for. */
export type PageAnswer = (request: Request) => Promise<Response | null>;

/** The page's files, by their paths; without any where they were not built. */
export function page(): PageAnswer {
  const files = filesOfPage();
  return async ({ method, url, headers }) => {
    const path = files.get(new URL(url).pathname);
    if (path === undefined || (method !== "GET" && method !== "HEAD")) return null;
    const { size, mtimeMs } = statSync(path);
    const etag = `"${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`;
    const all = { ...HEADERS, etag };
    if (headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: all });
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    const body = method === "HEAD" ? null : await readFile(path);
    return new Response(body, { headers: { ...all, "content-type": type, "content-length": String(size) } });
  };
}

/** Paths of the page → files. A path that is none of them leads nowhere. */
function filesOfPage(): Map<string, string> {
  const build = fileURLToPath(new URL(typeof LIMPET_BUNDLE === "undefined" ? "../../build/" : "../", import.meta.url));
  const files = new Map<string, string>();
  try {
    const folder = join(build, "page");
    for (const name of readdirSync(folder, { recursive: true }).map(String)) {
      if (extname(name) in TYPES) files.set(`/${name.replaceAll("\\", "/")}`, join(folder, name));
    }
    files.set("/", join(folder, "index.html"));
    for (const name of readdirSync(build)) {
      if (/^limpet[\w.]*\.wasm$/.test(name)) files.set(`/${name}`, join(build, name));
    }
    const model = fileURLToPath(defaultModel);
    files.set(`/models/${basename(model)}`, model);
    for (const path of files.values()) statSync(path);
  } catch {
    // A package without the page is a server without one.
    return new Map();
  }
  return files;
}
