/**
 * Not one bit of an answer moves: every way through a pass (test/support/bits.ts) gives the bits that the build of the
 * commit in test/golden/bits.json gave, in both builds. Alone: `npx tsx test/bits.test.ts [WORDS OF A MODEL'S NAME]`.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import golden from "./golden/bits.json" with { type: "json" };
import { bitsModels, measureBits } from "./support/bits.ts";

const stored: Record<string, string> = golden.values;
const words = process.argv.slice(2).join(" ");
const seen = new Set<string>();

for (const model of bitsModels().filter(({ name }) => name.includes(words))) {
  test(`${model.name}: the bits of ${golden.commit}`, () => {
    const { hashes, torn } = measureBits(model);
    for (const [name, hash] of hashes) {
      seen.add(name);
      if (stored[name] !== hash) torn.push(`${name}: ${hash}, not ${stored[name] ?? "to be found in bits.json"}`);
    }
    assert.is(torn.join("\n"), "");
  });
}

test("no stored hash is forgotten", () => {
  if (words) return;
  assert.equal(
    Object.keys(stored).filter((name) => !seen.has(name)),
    [],
  );
});

test.run();
