/** The server in Node: what clients ask of it, and what only its own process can see. */
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { handler, listener } from "../src/server.ts";
import { SERVED } from "./support/served.ts";
import { CONTEXT, KEY, serverSuite } from "./support/server-suite.ts";

serverSuite("Node", async () => {
  const answer = handler(SERVED, { keys: [KEY], context: CONTEXT });
  const server = createServer(listener(answer));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    base: `http://127.0.0.1:${port}`,
    stop: () => {
      server.closeAllConnections();
      server.close();
      answer.dispose();
    },
  };
});

test("a path of two slashes is a path, and no host", async () => {
  const asked: string[] = [];
  const note = async (request: Request) => {
    asked.push(request.url);
    return new Response();
  };
  const answer = Object.assign(note, { load: async () => {}, dispose: () => {} });
  const server = createServer(listener(answer));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const headers = { host: "localhost" };
  for (const path of ["//other/v1/models", "/v1/models?a=//b", "http://proxied/v1/models"]) {
    await new Promise((resolve) => get({ port, path, headers }, (response) => response.resume().on("end", resolve)));
  }
  server.close();
  assert.equal(asked, [
    "http://localhost//other/v1/models",
    "http://localhost/v1/models?a=//b",
    "http://proxied/v1/models",
  ]);
});

test.run();
