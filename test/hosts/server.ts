/**
 * The server of the tests of hosts, on a free port of this machine: the files of build/ and test/hosts, the reference
 * models, and what can go wrong on the way.
 *
 *     /build/…, /hosts/…, /models/NAME.gguf    files; besides, those of `app`
 *     /html/…      a page, whatever was asked for, as a server of single-page apps answers
 *     /octets/…    a file of build/ as application/octet-stream
 *     /cut/…       a model that always breaks off in the middle
 *     /once/ID/…   a model that breaks off the first time that it is asked for
 *     /slow/…      a model that never ends
 *     /packed/…    a model with gzip, but for ranges of it
 */
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { gzipSync } from "node:zlib";
import { reference } from "./conformance.ts";
import { ROOT } from "./tools.ts";

const TYPES: Record<string, string> = {
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".html": "text/html; charset=utf-8",
  ".wasm": "application/wasm",
  ".json": "application/json",
};
const PAGE = "<!doctype html><html lang=en><link rel=icon href='data:,'><title>limpet</title><p>A page.</p></html>";

export interface TestServer {
  /** Its address, without a slash at the end. */
  readonly base: string;
  /** How often each path was asked for. */
  readonly asked: ReadonlyMap<string, number>;
  close(): void;
}

/** Starts the server; `app` is a folder that it shows besides. */
export async function serve(app?: string): Promise<TestServer> {
  const asked = new Map<string, number>();
  const server: Server = createServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*");
    answer(request, response, asked, app);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    base: `http://127.0.0.1:${port}`,
    asked,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, asked: Map<string, number>, app?: string): void {
  const path = normalize(new URL(request.url ?? "/", "http://host").pathname);
  const [, kind, ...rest] = path.split("/");
  const name = rest.join("/");
  const times = (asked.get(path) ?? 0) + 1;
  asked.set(path, times);
  if (kind === "html") page(response);
  else if (kind === "blank") page(response);
  else if (kind === "octets") file(request, response, join(ROOT, "build", name), "application/octet-stream");
  else if (kind === "build") file(request, response, join(ROOT, "build", name));
  else if (kind === "hosts") file(request, response, join(ROOT, "test/hosts", name));
  else if (kind === "models") file(request, response, modelPath(name));
  else if (kind === "cut") cut(response);
  else if (kind === "slow") slow(response);
  else if (kind === "packed") packed(request, response);
  else if (kind === "once") {
    if (times === 1) cut(response);
    else file(request, response, standIn());
  } else if (app) file(request, response, join(app, path === "/" ? "index.html" : path));
  else none(response);
}

function modelPath(name: string): string | null {
  return reference(name.replace(/\.gguf$/, "")).path;
}

function file(request: IncomingMessage, response: ServerResponse, path: string | null, type?: string): void {
  if (path === null || !existsSync(path) || !statSync(path).isFile()) {
    none(response);
    return;
  }
  const { size } = statSync(path);
  response.setHeader("content-type", type ?? TYPES[extname(path)] ?? "application/octet-stream");
  response.setHeader("accept-ranges", "bytes");
  response.setHeader("etag", tagOf(path));
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  if (!range) {
    response.setHeader("content-length", size);
    createReadStream(path).pipe(response);
    return;
  }
  const start = Number(range[1]);
  response.statusCode = 206;
  response.setHeader("content-range", `bytes ${start}-${size - 1}/${size}`);
  response.setHeader("content-length", size - start);
  createReadStream(path, { start }).pipe(response);
}

/** What tells a version of a file from another: without it no download goes on. */
function tagOf(path: string): string {
  const { size, mtimeMs } = statSync(path);
  return `"${size}-${mtimeMs}"`;
}

function page(response: ServerResponse): void {
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(PAGE);
}

function none(response: ServerResponse): void {
  response.statusCode = 404;
  response.end("not found");
}

/** The model of the downloads that go wrong; one of our own where there is no ../shared. */
function standIn(): string {
  return reference("stories260K").path ?? reference("plm-1m-q4_0").path!;
}

/** Half of a model, and then no connection. */
function cut(response: ServerResponse): void {
  const bytes = readFileSync(standIn());
  response.setHeader("content-length", bytes.length);
  response.setHeader("accept-ranges", "bytes");
  response.setHeader("etag", tagOf(standIn()));
  response.write(bytes.subarray(0, bytes.length >> 1), () => setTimeout(() => response.destroy(), 20));
}

/** As servers of pages do it: another origin sees the length of what is sent, and not that it is packed. */
function packed(request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.range) {
    file(request, response, standIn());
    return;
  }
  const bytes = gzipSync(readFileSync(standIn()));
  response.setHeader("content-encoding", "gzip");
  response.setHeader("content-length", bytes.length);
  response.end(bytes);
}

function slow(response: ServerResponse): void {
  const bytes = readFileSync(standIn());
  response.setHeader("content-length", bytes.length);
  response.write(bytes.subarray(0, bytes.length >> 1));
  // The rest never comes.
}
