/** docs/embedding.md: its tables of the ABI are those of the source, and name every export of the built core. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { abiTables } from "../scripts/boundary.mjs";
import { wasmBytes } from "./support/core.ts";

const page = readFileSync(new URL("../docs/embedding.md", import.meta.url), "utf8");

test("the tables are those of the source (else: node scripts/boundary.mjs)", () => {
  assert.ok(page.includes(abiTables()));
});

test("every export of the core is in a table", () => {
  const exports = WebAssembly.Module.exports(new WebAssembly.Module(wasmBytes("limpet.wasm")));
  const functions = exports.filter(({ kind }) => kind === "function").map(({ name }) => name);
  assert.equal(
    functions.filter((name) => !page.includes(`| \`${name}(`)),
    [],
  );
});

test("the version of the ABI is the one that the page and the changelog tell", () => {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasmBytes("limpet.wasm")));
  const version = (exports.abi_version as () => number)();
  assert.match(page, `\`abi_version()\` is ${version}.`);
  assert.match(readFileSync(new URL("../CHANGELOG.md", import.meta.url), "utf8"), `\`abi_version()\` is ${version}`);
});

test.run();
