/**
 * A hub as huggingface.co is one, on this machine: lists of files, addresses that lead to another origin where the bytes
 * are, tags, ranges, tokens; and all that goes wrong with such a one.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubFiles {
  readonly [repository: string]: { readonly [path: string]: Uint8Array };
}

/** What a server was asked. */
export interface Asked {
  readonly where: "hub" | "store";
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

export class Hub {
  readonly files: HubFiles;
  readonly asked: Asked[] = [];
  /** Repositories that want a token. */
  readonly gated = new Map<string, string>();
  /** Bytes behind which the next answers of the store break off. */
  readonly cuts: number[] = [];
  /** Milliseconds that the store waits between two pieces of 64 KiB. */
  slow = 0;
  /** Files of a page of a list. */
  page = 1000;
  /** What the list says of a file's SHA-256, instead of what is so. */
  lie: string | undefined;
  /** More of a list, as it is. */
  more: unknown[] = [];
  /** Answers of the hub to whatever it is asked. */
  broken: ((request: IncomingMessage, response: ServerResponse) => void) | null = null;
  readonly #servers: Server[] = [];
  address = "";
  store = "";

  constructor(files: HubFiles) {
    this.files = files;
  }

  async open(): Promise<this> {
    this.store = await this.#listen((request, response) => this.#give(request, response));
    this.address = await this.#listen((request, response) => this.#answer(request, response));
    return this;
  }

  close(): void {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }

  count(where: Asked["where"]): number {
    return this.asked.filter((one) => one.where === where).length;
  }

  async #listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #note(where: Asked["where"], { url = "", headers }: IncomingMessage): void {
    this.asked.push({ where, url, authorization: headers.authorization, range: headers.range });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (allowPages(request, response)) return;
    this.#note("hub", request);
    if (this.broken) return void this.broken(request, response);
    const { pathname, searchParams } = new URL(request.url ?? "", this.address);
    const list = pathname.match(/^\/api\/models\/([^/]+\/[^/]+)\/tree\/([^/]+)$/);
    const file = pathname.match(/^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/);
    const repository = list?.[1] ?? file?.[1] ?? "";
    const token = this.gated.get(repository);
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      const status = request.headers.authorization ? 403 : 401;
      return void response.writeHead(status, { "content-type": "application/json" }).end('{"error":"gated"}');
    }
    const files = this.files[repository];
    if (!files) return void notFound(response);
    if (list) return void this.#list(response, files, Number(searchParams.get("cursor") ?? 0), pathname);
    const path = file![3].split("/").map(decodeURIComponent).join("/");
    const bytes = files[path];
    if (!bytes) return void notFound(response);
    response.writeHead(302, {
      location: `${this.store}/${file![1]}/${file![3]}?signed=${this.asked.length}`,
      "x-linked-etag": `"${sha256(bytes)}"`,
      "x-linked-size": bytes.length,
      "x-repo-commit": "0123456789abcdef0123456789abcdef01234567",
    });
    response.end();
  }

  #list(response: ServerResponse, files: HubFiles[string], from: number, path: string): void {
    const all: unknown[] = Object.entries(files).map(([name, bytes]) => ({
      type: "file",
      oid: "a".repeat(40),
      size: bytes.length,
      path: name,
      lfs: { oid: this.lie ?? sha256(bytes), size: bytes.length, pointerSize: 134 },
    }));
    all.push({ type: "directory", path: "sub", size: 0 }, { type: "file", path: "README.md", size: 5 }, ...this.more);
    const next = from + this.page;
    const link = next < all.length ? { link: `<${this.address}${path}?cursor=${next}>; rel="next"` } : {};
    response.writeHead(200, { "content-type": "application/json", ...link });
    response.end(JSON.stringify(all.slice(from, next)));
  }

  async #give(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (allowPages(request, response)) return;
    this.#note("store", request);
    const { pathname } = new URL(request.url ?? "", this.store);
    const [, owner, name, ...rest] = pathname.split("/").map(decodeURIComponent);
    const bytes = this.files[`${owner}/${name}`]?.[rest.join("/")];
    if (!bytes) return void notFound(response);
    const from = Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
    const etag = `"${sha256(bytes).slice(0, 32)}"`;
    const common = { etag, "content-length": bytes.length - from, "accept-ranges": "bytes" };
    const range = { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
    if (from > 0) response.writeHead(206, { ...common, ...range });
    else response.writeHead(200, common);
    const cut = this.cuts.shift();
    const end = cut === undefined ? bytes.length : Math.min(cut, bytes.length);
    const step = this.slow > 0 ? 65536 : 1 << 20;
    for (let at = from; at < end; at += step) {
      if (response.destroyed) return;
      await new Promise<void>((resolve) =>
        response.write(bytes.subarray(at, Math.min(at + step, end)), () => resolve()),
      );
      if (this.slow > 0) await new Promise((resolve) => setTimeout(resolve, this.slow));
    }
    if (cut === undefined) response.end();
    else setTimeout(() => response.destroy(), 30);
  }
}

/** Pages of any origin may ask, as on the hub; whether they have asked whether they may. */
function allowPages({ method }: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-expose-headers", "ETag, Link, Content-Range, Content-Length, X-Linked-ETag");
  if (method !== "OPTIONS") return false;
  response.setHeader("access-control-allow-headers", "authorization, range, if-range");
  response.writeHead(204).end();
  return true;
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { "content-type": "text/html" }).end("<!doctype html><title>404</title><p>Not found");
}
