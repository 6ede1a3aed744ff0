/**
 * Keeps the page working without its server: what the page is made of is kept when it is first opened, and what it has
 * used of limpet (the wasm, the model that ships) when it says so. While the server is there, it is asked; nothing of what
 * is said passes here.
 */

/** What a service worker has, beside what a page has. */
interface ServiceScope {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: LateEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: FetchLike) => void): void;
  addEventListener(type: "message", listener: (event: LateEvent & { readonly data: unknown }) => void): void;
}
interface LateEvent {
  waitUntil(done: Promise<unknown>): void;
}
interface FetchLike extends LateEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** Set by the build: what these files are, and their names. */
declare const PAGE_VERSION: string;
declare const PAGE_FILES: readonly string[];

const scope = self as unknown as ServiceScope;
const PREFIX = "limpet-page-";
const CACHE = PREFIX + PAGE_VERSION;
/** What is kept when it was used. */
const USED = /\/(limpet[\w.]*\.wasm|models\/[\w.-]+\.gguf)$/;

const own = (path: string): string => new URL(path, scope.registration.scope).href;
const shell = new Set(PAGE_FILES.map(own));

scope.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([...shell]))
      .then(() => scope.skipWaiting()),
  );
});

scope.addEventListener("activate", (event) => {
  const others = async (): Promise<void> => {
    for (const name of await caches.keys()) {
      if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
    }
    await scope.clients.claim();
  };
  event.waitUntil(others());
});

/** The page has used these. */
scope.addEventListener("message", (event) => {
  if (!Array.isArray(event.data)) return;
  const urls = event.data.filter((url): url is string => typeof url === "string" && isUsed(url));
  event.waitUntil(keep(urls));
});

scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  url.search = "";
  url.hash = "";
  const isOwn = shell.has(url.href) || isUsed(url.href);
  if (request.method === "GET" && isOwn) event.respondWith(freshOrKept(request, url.href));
});

function isUsed(url: string): boolean {
  return url.startsWith(scope.registration.scope) && USED.test(url);
}

async function keep(urls: readonly string[]): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const url of urls) if (!(await cache.match(url))) await cache.add(url);
}

/** What the server has now; where it does not answer, what was kept. */
async function freshOrKept(request: Request, href: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.status < 500) return response;
    return (await cache.match(href)) ?? response;
  } catch (error) {
    const kept = await cache.match(href);
    if (kept) return kept;
    throw error;
  }
}
