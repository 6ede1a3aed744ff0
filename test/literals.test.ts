/**
 * The core's literals lie as bytes (scripts/literals.mjs): in every build, and what cannot lie so is refused.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { wasmBytes } from "./support/core.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BUILDS = readdirSync(join(ROOT, "build")).filter((file) => file.endsWith(".wasm"));

for (const file of BUILDS) {
  test(`${file} holds words as ASCII, and none as UTF-16`, () => {
    const bytes = Buffer.from(wasmBytes(file));
    // Words of an error: of models, or of graphs.
    const words = `${file.includes("graph") ? "is quantised block by block, which limpet lacks" : "convert the model anew"}\0`;
    assert.ok(bytes.includes(words));
    assert.not(bytes.includes(Buffer.from(words.slice(0, -1), "utf16le")));
    // No table has eight small letters in a row either.
    assert.is(/(?:[a-z]\0){8}/.exec(bytes.toString("latin1")), null);
  });

  test(`${file} holds a literal once, though several places name it`, () => {
    const bytes = Buffer.from(wasmBytes(file));
    const words = "\0general.architecture\0";
    assert.is(bytes.indexOf(words), bytes.lastIndexOf(words));
  });
}

/** What asc answers to an entry file of these lines. */
function compile(...lines: string[]): { status: number | null; said: string } {
  const folder = mkdtempSync(join(tmpdir(), "limpet-literals-"));
  try {
    const entry = join(folder, "entry.ts");
    writeFileSync(entry, `${lines.join("\n")}\n`);
    const asc = join(ROOT, "node_modules/assemblyscript/bin/asc.js");
    const words = [
      asc,
      entry,
      "--transform",
      "./scripts/literals.mjs",
      "--runtime",
      "stub",
      "--use",
      "abort=",
      "--noEmit",
    ];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: ROOT, encoding: "utf8" });
    return { status, said: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a literal is an address, a string's type is usize", () => {
  const { status, said } = compile(
    "export function first(): u32 {",
    '  const words: string = "words";',
    "  return load<u8>(words) + load<u8>(`more`);",
    "}",
  );
  assert.is(status, 0, said);
});

for (const [what, line] of [
  ["a NUL within a literal", 'export const words: string = "ends\\0here";'],
  ["a template with expressions", `export const words: string = \`ends $\{1} here\`;`],
  ["a sum of literals", 'export const words: string = "ends" + "here";'],
]) {
  test(`${what} is refused, with file and line`, () => {
    const { status, said } = compile("// a comment", line);
    assert.is.not(status, 0);
    assert.match(said, /entry\.ts:2: .* is not for the core/);
  });
}

test.run();
