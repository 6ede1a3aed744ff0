/**
 * Writes what a known commit's build says, for tests that hold later ones against it:
 *
 *     LIMPET_BUILD=…/build node --import tsx test/golden/make-reference.ts COMMIT bits|messages|api-messages|sizes…
 *
 * Only to be run for cases that are new, with a build of the commit that the file names: a case that was there and comes
 * out different is refused. One that is meant to change is taken out of the file by hand first.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { measureApiRefusals } from "../support/api-refusals.ts";
import { bitsModels, measureBits } from "../support/bits.ts";
import { measureRefusals, templateOf } from "../support/refusals.ts";
import { measureSizes } from "../support/sizes.ts";

type Values = Map<string, string | number>;

/** How many cases of words that differ in numbers and names only are kept. */
const ALIKE = 2;

const [commit, ...parts] = process.argv.slice(2);
const MAKERS: Record<string, () => Values | Promise<Values>> = {
  bits,
  messages,
  "api-messages": measureApiRefusals,
  sizes: measureSizes,
};
if (!commit || !process.env.LIMPET_BUILD || !parts.length || parts.some((part) => !MAKERS[part])) {
  console.error(`LIMPET_BUILD=FOLDER node --import tsx test/golden/make-reference.ts COMMIT ${Object.keys(MAKERS).join("|")}`);
  process.exit(2);
}
for (const part of parts) write(part, await MAKERS[part]());

function bits(): Values {
  const hashes: Values = new Map();
  for (const model of bitsModels()) {
    const start = performance.now();
    const measured = measureBits(model);
    if (measured.torn.length) throw new Error(measured.torn.join("\n"));
    for (const [name, hash] of measured.hashes) {
      if (hashes.has(name)) throw new Error(`${name} stands there twice`);
      hashes.set(name, hash);
    }
    console.log(`${model.name}: ${measured.hashes.size} (${Math.round(performance.now() - start)} ms)`);
  }
  return hashes;
}

function messages(): Values {
  const { said: all, single, hashes } = measureRefusals();
  const kept: Values = new Map([...hashes].map(([group, hash]) => [`all of ${group}`, hash]));
  const seen = new Set<string>();
  const alike = new Map<string, number>();
  for (const [name, said] of all) {
    if (single.has(name)) kept.set(name, said);
    if (single.has(name) || seen.has(said)) continue;
    const template = (name.includes(",") ? name.split(",")[0] : "") + templateOf(said);
    const count = (alike.get(template) ?? 0) + 1;
    alike.set(template, count);
    seen.add(said);
    if (count > ALIKE) continue;
    kept.set(name, said);
  }
  return kept;
}

function write(part: string, values: Values): void {
  const file = new URL(`${part}.json`, import.meta.url);
  let old: { commit: string; values: Record<string, string | number> } = { commit, values: {} };
  try {
    old = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    console.log(`${part}.json is new`);
  }
  const wrong = [...values].filter(([name, value]) => (old.values[name] ?? value) !== value);
  if (old.commit !== commit) throw new Error(`${part}.json is of ${old.commit}`);
  if (wrong.length) throw new Error(wrong.map(([name, value]) => `${name}: ${value}, not ${old.values[name]}`).join("\n"));
  writeFileSync(file, `${JSON.stringify({ commit, values: Object.fromEntries(values) }, null, 1)}\n`);
  console.log(`${part}.json: ${values.size}`);
}
