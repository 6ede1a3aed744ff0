/** Node: the host that the tests themselves run in, by its core and by the package; and its other versions. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { conform, embedIn, hashOf, logitsHere, recite, textHere, vectorsHere } from "./conformance.ts";
import { javascriptHost, runProcess } from "./javascript.ts";
import { output, withTools } from "./tools.ts";

test("the hash is FNV-1a of 64 bits", () => {
  assert.is(hashOf(new Uint8Array()), "cbf29ce484222325");
  assert.is(hashOf(new TextEncoder().encode("a")), "af63dc4c8601ec8c");
  assert.is(hashOf(new TextEncoder().encode("foobar")), "85944171f73967e8");
});

for (const build of ["portable", "scalar"] as const) {
  conform({ host: `Node ${process.versions.node}`, build }, (model) => logitsHere(build, model));
  recite({ host: `Node ${process.versions.node}`, build }, (path) => textHere(build, path));
  embedIn({ host: `Node ${process.versions.node}`, build }, (path) => vectorsHere(build, path));
}

const HAS = { paths: true, workers: true };

/** The package itself, in this Node and in the others. */
javascriptHost(`Node ${process.versions.node}`, "package", HAS, (job) => runProcess(process.execPath, [], job));
for (const name of ["node22", "node24", "node26"]) {
  withTools([name], (node) => {
    const version = output(node, "--version").trim().slice(1);
    javascriptHost(`Node ${version}`, "package", HAS, (job) => runProcess(node, [], job));
  });
}

test.run();
