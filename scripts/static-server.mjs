/**
 * Files over HTTP at this machine alone: what demos, benches in a browser and tests of hosts serve with. Who asks gets a
 * file whole, or from a byte on.
 */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, normalize } from "node:path";

const TYPES = /** @type {Record<string, string>} */ ({
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".wav": "audio/wav",
});

/** The path that a request asks for, which leads out of no folder. @param {import("node:http").IncomingMessage} request */
export function pathOf(request) {
  try {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    return normalize(decodeURIComponent(pathname).replaceAll("\0", ""));
  } catch {
    return "/";
  }
}

/**
 * Answers with a file, or that there is none.
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:http").ServerResponse} response
 * @param {string | null} path
 * @param {string} [type] in place of what its name says
 */
export function sendFile(request, response, path, type) {
  const stat = path === null ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path === null || !stat?.isFile()) {
    response.statusCode = 404;
    response.end("not found");
    return;
  }
  const { size } = stat;
  response.setHeader("content-type", type ?? TYPES[extname(path)] ?? "application/octet-stream");
  response.setHeader("accept-ranges", "bytes");
  response.setHeader("etag", tagOf(path));
  const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const start = range ? Number(range[1]) : 0;
  if (range) {
    response.statusCode = 206;
    response.setHeader("content-range", `bytes ${start}-${size - 1}/${size}`);
  }
  response.setHeader("content-length", size - start);
  createReadStream(path, { start, highWaterMark: 1 << 20 }).pipe(response);
}

/** What tells a version of a file from another: without it no download goes on. @param {string} path */
export function tagOf(path) {
  const { size, mtimeMs } = statSync(path);
  return `"${size}-${mtimeMs}"`;
}

/** A server on a free port; its address is without a slash at the end. @param {import("node:http").RequestListener} answer */
export async function openServer(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { base: `http://127.0.0.1:${port}`, close };
}
