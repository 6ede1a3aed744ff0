/**
 * wasmtime: the core under its Python library, the command under its command line, both compiled (Cranelift) and
 * interpreted (Pulley); and compiled for aarch64, run by an emulator.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import {
  conform,
  conformFast,
  DECODER_TEXT_NAMES,
  embedIn,
  logitsArguments,
  PROMPT,
  type Reference,
  recite,
  reference,
  TEXT_TOKENS,
  textArguments,
  vectorArguments,
  vectorsWritten,
} from "./conformance.ts";
import { outcome, output, ROOT, withTools, workFolder } from "./tools.ts";
import { unpackWheel } from "./wheel.ts";

const WORK = workFolder("wasmtime");
const CORE = join(ROOT, "build/limpet.wasm");
const COMMAND = join(ROOT, "build/limpet.wasi.wasm");
const FAST = join(ROOT, "build/limpet.wasi.relaxed.wasm");
const SCALAR = join(ROOT, "build/limpet.wasi.scalar.wasm");
const TEXT = stories.text.slice(0, 60);

withTools(["python3:wasmtime", "python3:hatchling"], (python) => {
  const words = "import importlib.metadata as m; print(m.version('wasmtime'))";
  const version = output(python, "-c", words).trim();

  process.env.PYTHONPATH = unpackWheel(python);

  for (const engine of ["cranelift", "pulley64"]) {
    const host = { host: `wasmtime ${version} (Python)`, build: `portable, ${engine}` };
    conform(host, ({ name, path, tokens }) => {
      const out = join(WORK, `${name}-${engine}.f32`);
      output(python, "test/hosts/logits.py", engine, CORE, path, tokens.join(","), out);
      return new Uint8Array(readFileSync(out));
    });
    recite(
      host,
      (path) => output(python, "test/hosts/text.py", engine, CORE, path, PROMPT, `${TEXT_TOKENS}`),
      DECODER_TEXT_NAMES,
    );
  }
});

/** The logits that a run of the command leaves; the folder build/ is what it may see. */
function logits(run: string[], model: Reference & { path: string }): Uint8Array {
  const out = join(WORK, `${model.name}.f32`);
  const [program, ...first] = run;
  output(program, ...first, ...logitsArguments(relative(ROOT, model.path), model, relative(ROOT, out)));
  return new Uint8Array(readFileSync(out));
}

const text = ([program, ...first]: string[], path: string): string =>
  output(program, ...first, ...textArguments(relative(ROOT, path)));

const vectors = ([program, ...first]: string[], path: string): Float32Array =>
  vectorsWritten(output(program, ...first, ...vectorArguments(relative(ROOT, path))));

withTools(["wasmtime"], (wasmtime) => {
  const host = output(wasmtime, "--version").split(" ").slice(0, 2).join(" ");
  const run = [wasmtime, "run", "--dir", "build"];

  test("wasmtime run generates text", () => {
    const { path } = reference("stories260K");
    if (path === null) return;
    const args = ["generate", relative(ROOT, path), "-p", stories.prompt, "-n", "30", "--temp", "0"];
    const said = output(run[0], ...run.slice(1), COMMAND, ...args);
    assert.ok(said.length > 40 && TEXT.startsWith(said.trimEnd().slice(0, 60)), said);
  });

  for (const [build, command] of Object.entries({
    "portable, Cranelift": [...run, COMMAND],
    "portable, Pulley": [...run, "--target", "pulley64", COMMAND],
    "scalar, Cranelift without SIMD": [...run, "-W", "relaxed-simd=n", "-W", "simd=n", SCALAR],
  })) {
    conform({ host, build }, (model) => logits(command, model));
    recite({ host, build }, (path) => text(command, path));
    embedIn({ host, build }, (path) => vectors(command, path));
  }

  // Where relaxed instructions have the agreed results, a dot that promises nothing gives another number than x86's own,
  // which is what the core chooses by.
  const agreed = ["-W", "relaxed-simd-deterministic=y"];
  conformFast({ host, build: "fast, Cranelift" }, (model) => logits([...run, FAST], model));
  conformFast({ host, build: "fast, Cranelift, the agreed results" }, (model) =>
    logits([...run, ...agreed, FAST], model),
  );

  test("the fast build sums bytes in pairs and in quads: the doctor finds the same bits", () => {
    const said = output(wasmtime, "run", FAST, "doctor");
    assert.match(said, /fast build \(relaxed SIMD128\)/);
    assert.match(said, /(\d+) of \1 block formats multiply right/);
    const quads = output(wasmtime, "run", ...agreed, FAST, "doctor");
    assert.match(quads, /summed in quads/);
    assert.is(quads.match(/^kernels.*$/m)?.[0], said.match(/^kernels.*$/m)?.[0]);
  });

  test("each command of WASI says which file another build is", () => {
    const { path } = reference("plm-1m-q4_0");
    const words = (build: string) => ["logits", relative(ROOT, path as string), "--tokens", "1", "--build", build];
    for (const [file, build, said] of [
      [FAST, "portable", "the fast build; the portable one is limpet.wasi.wasm"],
      [FAST, "scalar", "the fast build; the scalar one is limpet.wasi.scalar.wasm"],
      [COMMAND, "fast", "the portable build; the fast one is limpet.wasi.relaxed.wasm"],
    ]) {
      const { status, stderr } = outcome(
        wasmtime,
        "run",
        "--dir",
        "build",
        file,
        ...words(build),
        "--out",
        "build/none",
      );
      assert.equal([status, stderr], [1, `limpet: this file is ${said}\n`]);
    }
  });

  const compiled = join(WORK, "limpet.aarch64.cwasm");
  test("wasmtime compiles for aarch64", () => {
    output(wasmtime, "compile", "--target", "aarch64-unknown-linux-gnu", "-o", compiled, COMMAND);
  });
  withTools(["qemu-aarch64", "wasmtime-aarch64"], (emulator, program) => {
    const there = [emulator, "-L", "/usr/aarch64-linux-gnu", program, "run", "--allow-precompiled", "--dir", "build"];
    const row = { host: `${host} on aarch64 (qemu)`, build: "portable, compiled ahead" };
    conform(row, (model) => logits([...there, compiled], model));
    recite(row, (path) => text([...there, compiled], path));
    embedIn(row, (path) => vectors([...there, compiled], path));

    const fast = join(WORK, "limpet.relaxed.aarch64.cwasm");
    test("the fast build on aarch64: both ways to sum bytes give x86's bits", () => {
      output(wasmtime, "compile", "--target", "aarch64-unknown-linux-gnu", "-o", fast, FAST);
      const [here, away] = [
        [wasmtime, "run", FAST],
        [...there, fast],
      ].map(([program, ...first]) => output(program, ...first, "doctor").match(/^kernels.*$/m)?.[0]);
      assert.is(away, here);
    });
    conformFast({ host: row.host, build: "fast, compiled ahead" }, (model) => logits([...there, fast], model));
  });
});

test.run();
