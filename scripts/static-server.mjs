/**
 * A static server for the demo page, on this machine alone, with the two headers that make a page cross-origin isolated:
 * without them a browser gives no threads.
 */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = /** @type {Record<string, string>} */ ({
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
});

/**
 * Serves the files of a folder on 127.0.0.1; port 0 is any free one.
 * @param {string} folder
 * @param {{ port?: number, isolated?: boolean }} [options]
 * @returns {Promise<{ base: string, close(): void }>}
 */
export async function serveStatic(folder, { port = 0, isolated = true } = {}) {
  const server = createServer((request, response) => {
    if (isolated) {
      response.setHeader("cross-origin-opener-policy", "same-origin");
      response.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    const path = fileAt(folder, request.url ?? "/");
    if (path === null) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
      return;
    }
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
    response.setHeader("content-length", statSync(path).size);
    createReadStream(path).pipe(response);
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    base: `http://127.0.0.1:${address.port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The file that a request names, index.html for a folder; null where there is none. @param {string} folder @param {string} url */
function fileAt(folder, url) {
  try {
    const name = normalize(decodeURIComponent(new URL(url, "http://host").pathname));
    // Nothing above the folder, and nothing hidden in it.
    if (name.split(/[\\/]/).some((part) => part.startsWith("."))) return null;
    const path = join(folder, name.endsWith("/") ? `${name}index.html` : name);
    return statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}
