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

test("every other case is refused in its old words, or taken as it was", () => {
  const changed = [...hashes].flatMap(([group, hash]) => (stored[`all of ${group}`] === hash ? [] : [group]));
  assert.equal(changed, [], "groups of test/support/refusals.ts with a case that messages.json does not list");
});

test(`the package's words of ${api.commit}`, async () => {
  const words = await measureApiRefusals();
  const changed = Object.entries(api.values as Record<string, string>).flatMap(([name, old]) =>
    words.get(name) === old ? [] : [`${name}:\n  ${words.get(name)}\n  not ${old}`],
  );
  assert.is(changed.join("\n"), "");
});

test.run();
