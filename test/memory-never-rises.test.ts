/**
 * Memory may fall and never rises: models and contexts of a table of shapes take at most the bytes that they took at the
 * commit in test/golden/sizes.json. test/support/sizes.ts has the shapes.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import golden from "./golden/sizes.json" with { type: "json" };
import { measureSizes } from "./support/sizes.ts";

const stored: Record<string, number> = golden.values;

/** Names of sizes that are meant to have risen, with what they may be and why. */
const PROGRAM =
  "a program has a record for each step and value; contexts, which have no table of buffers now, fell by more";
const FIELDS = `${PROGRAM}; ropes, windows and experts gave the records of steps, weights and tensors some fields`;
const RISEN: Record<string, [bytes: number, why: string]> = {
  "memoryformer-tiny Q8_0: header": [97472, FIELDS],
  "memoryformer-tiny Q4_0: header": [97472, FIELDS],
  "memoryformer-467m Q8_0: header": [2299904, FIELDS],
};

test(`no model and no context takes more than at ${golden.commit}`, () => {
  const sizes = measureSizes();
  const risen = [...sizes].flatMap(([name, bytes]) => {
    const most = RISEN[name]?.[0] ?? stored[name];
    return bytes <= most ? [] : [`${name}: ${bytes} bytes, and ${most} before`];
  });
  assert.is(risen.join("\n"), "");
  assert.equal(
    Object.keys(stored).filter((name) => !sizes.has(name)),
    [],
    "no shape is forgotten",
  );
});

test.run();
