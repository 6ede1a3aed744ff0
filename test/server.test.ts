/** The server in Node: what clients ask of it, and what only its own process can see. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "uvu";
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

test.run();
