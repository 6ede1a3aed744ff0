/**
 * Every architecture that the core runs has what it is tested with: an entry in scripts/architectures.mjs, or of an
 * encoder in scripts/encoders.mjs, a small model that loads and generates, a forward in the oracle, the oracle's logits
 * or vectors, its printed program, a converter.
 */
import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ARCHITECTURES, architectureOf, NAMES, SHAPES, TINY, tinyOf } from "../scripts/architectures.mjs";
import { PAIR_NAMES } from "../scripts/encoder-decoders.mjs";
import { ENCODER_NAMES, ENCODER_SHAPES, ENCODERS, tinyEncoder } from "../scripts/encoders.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { REFUSED } from "../scripts/refused-architectures.mjs";
import { convert } from "../src/convert.ts";
import encoders from "./golden/encoders.json" with { type: "json" };
import llama from "./golden/llama.cpp-names.json" with { type: "json" };
import golden from "./golden/logits.json" with { type: "json" };
import { key } from "./support/changes.ts";
import { checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { Code, Engine, EngineError, modelBytes, prompt, refuses, spread } from "./support/engine.ts";
import { errorOf, temporaryFile } from "./support/models.ts";
import { programFile, programOf } from "./support/programs.ts";

const engine = new Engine("portable");
/** Every architecture with its small model. */
const SMALL = [
  ...NAMES.map((name) => [name, tinyOf(name)] as const),
  ...ENCODER_NAMES.map((name) => [name, tinyEncoder(name)] as const),
];

/** The names that the core's registry has, from what it says to one that it has not. */
function registered(): string[] {
  const file = makeModel(TINY[0], "F32");
  key("general.architecture", "none of them", "string")(file);
  try {
    engine.load(encodeGguf(file));
  } catch (error) {
    if (error instanceof EngineError) return error.message.replace(/^.*limpet runs /, "").split(", ");
    throw error;
  }
  throw new Error("an unknown architecture loads");
}

test("the lists have the architectures of the core, in the order of its registry", () => {
  assert.equal([...NAMES, ...ENCODER_NAMES, ...PAIR_NAMES], registered());
});

test("each architecture that llama.cpp knows is run, or refused by a name that docs/models.md explains", () => {
  const ours = new Set<string>([...NAMES, ...ENCODER_NAMES, ...PAIR_NAMES]);
  const refused = Object.values(REFUSED).flat();
  const missing = llama.names.filter((name) => !ours.has(name));
  assert.equal([...refused].sort(), missing.sort());
  for (const name of refused) {
    const file = makeModel(TINY[0], "F32");
    key("general.architecture", name, "string")(file);
    refuses(() => engine.load(encodeGguf(file)), Code.UNSUPPORTED, new RegExp(`architecture ${name} is not supported`));
  }
});

test("made models have one name each, and the first of each architecture is small", () => {
  const kinds = [ARCHITECTURES, ENCODERS].flatMap((list) =>
    Object.values(list).flatMap(({ shapes }) => Object.keys(shapes)),
  );
  assert.is(new Set(kinds).size, kinds.length);
  for (const [name, kind] of SMALL) {
    assert.is(SHAPES[kind].architecture, name);
    assert.ok(modelBytes(kind, "F32").length < 20e6, kind);
  }
});

test("the oracle has a forward of each, and no other", () => {
  const files = readdirSync(new URL("oracle/architectures/", import.meta.url)).filter((name) => name.endsWith(".py"));
  assert.equal(
    files.map((name) => name.replace(/\.py$/, "")).sort(),
    [...NAMES, ...ENCODER_NAMES, ...PAIR_NAMES].sort(),
  );
});

for (const [name, kind] of SMALL) {
  test(`${name}: what the oracle says is stored for each type of the list`, () => {
    const { models } = kind in ENCODER_SHAPES ? encoders : golden;
    const stored = models.filter((model) => model.kind === kind).map(({ type }) => type);
    assert.equal(stored, [...architectureOf(kind).types]);
  });

  test(`${name}: its program reads as it is written down (npm run goldens -- programs)`, async () => {
    assert.fixture(await programOf(name), readFileSync(programFile(name), "utf8"));
  });
}

for (const name of NAMES) {
  const kind = tinyOf(name);

  test(`${name}: its model loads, and its logits are finite`, () => {
    const model = engine.load(modelBytes(kind, "F32"));
    const context = model.context();
    const rows = context.run(prompt(spread(9)));
    assert.ok(rows.every((row) => row.every(Number.isFinite)));
    context.release();
    model.release();
  });
}

test("what is converted is what the core runs", async () => {
  const { parts } = checkpointOf(TINY[0]);
  parts.config["model_type"] = "none of them";
  const error = await errorOf(() => convert(writeCheckpoint("unknown", parts), temporaryFile("unknown.gguf")));
  const encoders = ENCODER_NAMES.filter((name) => ENCODERS[name].checkpoint);
  const converted = NAMES.filter((name) => ARCHITECTURES[name].checkpoint);
  assert.equal(error.message.replace(/^.* but /, "").split(", "), [...converted, ...encoders, "t5", "mu"]);
});

test.run();
