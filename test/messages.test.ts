/**
 * What the core refuses, it refuses in the words of the commit in test/golden/messages.json: files with one thing wrong,
 * headers damaged at every place, calls that cannot be. test/support/refusals.ts has the cases.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import golden from "./golden/messages.json" with { type: "json" };
import { measureRefusals } from "./support/refusals.ts";

const stored: Record<string, string> = golden.values;
const { said, hashes } = measureRefusals();

test(`the words of ${golden.commit}`, () => {
  const changed = Object.entries(stored)
    .filter(([name]) => !name.startsWith("all of "))
    .flatMap(([name, words]) => (said.get(name) === words ? [] : [`${name}:\n  ${said.get(name)}\n  not ${words}`]));
  assert.is(changed.join("\n"), "");
});

for (const [group, hash] of hashes) {
  test(`${group}: every case is refused or taken as it was`, () => {
    assert.is(hash, stored[`all of ${group}`], "one of the cases that messages.json does not list has other words");
  });
}

test.run();
