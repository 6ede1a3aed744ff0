/**
 * What each build promises before a line of it runs: imports, exports, features, globals, size.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BUILDS, EXTRAS, RELAXED_SHARE } from "../scripts/builds.mjs";
import { wasmBytes } from "./support/core.ts";
import { type Feature, features, mutableGlobals, opcodes, SMALL } from "./support/wasm.ts";

const filesOf = (entry: string) =>
  Object.values(BUILDS)
    .filter((build) => build.entry === entry && (entry === "threads" || !build.features.includes("relaxed-simd")))
    .map(({ file }) => file);
const LIBRARIES = filesOf("library");
const SHARED = filesOf("threads");
const COMMANDS = filesOf("command");
const GRAPHS = filesOf("graph");
const GRAPH_COMMANDS = filesOf("graph_command");
const [MEMORY_SIZE, MEMORY_GROW] = [0x3f, 0x40];

const names = (list: { name: string; kind: string }[]) => list.map(({ name, kind }) => `${kind} ${name}`).sort();
const beyond = (file: string, allowed: Feature[]) =>
  features(wasmBytes(file)).filter((used) => !allowed.includes(used));
const compiled = (file: string) => new WebAssembly.Module(wasmBytes(file));

for (const file of [...LIBRARIES, ...GRAPHS]) {
  test(`${file} imports nothing`, () => {
    assert.equal(WebAssembly.Module.imports(compiled(file)), []);
  });

  test(`${file} exports functions and its memory, and starts nothing`, () => {
    const exports = WebAssembly.Module.exports(compiled(file));
    const others = exports.filter(({ kind }) => kind !== "function");
    assert.equal(names(others), ["memory memory"]);
    assert.not(
      exports.some(({ name }) => name.startsWith("_")),
      "no _start, no _initialize, no runtime",
    );
  });
}

{
  // Node 20 has relaxed SIMD behind a flag only.
  const file = "limpet.relaxed.wasm";
  const where = WebAssembly.validate(wasmBytes(file)) ? test : test.skip;

  where(`${file} imports nothing and has the exports of the portable build`, () => {
    assert.equal(WebAssembly.Module.imports(compiled(file)), []);
    const exports = names(WebAssembly.Module.exports(compiled(file)));
    assert.equal(exports, names(WebAssembly.Module.exports(compiled("limpet.wasm"))));
  });

  test(`${file} needs relaxed SIMD, and no feature beyond`, () => {
    assert.equal(beyond(file, [...SMALL, "simd"]), ["relaxed simd"]);
  });
}

for (const file of SHARED) {
  // Node 20 has relaxed SIMD behind a flag only.
  const where = WebAssembly.validate(wasmBytes(file)) ? test : test.skip;

  where(`${file} imports a shared memory, and nothing else`, () => {
    assert.equal(WebAssembly.Module.imports(compiled(file)), [{ module: "env", name: "memory", kind: "memory" }]);
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
    assert.is(new WebAssembly.Instance(compiled(file), { env: { memory } }).exports.memory, memory);
  });

  where(`${file} has the exports of the portable build but for the kernels, and those of its threads`, () => {
    const exports = names(WebAssembly.Module.exports(compiled(file)));
    const others = exports.filter((name) => !name.startsWith("function thread_"));
    const portable = names(WebAssembly.Module.exports(compiled("limpet.wasm")));
    assert.equal(
      others,
      portable.filter((name) => !name.startsWith("function kernel_")),
    );
    assert.ok(exports.length > others.length);
  });
}

for (const file of [...COMMANDS, ...GRAPH_COMMANDS]) {
  test(`${file} imports wasi_snapshot_preview1 alone`, () => {
    const modules = new Set(WebAssembly.Module.imports(compiled(file)).map(({ module }) => module));
    modules.delete("wasi_snapshot_preview1");
    assert.equal([...modules], []);
  });

  test(`${file} exports _start and its memory`, () => {
    assert.equal(names(WebAssembly.Module.exports(compiled(file))), ["function _start", "memory memory"]);
  });
}

test("the portable and the scalar build have the same exports", () => {
  const [portable, scalar] = LIBRARIES.map((file) => names(WebAssembly.Module.exports(compiled(file))));
  assert.equal(scalar, portable);
});

test("the two builds for graphs have the same exports", () => {
  const [portable, scalar] = GRAPHS.map((file) => names(WebAssembly.Module.exports(compiled(file))));
  assert.equal(scalar, portable);
});

test("two commands have the same imports", () => {
  for (const twins of [COMMANDS, GRAPH_COMMANDS]) {
    const [portable, scalar] = twins.map((file) => names(WebAssembly.Module.imports(compiled(file))));
    assert.equal(scalar, portable);
  }
});

for (const file of [
  "limpet.scalar.wasm",
  "limpet.wasi.scalar.wasm",
  "limpet.graph.scalar.wasm",
  "limpet.graph.wasi.scalar.wasm",
  "limpet.graph.mcu.wasm",
]) {
  test(`${file} has no v128 instruction, nor anything else that small interpreters lack`, () => {
    assert.equal(beyond(file, SMALL), []);
  });
}

for (const file of ["limpet.wasm", "limpet.wasi.wasm", "limpet.graph.wasm", "limpet.graph.wasi.wasm"]) {
  test(`${file} needs no feature beyond SIMD128`, () => {
    assert.equal(beyond(file, [...SMALL, "simd"]), []);
  });
}

test("limpet.graph.mcu.wasm has a memory that never grows, whose end two constants tell, and the exports of its twin", () => {
  const used = opcodes(wasmBytes("limpet.graph.mcu.wasm"));
  assert.not(used.has(MEMORY_SIZE) || used.has(MEMORY_GROW));
  const { exports } = new WebAssembly.Instance(compiled("limpet.graph.mcu.wasm"));
  assert.is((exports.__heap_base as WebAssembly.Global).value, BUILDS["graph-mcu"].memory!.endsAt);
  const twin = WebAssembly.Module.exports(compiled("limpet.graph.scalar.wasm")).map(({ name }) => name);
  assert.equal(Object.keys(exports).sort(), [...twin, "__heap_base", "__data_end"].sort());
});

test("limpet.wasi.relaxed.wasm needs relaxed SIMD, and no feature beyond", () => {
  assert.equal(beyond("limpet.wasi.relaxed.wasm", [...SMALL, "simd"]), ["relaxed simd"]);
});

test("limpet.threads.wasm needs SIMD128 and atomics, no relaxed instruction", () => {
  assert.equal(beyond("limpet.threads.wasm", [...SMALL, "simd"]), ["threads"]);
});

test("limpet.relaxed.threads.wasm needs no feature beyond these and relaxed SIMD", () => {
  assert.equal(beyond("limpet.relaxed.threads.wasm", [...SMALL, "simd", "relaxed simd", "threads"]), []);
});

test("the check of features sees v128 and relaxed instructions", () => {
  const zero = [0xfd, 0x0c, ...new Array(16).fill(0)]; // v128.const
  assert.equal(features(moduleOf([...zero, 0x1a])), ["mvp", "simd"]);
  const swizzle = [0xfd, 0x80, 0x02]; // i8x16.relaxed_swizzle
  assert.equal(features(moduleOf([...zero, ...zero, ...swizzle, 0x1a])), ["mvp", "relaxed simd", "simd"]);
});

// Another worker's instance has its own globals: whatever changes must lie in a record.
for (const file of [...LIBRARIES, ...SHARED, ...COMMANDS, ...GRAPHS, ...GRAPH_COMMANDS]) {
  test(`${file} has no global that changes`, () => {
    assert.not(mutableGlobals(wasmBytes(file)).includes(true));
  });
}

for (const { file, limit, twin, extras } of Object.values(BUILDS)) {
  const share = twin ? `, and at most ${RELAXED_SHARE} times ${BUILDS[twin].file}` : "";

  test(`${file} has at most ${limit.toLocaleString("en")} bytes${share}`, () => {
    const size = wasmBytes(file).length;
    assert.ok(size <= limit, `${size} bytes: builds.json allows ${limit}`);
    if (!twin) return;
    const most = RELAXED_SHARE * wasmBytes(BUILDS[twin].file).length;
    assert.ok(size <= most, `${size} bytes: ${RELAXED_SHARE} times the twin are ${Math.floor(most)}`);
  });

  // Node 20 compiles no relaxed SIMD; its exports are those of the twin.
  const where = WebAssembly.validate(wasmBytes(file)) ? test : test.skip;

  where(`${file} exports what builds.json says that it holds besides, and nothing of the rest`, () => {
    const exported = WebAssembly.Module.exports(compiled(file)).map(({ name }) => name);
    for (const [extra, { exports }] of Object.entries(EXTRAS)) {
      if (!exports) continue;
      const found = exported.some((name) => name.startsWith(exports));
      assert.is(found, extras.includes(extra), extra);
    }
  });
}

/** A module with one function of no parameters and results. */
function moduleOf(instructions: number[]): Uint8Array {
  const code = [0x00, ...instructions, 0x0b];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
    ...[0x03, 0x02, 0x01, 0x00],
    ...[0x0a, code.length + 2, 0x01, code.length, ...code],
  ]);
}

test.run();
