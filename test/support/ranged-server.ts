/** A server of one file that knows ranges, and goes wrong in all ways that a reader of ranges has to find. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Served {
  url: string;
  ranges: string[];
  /** How it answers from now on. */
  mode: "ranges" | "whole" | "changed" | "short" | "gone" | "slow";
  close(): void;
}

/** Serves bytes at a port of this machine until it is closed. */
export async function serve(bytes: Uint8Array): Promise<Served> {
  const served: Served = { url: "", ranges: [], mode: "ranges", close: () => {} };
  const server: Server = createServer((request, response) => {
    const { mode } = served;
    const range = request.headers.range ?? "";
    served.ranges.push(range);
    if (mode === "gone") return void response.writeHead(503).end();
    if (mode === "whole" || !range) {
      return void response.writeHead(200, { "content-length": bytes.length }).end(bytes);
    }
    const [from, to] = range.slice(6).split("-").map(Number);
    const end = Math.min(to + 1, bytes.length);
    const headers = { "content-range": `bytes ${from}-${end - 1}/${bytes.length}`, etag: `"${mode === "changed"}"` };
    const piece = bytes.subarray(from, mode === "short" ? end - 1 : end);
    const answer = () => response.writeHead(206, headers).end(piece);
    if (mode === "slow") setTimeout(answer, 200);
    else answer();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  served.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
  served.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return served;
}
