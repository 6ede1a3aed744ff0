/**
 * `limpet graph` as a WASI command in two JavaScript hosts against the command line in Node: the same words give the same
 * answers, texts and statuses. What only it has, the checksums of operators, is held against the core itself.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { COMMANDS, FLAGS } from "../assembly/wasi/commands.ts";
import { GRAPH_COMMANDS, GRAPH_FLAGS } from "../assembly/wasi/graph_commands.ts";
import { type Host, nodeCommand, nodeWasi, shimWasi } from "./support/commands.ts";
import { graphCore, lcg, lcgInput, TestGraph } from "./support/graph.ts";
import { Chain, MAX_POOL } from "./support/graph-chains.ts";
import { CONVS, convGraph, SINGLES } from "./support/graph-specs.ts";
import { type GraphSpec, tfliteFile } from "./support/tflite-writer.ts";

/** Integers of two inputs, floats that may be none, truths, two outputs, numbers of 32 bits; a convolution with a name. */
const SPECS: readonly GraphSpec[] = [
  SINGLES[0],
  SINGLES[3],
  SINGLES[4],
  ...SINGLES.filter(({ outputs }) => outputs.length > 1),
  ...SINGLES.filter(({ operators }) => operators[0].code === 56),
  convGraph(CONVS[0]),
];
const RUNS = 2;

const core = graphCore("limpet.graph.wasm");
const files = new Map<string, Uint8Array>();
const networks = SPECS.map((spec, k) => {
  const bytes = tfliteFile(spec);
  const graph = new TestGraph(core, bytes);
  const inputs = spec.inputs.map((_, i) => {
    const tensor = graph.tensor(0, i);
    const runs = Array.from({ length: RUNS }, (_, run) => lcgInput(tensor, 7 * run + i + 1, 32));
    files.set(`${k}-${i}.raw`, new Uint8Array(Buffer.concat(runs)));
    files.set(`${k}-${i}-once.raw`, runs[0]);
    return ["-i", `data/${k}-${i}.raw`];
  });
  graph.release();
  files.set(`${k}.tflite`, bytes);
  return { spec, file: `data/${k}.tflite`, bytes, inputs: inputs.flat() };
});
const chain = new Chain(33, 29, 2);
const pooled = chain.pool(chain.convolve(0, 24, { filter: [3, 3] }), MAX_POOL, { filter: [3, 3], stride: [2, 2] });
files.set("chain.tflite", tfliteFile(chain.graph(chain.convolve(pooled, 3, { filter: [5, 5], stride: [2, 2] }))));
files.set("chain.raw", lcg(33 * 29 * 2, 3));
files.set("empty.raw", new Uint8Array());
files.set("text.tflite", new TextEncoder().encode("This is no network of any kind."));

const builds = fileURLToPath(new URL("../build/test/", import.meta.url));
mkdirSync(builds, { recursive: true });
const parent = mkdtempSync(join(builds, "graph-"));
mkdirSync(join(parent, "data"));
for (const [name, bytes] of files) writeFileSync(join(parent, "data", name), bytes);
process.on("exit", () => rmSync(parent, { recursive: true, force: true }));

const node = nodeCommand(parent);
const shims = [shimWasi("limpet.graph.wasi.wasm", files), shimWasi("limpet.graph.wasi.scalar.wasm", files)];
const hosts: Host[] = [nodeWasi("limpet.graph.wasi.wasm", parent), ...shims];

/** Its words are lines of the table that all command lines share. */
test("the command's lines of commands and flags are those of every host, but for --trace", () => {
  const [, command, ids] = GRAPH_COMMANDS.split("\n");
  assert.ok(COMMANDS.includes(`\n${command}\n${ids.replace(" trace", "")}\n`));
  for (const line of GRAPH_FLAGS.split("\n").filter((line) => !/^trace|^$/.test(line))) {
    assert.ok(FLAGS.includes(`\n${line}\n`), line);
  }
});

test("what a network takes and gives, what it answers, as text and as JSON: as in Node", () => {
  for (const { spec, file, inputs } of networks) {
    const described = [SPECS[0], SPECS[SPECS.length - 1]].includes(spec) ? [[], ["--json"]] : [];
    for (const words of [...described, inputs, [...inputs, "--json"]]) {
      const want = node.run(["graph", file, ...words]);
      assert.equal([want.status, want.err], [0, ""], want.err);
      for (const host of shims) assert.equal(host.run(["graph", file, ...words]), want, host.name);
    }
  }
  const [{ file, inputs }] = networks;
  const words = ["graph", file, ...inputs];
  for (const host of hosts) assert.equal(host.run(words), node.run(words), host.name);
});

test("--memory: the plan in patches and its answers, as in Node; the least that is possible", () => {
  for (const words of [
    ["--memory", "9000"],
    ["--memory", "9000", "--json"],
    ["--memory", "9000", "-i", "data/chain.raw"],
  ]) {
    const want = node.run(["graph", "data/chain.tflite", ...words]);
    assert.equal([want.status, want.err], [0, ""], want.err);
    if (words.length === 2) assert.match(want.out, / x 1\.\d+: operators 0 to \d in \d+ patches\n$/);
    for (const host of shims) assert.equal(host.run(["graph", "data/chain.tflite", ...words]), want, host.name);
  }
  const words = ["graph", "data/chain.tflite", "--memory", "10"];
  assert.match(node.run(words).err, /at least \d+ bytes/);
  for (const host of shims) assert.equal(host.run(words), node.run(words), host.name);
});

test("outputs in a file, run after run: the core's own bytes", () => {
  networks.forEach(({ spec, file, bytes, inputs }, k) => {
    const graph = new TestGraph(core, bytes);
    const want: Uint8Array[] = [];
    for (let run = 0; run < RUNS; run++) {
      spec.inputs.forEach((_, i) => {
        const { bytes: length } = graph.tensor(0, i);
        graph.write(i, files.get(`${k}-${i}.raw`)!.subarray(run * length, (run + 1) * length));
      });
      graph.run();
      spec.outputs.forEach((_, i) => {
        want.push(graph.output(i));
      });
    }
    graph.release();
    for (const host of k === 0 ? [node, ...hosts] : shims) {
      assert.equal(host.run(["graph", file, ...inputs, "-o", "data/out.raw"]), { status: 0, out: "", err: "" });
      assert.equal(host.take("out.raw"), new Uint8Array(Buffer.concat(want)), host.name);
    }
  });
});

test("--trace: the checksum of what each operator writes, in each run", () => {
  networks.forEach(({ spec, file, bytes }, k) => {
    const graph = new TestGraph(core, bytes, true);
    spec.inputs.forEach((_, i) => {
      graph.write(i, files.get(`${k}-${i}-once.raw`)!);
    });
    const sums = [...graph.trace()];
    graph.release();
    const inputs = spec.inputs.flatMap((_, i) => ["-i", `data/${k}-${i}-once.raw`]);
    for (const host of shims) {
      const lines = host
        .run(["graph", file, ...inputs, "--trace"])
        .out.trimEnd()
        .split("\n");
      for (const [operator, sum] of sums) {
        assert.match(
          lines.find((line) => line.startsWith(`${operator} `))!,
          new RegExp(` [A-Z0-9_]+ \\w+ [\\d × ]+: ${sum}$`),
        );
      }
    }
  });
});

test("inputs by name and in order, and what is wrong with them: in Node's words", () => {
  const conv = networks.length - 1;
  const [add, image] = ["data/0.tflite", `data/${conv}.tflite`];
  const [one, other] = ["data/0-0.raw", "data/0-1.raw"];
  const names = JSON.parse(node.run(["graph", add, "--json"]).out).inputs.map(({ name }: { name: string }) => name);
  const failing: string[][] = [
    [add, "-i", one],
    [add, "-i", one, "-i", other, "-i", one],
    [add, "-i", one, "-i", "data/empty.raw"],
    [add, "-i", one, "-i", other.replace(".raw", "-once.raw")],
    [add, "-i", `${names[0]}=${one}`, "-i", `${names[0]}=${one}`],
    [add, "-i", add, "-i", other],
    [image, "-i", "data/none.raw"],
    ["data/none.tflite"],
    ["data/text.tflite"],
  ];
  for (const words of failing) {
    const want = node.run(["graph", ...words]);
    assert.equal([want.status, want.out], [1, ""]);
    for (const host of hosts) {
      const found = host.run(["graph", ...words]);
      assert.is(found.status, 1, found.err);
      // A host says in its own words what it could not open.
      if (words.join().includes("none")) assert.match(found.err, /^limpet: cannot open data\/none/);
      else assert.is(found.err, want.err, host.name);
    }
  }
  const named = ["graph", add, "-i", `${names[1]}=${other}`, "-i", one];
  assert.is(node.run(named).out, node.run(["graph", add, "-i", one, "-i", other]).out);
  for (const host of hosts) assert.equal(host.run(named), node.run(named), host.name);
});

test("a wrong command line: what is wrong with it, and status 2", () => {
  const wrong: [string[], string][] = [
    [[], "a command is missing"],
    [["graph"], "FILE is missing"],
    [["graph", "data/0.tflite", "-o", "x.raw"], "the flag --input is missing"],
    [["graph", "data/0.tflite", "--loud"], "there is no flag --loud here"],
    [["graph", "data/0.tflite", "more"], "more is one argument too many"],
    [["graph", "data/0.tflite", "-i"], "-i wants a value"],
    [["graph", "data/0.tflite", "--json=yes"], "--json takes no value"],
    [["generate", "x.gguf"], "there is no command generate"],
    [["graph", "data/0.tflite", "--trace"], "the flag --input is missing"],
    [["graph", "data/0.tflite", "--trace", "--json", "-i", "data/0-0.raw"], "--trace is not printed as JSON"],
  ];
  for (const [words, said] of wrong) {
    for (const host of shims) {
      const { status, out, err } = host.run(words);
      assert.equal([status, out, err.split("\n")[0]], [2, "", `limpet: ${said}`], host.name);
    }
  }
});

test("a network or an input is not written over", () => {
  const [{ file, inputs }] = networks;
  for (const path of [file, inputs[1], "data/./1.tflite"]) {
    for (const host of hosts) {
      const { status, err } = host.run(["graph", file, ...inputs, "-o", path]);
      assert.is(status, 1, host.name);
      assert.match(err, /^limpet: data\/.* is a model or an input: choose another name for the outputs\n$/);
    }
  }
});

test("help and version", () => {
  for (const host of shims) {
    assert.match(
      host.run(["--help"]).out,
      /^limpet runs small networks in WebAssembly\.\n[\s\S]*\n {2}graph FILE {2}show/,
    );
    const help = host.run(["graph", "--help"]).out;
    for (const line of node.run(["graph", "--help"]).out.split("\n")) assert.ok(help.includes(line), line);
    assert.is(host.run(["--version"]).out, node.run(["--version"]).out);
  }
});

test.run();
