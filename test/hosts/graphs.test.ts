/**
 * Graphs in every host: the trained networks of data/graphs give the oracles' integers to the byte, and every value between,
 * wake words over all recorded calls; and the bits of floats that graph-cases.ts has held against LiteRT's.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { instantiateSync } from "../../bindings/instantiate.ts";
import { GraphFlag, Status } from "../../bindings/numbers.ts";
import { TestCore, type TestExports } from "../support/core.ts";
import { checksum, TestGraph } from "../support/graph.ts";
import { FOREVER } from "../support/graph-controls.ts";
import { NAMES, soundSet } from "../support/networks/sounds.ts";
import { tfliteFile } from "../support/tflite-writer.ts";
import { driver, launchChromium, type Playwright } from "./browsers.ts";
import { type Host, record } from "./conformance.ts";
import { FOLDER, type GraphCase, graphCases } from "./graph-cases.ts";
import { finish } from "./javascript.ts";
import { serve } from "./server.ts";
import { outcome, output, ROOT, withTools, workFolder } from "./tools.ts";
import { unpackWheel } from "./wheel.ts";

/** What a host gave of a case. */
interface Given {
  readonly sum: string;
  /** By operator, of its first output. */
  readonly sums: readonly (readonly [operator: number, sum: string])[];
}

const WORK = workFolder("graphs");
const VERSION = "import importlib.metadata as m; print(m.version('wasmtime'))";
const cases = graphCases() ?? [];

/** Cases that a slow host has time for, of so many multiply-adds at most: the first of each network, of wake words all. */
function small(macs: number, all = /^mww/): GraphCase[] {
  const fits = cases.filter((one) => one.macs <= macs);
  return fits.filter(({ model }, i) => all.test(model) || fits.findIndex((other) => other.model === model) === i);
}

/** The first case of each network, which workers have time for. */
const firsts = new Set(small(Number.POSITIVE_INFINITY, /^$/).map(({ name }) => name));
writeFileSync(join(FOLDER, "endless.tflite"), tfliteFile(FOREVER));

function check(host: Host, { name, sum, rows }: GraphCase, given: Given): void {
  record(host, `graph ${name}`, given.sum === sum ? "ok" : given.sum);
  assert.is(given.sum, sum, `${name}: its outputs`);
  const sums = new Map(given.sums);
  for (const [operator, wanted] of rows) {
    if (sums.size > 0) assert.is(sums.get(operator), wanted, `${name}: operator ${operator}`);
  }
}

/** What a JavaScript host gave, in a worker too, and how runs there ended that do not end by themselves. */
interface Answer {
  readonly given: Readonly<Record<string, Given & { readonly inWorker?: string }>>;
  readonly ended: readonly string[];
}

/** A test of all cases in a JavaScript host, which gets a job of URLs below `base`. */
function javascript(host: string, run: (jobAt: (base: string) => unknown) => Promise<Answer>): void {
  test(`${host}: ${cases.length} cases of graphs, outputs and values between`, async () => {
    if (cases.length === 0) return;
    const { given, ended } = await run((base) => ({
      wasm: `${base}/build/limpet.graph.wasm`,
      graph: `${base}/build/js/graph.js`,
      worker: `${base}/build/js/worker.js`,
      endless: `${base.startsWith("file:") ? pathToFileURL(FOLDER).href : base}/endless.tflite`,
      more: Status.MORE,
      traced: GraphFlag.TRACED,
      cases: cases.map(({ name, model, input, rows }) => {
        const at = base.startsWith("file:") ? pathToFileURL(FOLDER).href : base;
        return {
          name,
          model: `${at}/${model}`,
          input: `${at}/${input}`,
          isTraced: rows.size > 0,
          isInWorker: firsts.has(name),
        };
      }),
    }));
    for (const one of cases) check({ host, build: "graph, package" }, one, given[one.name]);
    for (const one of cases.filter(({ name }) => firsts.has(name))) {
      check({ host, build: "graph, in a worker" }, one, { sum: given[one.name].inWorker ?? "nothing", sums: [] });
    }
    assert.equal(ended, ["enough", "WRONG_STATE", "WRONG_STATE"]);
  });
}

async function inProcess(program: string, first: string[], job: unknown): Promise<Answer> {
  const file = join(WORK, "job.json");
  writeFileSync(file, JSON.stringify(job));
  const { status, stdout, stderr } = await finish(program, [...first, join(ROOT, "test/hosts/graphs.mjs"), file]);
  assert.is(status, 0, stderr);
  return JSON.parse(stdout);
}

const here = pathToFileURL(ROOT).href.replace(/\/$/, "");
javascript(`Node ${process.versions.node}`, (jobAt) => inProcess(process.execPath, [], jobAt(here)));

withTools(["deno"], (deno) => {
  const first = ["run", "--no-config", "--no-lock", "--allow-read"];
  const host = `Deno ${output(deno, "--version").split(" ")[1]}`;
  javascript(host, (jobAt) => inProcess(deno, first, jobAt(here)));
});

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  const version = output(chromium, "--version").match(/[\d.]+/)![0];
  javascript(`Chromium ${version.split(".")[0]}`, async (jobAt) => {
    const playwright = driver<Playwright>("playwright-core")!;
    const [server, browser] = await Promise.all([serve(FOLDER), launchChromium(playwright, chromium)]);
    try {
      const page = await browser.newPage();
      await page.goto(`${server.base}/blank/`);
      const job = JSON.stringify(jobAt(server.base));
      return await page.evaluate(`import("/hosts/graphs.mjs").then(({ runGraphs }) => runGraphs(${job}))`);
    } finally {
      await browser.close();
      server.close();
    }
  });
});

/** Budgets for values that have a network computed patch by patch: docs/graphs.md has the table. */
const BUDGETS: Readonly<Record<string, number>> = {
  "te_vww.tflite": 31_200,
  "te_person_boxes.tflite": 47_040,
  "mobilenet_v2_int8.tflite": 476_672,
};

withTools(["python3:numpy", "python3:hatchling", "python3:wasmtime"], (python) => {
  test(`Python: ${cases.length} cases of graphs through the wheel, as numpy's arrays; patch by patch too`, () => {
    if (cases.length === 0) return;
    const host = { host: `wasmtime ${output(python, "-c", VERSION).trim()} (Python)`, build: "graph, wheel" };
    const path = (file: string) => join(FOLDER, file);
    const all = cases.map((one) => ({ ...one, budget: undefined as number | undefined }));
    const patched = all.flatMap((one) => (BUDGETS[one.model] ? [{ ...one, budget: BUDGETS[one.model] }] : []));
    const jobs = [...all, ...patched.map((one) => ({ ...one, name: `${one.name}, patch by patch` }))];
    const job = join(WORK, "python.json");
    const given = jobs.map(({ name, model, input, budget: memory }) => {
      return { name, model: path(model), input: path(input), memory };
    });
    writeFileSync(job, JSON.stringify(given));
    process.env.PYTHONPATH = unpackWheel(python);
    const said = JSON.parse(output(python, "test/hosts/graphs.py", job));
    delete process.env.PYTHONPATH;
    assert.is(patched.length > 2, true);
    for (const one of jobs) check(host, one, said[one.name]);
  });
});

/** A test of some cases by the WASI command, which may see build/. */
function command(host: string, build: string, run: readonly string[], some: readonly GraphCase[]): void {
  const limpet = (...args: string[]) => output(run[0], ...run.slice(1), "graph", ...args);
  const path = (file: string) => relative(ROOT, join(FOLDER, file));

  test(`${host}, ${build}: ${some.length} cases of graphs, outputs and values between`, () => {
    for (const one of some) {
      const input = [path(one.model), "--input", path(one.input)];
      limpet(...input, "--out", path("out.raw"));
      const sum = checksum(new Uint8Array(readFileSync(join(FOLDER, "out.raw"))));
      const lines =
        one.rows.size === 0
          ? []
          : limpet(...input, "--trace")
              .trim()
              .split("\n");
      const sums = lines.map((line): [number, string] => [Number.parseInt(line, 10), line.slice(-8)]);
      // A line an output: the first is the operator's.
      check({ host, build }, one, { sum, sums: sums.reverse() });
    }
  });
}

const COMMAND = join(ROOT, "build/limpet.graph.wasi.wasm");
const TRANSFORMER = "test/fixtures/sounds-tiny-transformer.tflite";
const SCALAR = join(ROOT, "build/limpet.graph.wasi.scalar.wasm");

withTools(["wasmtime"], (wasmtime) => {
  const host = output(wasmtime, "--version").split(" ").slice(0, 2).join(" ");
  const compiled = join(WORK, "graph.cwasm");
  output(wasmtime, "compile", "-o", compiled, COMMAND);
  const run = ["run", "--dir", "build", "--allow-precompiled", compiled];
  command(host, "graph, Cranelift", [wasmtime, ...run], cases);

  test(`${host}: the Tiny Transformer that ships tells 300 sounds apart, one file in one call`, async () => {
    const { features, kinds } = await soundSet(300, 3);
    writeFileSync(join(WORK, "sounds.raw"), new Uint8Array(features.buffer));
    const [input, out] = ["sounds.raw", "scores.raw"].map((file) => relative(ROOT, join(WORK, file)));
    output(wasmtime, "run", "--dir", ".", ...run.slice(3), "graph", TRANSFORMER, "--input", input, "--out", out);
    const scores = new Float32Array(new Uint8Array(readFileSync(out)).buffer);
    assert.is(scores.length, kinds.length * NAMES.length);
    const right = kinds.filter((kind, i) => {
      const some = scores.subarray(i * NAMES.length, (i + 1) * NAMES.length);
      return some.indexOf(Math.max(...some)) === kind;
    });
    assert.ok(right.length > 0.95 * kinds.length, `${right.length} of ${kinds.length} right`);
  });

  withTools(["qemu-aarch64", "wasmtime-aarch64"], (emulator, program) => {
    const there = join(WORK, "graph.aarch64.cwasm");
    output(wasmtime, "compile", "--target", "aarch64-unknown-linux-gnu", "-o", there, COMMAND);
    const first = [emulator, "-L", "/usr/aarch64-linux-gnu", program, "run", "--dir", "build", "--allow-precompiled"];
    command(`${host} on aarch64 (qemu)`, "graph, compiled ahead", [...first, there], small(8e6, /^mww_okay_nabu/));
  });
});

withTools(["iwasm"], (classic) => {
  const host = output(classic, "--version").trim().replace("iwasm", "WAMR");
  command(host, "graph, scalar, classic interpreter", [classic, "--dir=build", SCALAR], small(8e6));
});

withTools(["iwasm-simd"], (fast) => {
  const host = output(fast, "--version").trim().replace("iwasm", "WAMR");
  command(host, "graph, fast interpreter with SIMD", [fast, "--dir=build", COMMAND], small(4e7));
});

/** The board's memory for numbers that change: linear memory and the stack. */
const STACK = 16 * 1024;
const RAM = 256 * 1024;
/** What a slim build of a wake word and of person_detect runs, and the linear memory that it may take. */
const ON_BOARD: readonly (readonly [RegExp, number])[] = [
  [/^mww_okay_nabu/, 64_000],
  [/^mww_vad\.wake_okay_nabu/, 40_000],
  [/^micro_speech\.yes/, 29_000],
  [/^hello_world/, 15_000],
  [/^person_detect\.(no_)?person/, 136_000],
];

withTools(["wasm2c", "wasm-objdump", "arm-none-eabi-gcc", "qemu-system-arm"], (_w, _o, _gcc, emulator) => {
  const wasm = join(WORK, "board.wasm");

  test("limpet slim makes a build of a wake word and of person_detect alone: less than 69 KB", () => {
    if (cases.length === 0) return;
    const networks = ["mww_okay_nabu.tflite", "person_detect.tflite"].map((file) => join(FOLDER, file));
    output(process.execPath, "build/js/cli.js", "slim", ...networks, "-o", wasm, "--like", "graph-mcu");
    assert.ok(statSync(wasm).size < 69_000, `${statSync(wasm).size} bytes`);
  });

  /** Builds a program of the case for the board and runs it: what it wrote before it said how much stack it took. */
  function onBoard({ model, input }: GraphCase, ...program: string[]): { lines: string[]; stack: number } {
    const out = join(WORK, "board.elf");
    const settings = [`WASM=${wasm}`, "WEIGHTS=flash", `INPUT=${join(FOLDER, input)}`, `MEMORY=${RAM - STACK}`];
    output("env", ...settings, "sh", "examples/mcu/build.sh", "mps2", join(FOLDER, model), out, ...program);
    const { status, stdout, stderr } = outcome(
      emulator,
      ...["-M", "mps2-an386", "-nographic", "-semihosting", "-kernel", out],
    );
    const said = stdout + stderr;
    assert.is(status, 0, said);
    const [, text, stack] = said.match(/^([\s\S]*)stack: (\d+) bytes\n$/) ?? [];
    return { lines: text.trim().split("\n"), stack: Number(stack) };
  }

  test(`a Cortex-M4 with ${RAM / 1024} KB for all that changes, networks in flash: words, a person, and every value between`, () => {
    const host = { host: "C: wasm2c, Cortex-M4 (qemu)", build: "graph, slim, bare metal, networks in flash" };
    for (const one of cases) {
      const [, most] = ON_BOARD.find(([name]) => name.test(one.name)) ?? [];
      if (most === undefined) continue;
      const { lines, stack } = onBoard(one);
      const [memory, ...runs] = lines;
      const values = Uint8Array.from(runs.flatMap((line) => line.split(" ").map(Number)));
      console.log(`${one.name}: ${memory} bytes of linear memory, ${stack} of stack`);
      assert.ok(stack < STACK / 4, `${stack} bytes`);
      assert.ok(Number(memory.split(" ")[1]) <= most, memory);
      check(host, one, { sum: checksum(values), sums: [] });
      if (one.rows.size === 0) continue;
      const sums = onBoard(one, "test/hosts/mcu_graph.c").lines.map((line): [number, string] => {
        const [operator, sum] = line.split(" ");
        return [Number.parseInt(operator, 16), sum];
      });
      check(host, one, { sum: one.sum, sums });
    }
  });

  test("what the slim build leaves out is refused by name", () => {
    const resnet = cases.find(({ name }) => name.startsWith("ic_resnet8"));
    if (!resnet) return;
    const network = new Uint8Array(readFileSync(join(FOLDER, resnet.model)));
    const core = new TestCore("scalar", instantiateSync<TestExports>(new WebAssembly.Module(readFileSync(wasm))));
    assert.throws(
      () => new TestGraph(core, network),
      /^this build has no ADD, operator \d+ of the graph; take limpet\.graph\.wasm, or make/,
    );
  });
});

withTools(["wasm2c", "gcc"], (wasm2c, gcc) => {
  const example = join(ROOT, "examples/embed-c");
  const program = join(WORK, "network");

  test("the C example: the same bytes, and words for what is no network", () => {
    if (cases.length === 0) return;
    output(wasm2c, join(ROOT, "build/limpet.graph.scalar.wasm"), "-n", "limpet", "-o", join(WORK, "limpet.c"));
    const sources = [join(example, "network.c"), join(example, "graph.c"), join(WORK, "limpet.c")];
    const options = ["-O1", "-ffp-contract=off", `-I${WORK}`, `-I${join(ROOT, "build")}`];
    output(gcc, ...options, ...sources, "-lwasm-rt-impl", "-lm", "-o", program);
    const host = { host: `C: wasm2c, gcc ${output(gcc, "-dumpversion").trim()}`, build: "graph, scalar, x86-64" };
    for (const one of small(1e7, /^mww_okay_nabu/)) {
      const raw = execFileSync(program, [join(FOLDER, one.model), join(FOLDER, one.input)]);
      check(host, one, { sum: checksum(new Uint8Array(raw)), sums: [] });
    }
    const { status, stderr } = outcome(program, join(FOLDER, cases[0].input), join(FOLDER, cases[0].input));
    assert.equal([status, stderr], [1, "network: this is no TFLite file: it does not say TFL3 at its fifth byte\n"]);
  });
});

test.run();
