/**
 * WAMR: the command under its classic interpreter, which has no SIMD and refuses a module with it, and under the fast
 * one, built with SIMD; and the memory of the build for microcontrollers, which WAMR cuts to the byte.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BUILDS } from "../../scripts/builds.mjs";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import {
  conform,
  embedIn,
  logitsArguments,
  type Reference,
  recite,
  reference,
  textArguments,
  vectorArguments,
  vectorsWritten,
} from "./conformance.ts";
import { outcome, output, ROOT, withTools, workFolder } from "./tools.ts";

const WORK = workFolder("wamr");
const COMMAND = join(ROOT, "build/limpet.wasi.wasm");
const SCALAR = join(ROOT, "build/limpet.wasi.scalar.wasm");

function logits(program: string, wasm: string, model: Reference & { path: string }): Uint8Array {
  const out = join(WORK, `${model.name}.f32`);
  output(program, "--dir=build", wasm, ...logitsArguments(relative(ROOT, model.path), model, relative(ROOT, out)));
  return new Uint8Array(readFileSync(out));
}

const text = (program: string, wasm: string, path: string): string =>
  output(program, "--dir=build", wasm, ...textArguments(relative(ROOT, path)));

const vectors = (program: string, wasm: string, path: string): Float32Array =>
  vectorsWritten(output(program, "--dir=build", wasm, ...vectorArguments(relative(ROOT, path))));

withTools(["iwasm"], (classic) => {
  const host = output(classic, "--version").trim().replace("iwasm", "WAMR");

  conform({ host, build: "scalar, classic interpreter" }, (model) => logits(classic, SCALAR, model));
  recite({ host, build: "scalar, classic interpreter" }, (path) => text(classic, SCALAR, path));
  embedIn({ host, build: "scalar, classic interpreter" }, (path) => vectors(classic, SCALAR, path));

  test("the classic interpreter writes the microcontrollers' model's text", () => {
    const { path } = reference("stories260K-q8_0");
    if (path === null) return;
    const said = output(
      classic,
      "--dir=build",
      SCALAR,
      "generate",
      relative(ROOT, path),
      "-p",
      stories.prompt,
      "-n",
      "30",
      "--temp",
      "0",
    );
    assert.ok(stories.text.startsWith(said.trimEnd()) && said.length > 40, said);
  });

  test("the classic interpreter refuses the build with SIMD before it runs", () => {
    const { status, stderr } = outcome(classic, "--dir=build", COMMAND, "doctor");
    assert.is(status, 1);
    // It names SIMD or the first type that it does not know, whichever the module shows it first.
    assert.match(stderr, /module load failed/i);
  });

  test("WAMR gives limpet.mcu.wasm the bytes up to __heap_base, not whole pages", () => {
    const { endsAt, initialPages } = BUILDS.mcu.memory!;
    const bytes = Number(output(classic, "--memory", join(ROOT, "build/limpet.mcu.wasm")));
    assert.is(bytes, endsAt);
    assert.ok(bytes < initialPages! * 65536);
  });
});

withTools(["iwasm-simd"], (fast) => {
  const host = output(fast, "--version").trim().replace("iwasm", "WAMR");
  conform({ host, build: "portable, fast interpreter with SIMD" }, (model) => logits(fast, COMMAND, model));
  conform({ host, build: "scalar, fast interpreter" }, (model) => logits(fast, SCALAR, model));
  recite({ host, build: "portable, fast interpreter with SIMD" }, (path) => text(fast, COMMAND, path));
  recite({ host, build: "scalar, fast interpreter" }, (path) => text(fast, SCALAR, path));
  embedIn({ host, build: "portable, fast interpreter with SIMD" }, (path) => vectors(fast, COMMAND, path));
  embedIn({ host, build: "scalar, fast interpreter" }, (path) => vectors(fast, SCALAR, path));
});

test.run();
