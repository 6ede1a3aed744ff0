/**
 * What the core refuses, it refuses in the words of the commit in test/golden/messages.json: files with one thing wrong,
 * headers damaged at every place, calls that cannot be; and the package in those of api-messages.json. The cases are in
 * test/support/refusals.ts and api-refusals.ts.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import api from "./golden/api-messages.json" with { type: "json" };
import golden from "./golden/messages.json" with { type: "json" };
import { measureApiRefusals } from "./support/api-refusals.ts";
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

test(`the package's words of ${api.commit}`, async () => {
  const words = await measureApiRefusals();
  const changed = Object.entries(api.values as Record<string, string>).flatMap(([name, old]) =>
    words.get(name) === old ? [] : [`${name}:\n  ${words.get(name)}\n  not ${old}`],
  );
  assert.is(changed.join("\n"), "");
});

test.run();
