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
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { openServer, pathOf, sendFile, tagOf } from "../../scripts/static-server.mjs";
import { reference } from "./conformance.ts";
import { ROOT } from "./tools.ts";

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
  const server = await openServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*");
    answer(request, response, asked, app);
  });
  return { ...server, asked };
}

function answer(request: IncomingMessage, response: ServerResponse, asked: Map<string, number>, app?: string): void {
  const path = pathOf(request);
  const [, kind, ...rest] = path.split("/");
  const name = rest.join("/");
  const times = (asked.get(path) ?? 0) + 1;
  asked.set(path, times);
  if (kind === "html") page(response);
  else if (kind === "blank") page(response);
  else if (kind === "octets") sendFile(request, response, join(ROOT, "build", name), "application/octet-stream");
  else if (kind === "build") sendFile(request, response, join(ROOT, "build", name));
  else if (kind === "hosts") sendFile(request, response, join(ROOT, "test/hosts", name));
  else if (kind === "models") sendFile(request, response, modelPath(name));
  else if (kind === "cut") cut(response);
  else if (kind === "slow") slow(response);
  else if (kind === "packed") packed(request, response);
  else if (kind === "once") {
    if (times === 1) cut(response);
    else sendFile(request, response, standIn());
  } else if (app) sendFile(request, response, join(app, path === "/" ? "index.html" : path));
  else sendFile(request, response, null);
}

function modelPath(name: string): string | null {
  return reference(name.replace(/\.gguf$/, "")).path;
}

function page(response: ServerResponse): void {
  response.setHeader("content-type", "text/html; charset=utf-8");
  response.end(PAGE);
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
    sendFile(request, response, standIn());
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
