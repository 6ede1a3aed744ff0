/**
 * Graphs in every host: the trained networks of data/graphs give the oracles' integers to the byte, and every value between,
 * wake words over all recorded calls; and the bits of floats that graph-cases.ts has held against LiteRT's.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { GraphFlag, Status } from "../../bindings/numbers.ts";
import { checksum } from "../support/graph.ts";
import { driver, launchChromium, type Playwright } from "./browsers.ts";
import { type Host, record } from "./conformance.ts";
import { FOLDER, type GraphCase, graphCases } from "./graph-cases.ts";
import { finish } from "./javascript.ts";
import { serve } from "./server.ts";
import { output, ROOT, withTools, workFolder } from "./tools.ts";

/** What a host gave of a case. */
interface Given {
  readonly sum: string;
  /** By operator, of its first output. */
  readonly sums: readonly (readonly [operator: number, sum: string])[];
}

const WORK = workFolder("graphs");
const cases = graphCases() ?? [];

/** Cases that a slow host has time for, of so many multiply-adds at most: the first of each network, of wake words all. */
function small(macs: number, all = /^mww/): GraphCase[] {
  const fits = cases.filter((one) => one.macs <= macs);
  return fits.filter(({ model }, i) => all.test(model) || fits.findIndex((other) => other.model === model) === i);
}

function check(host: Host, { name, sum, rows }: GraphCase, given: Given): void {
  record(host, `graph ${name}`, given.sum === sum ? "ok" : given.sum);
  assert.is(given.sum, sum, `${name}: its outputs`);
  const sums = new Map(given.sums);
  for (const [operator, wanted] of rows) {
    if (sums.size > 0) assert.is(sums.get(operator), wanted, `${name}: operator ${operator}`);
  }
}

/** A test of all cases in a JavaScript host, which gets a job of URLs below `base`. */
function javascript(host: string, run: (jobAt: (base: string) => unknown) => Promise<Record<string, Given>>): void {
  test(`${host}: ${cases.length} cases of graphs, outputs and values between`, async () => {
    if (cases.length === 0) return;
    const given = await run((base) => ({
      wasm: `${base}/build/limpet.graph.wasm`,
      graph: `${base}/build/js/graph.js`,
      more: Status.MORE,
      traced: GraphFlag.TRACED,
      cases: cases.map(({ name, model, input, rows }) => {
        const at = base.startsWith("file:") ? pathToFileURL(FOLDER).href : base;
        return { name, model: `${at}/${model}`, input: `${at}/${input}`, isTraced: rows.size > 0 };
      }),
    }));
    for (const one of cases) check({ host, build: "graph, package" }, one, given[one.name]);
  });
}

async function inProcess(program: string, first: string[], job: unknown): Promise<Record<string, Given>> {
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
const SCALAR = join(ROOT, "build/limpet.graph.wasi.scalar.wasm");

withTools(["wasmtime"], (wasmtime) => {
  const host = output(wasmtime, "--version").split(" ").slice(0, 2).join(" ");
  const compiled = join(WORK, "graph.cwasm");
  output(wasmtime, "compile", "-o", compiled, COMMAND);
  const run = ["run", "--dir", "build", "--allow-precompiled", compiled];
  command(host, "graph, Cranelift", [wasmtime, ...run], cases);
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

test.run();
