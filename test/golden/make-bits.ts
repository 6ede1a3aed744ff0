/**
 * Writes test/golden/bits.json: the hash of every case of test/support/bits.ts, as a build of a known commit gives it.
 *
 *     LIMPET_BUILD=…/build node --import tsx test/golden/make-bits.ts COMMIT
 *
 * Only to be run for a case that is new, with a build of the commit that the file names: a hash that was there and comes
 * out different is refused.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { bitsModels, measureBits } from "../support/bits.ts";

const FILE = new URL("bits.json", import.meta.url);
const commit = process.argv[2];
if (!commit || !process.env.LIMPET_BUILD) {
  console.error("LIMPET_BUILD=FOLDER node --import tsx test/golden/make-bits.ts COMMIT");
  process.exit(2);
}

interface Golden {
  commit: string;
  hashes: Record<string, string>;
}

let old: Golden = { commit, hashes: {} };
try {
  old = JSON.parse(readFileSync(FILE, "utf8"));
} catch {
  console.log("a new file");
}
const hashes: Record<string, string> = {};
const wrong: string[] = [];
for (const model of bitsModels()) {
  const start = performance.now();
  const measured = measureBits(model);
  wrong.push(...measured.torn);
  for (const [name, hash] of measured.hashes) {
    if (hashes[name] !== undefined) wrong.push(`${name} stands there twice`);
    if ((old.hashes[name] ?? hash) !== hash) wrong.push(`${name} was ${old.hashes[name]} and is ${hash}`);
    hashes[name] = hash;
  }
  console.log(`${model.name}: ${measured.hashes.size} (${Math.round(performance.now() - start)} ms)`);
}
if (wrong.length) {
  console.error(wrong.join("\n"));
  process.exit(1);
}
writeFileSync(FILE, `${JSON.stringify({ commit, hashes }, null, 1)}\n`);
