/** Nothing from a file reaches a terminal as a terminal obeys it: keys, names of tensors, values, errors. */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf, floatTensor } from "../scripts/gguf-writer.mjs";
import { escapeLine, escapeText } from "../src/host/escape.ts";
import { temporaryFile } from "./support/models.ts";

/** A title, a line of its own, C1, text turned round, a character without width, an end of line that is none. */
const EVIL = "\x1b]0;owned\x07\r\nlimpet: ok\x7f\u009b31m\u202eback\u2066\u200b\u2028\ufeff";
const UNFIT = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;
const MODEL = temporaryFile(
  "evil.gguf",
  encodeGguf({
    metadata: [
      ["general.architecture", "string", EVIL],
      [`key${EVIL}`, "string", `value${EVIL}`],
      ["list", "string[]", [EVIL, "plain"]],
    ] as never,
    tensors: [floatTensor(`t${EVIL}`.slice(0, 20), [32, 2], new Float32Array(64))],
  }),
);
const CLI = fileURLToPath(new URL("../build/js/cli.js", import.meta.url));
const WASI = fileURLToPath(new URL("../build/limpet.wasi.wasm", import.meta.url));
const RUNNER = fileURLToPath(new URL("support/wasi-node.mjs", import.meta.url));

const run = (args: string[]) => {
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  return [stdout, stderr];
};
const node = (name: string, ...flags: string[]) => run([CLI, name, MODEL, ...flags]);
const wasi = (name: string, ...flags: string[]) =>
  run(["--no-warnings", RUNNER, WASI, JSON.stringify({ data: dirname(MODEL) }), name, "data/evil.gguf", ...flags]);

test("inspect shows what a file's texts hold, in tables and as JSON, in Node and WASI", () => {
  for (const host of [node, wasi]) {
    const [table, none] = host("inspect");
    assert.is(none, "");
    for (const line of table.split("\n")) assert.not.match(line, UNFIT);
    assert.match(table, /key\\u001b\]0;owned\\u0007\\u000d\\u000alimpet: ok\\u007f\\u009b31m\\u202eback\\u2066\\u200b/);
    assert.match(table, /\nt\\u001b\]0;owned/);
    const [json] = host("inspect", "--json");
    for (const line of json.split("\n")) assert.not.match(line, UNFIT);
    const { metadata, tensors } = JSON.parse(json);
    assert.is(metadata[`key${EVIL}`], `value${EVIL}`);
    assert.equal(metadata["list"], [EVIL, "plain"]);
    assert.is(tensors[0].name, `t${EVIL}`.slice(0, 20));
  }
  assert.is(node("inspect", "--json")[0], wasi("inspect", "--json")[0]);
});

test("errors that name what a file holds are one line", () => {
  for (const [out, words] of [node("generate", "-p", "a"), wasi("generate", "-p", "a")]) {
    assert.is(out, "");
    assert.match(words, /^limpet: [^\n]+\n$/);
    assert.not.match(words.slice(0, -1), UNFIT);
  }
  const folder = join(dirname(MODEL), "evil");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), JSON.stringify({ model_type: EVIL }));
  writeFileSync(join(folder, "model.safetensors"), Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d]));
  const [, words] = run([CLI, "convert", folder, join(folder, "out.gguf")]);
  assert.match(words, /^limpet: [^\n]+\n$/);
  assert.not.match(words.slice(0, -1), UNFIT);
});

test("words of a command line come back escaped, in Node and WASI", () => {
  for (const words of [["inspect", EVIL], ["tokenize", EVIL], ["perplexity", "a", "b", EVIL], [EVIL]]) {
    for (const [out, said] of [run([CLI, ...words]), run(["--no-warnings", RUNNER, WASI, "{}", ...words])]) {
      assert.is(out, "");
      assert.match(said, /^limpet: /);
      if (words.length > 2) assert.match(said, /\\u001b\]0;owned/);
      for (const line of said.split("\n")) assert.not.match(line, UNFIT);
    }
  }
});

test("a text keeps its lines, a line keeps its letters", () => {
  assert.is(escapeText("one\n\ttwo\x1b[2J"), "one\n\ttwo\\u001b[2J");
  assert.is(escapeLine("one\ntwo"), "one\\u000atwo");
  const family = "👩‍👩‍👧 é 中 ﬁ 🌊";
  assert.is(escapeText(family), family);
  assert.is(JSON.parse(escapeLine(JSON.stringify(EVIL + family))), EVIL + family);
});

test.run();
