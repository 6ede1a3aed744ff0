/** The host that the tests themselves run in: both builds, and the hash of the conformance check. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { conform, hashOf, logitsHere } from "./conformance.ts";

test("the hash is FNV-1a of 64 bits", () => {
  assert.is(hashOf(new Uint8Array()), "cbf29ce484222325");
  assert.is(hashOf(new TextEncoder().encode("a")), "af63dc4c8601ec8c");
  assert.is(hashOf(new TextEncoder().encode("foobar")), "85944171f73967e8");
});

for (const build of ["portable", "scalar"] as const) {
  conform({ host: `Node ${process.versions.node}`, build }, (model) => logitsHere(build, model));
}

test.run();
