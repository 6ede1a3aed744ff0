/**
 * TFLite files, some with a budget for their values: each is loaded and run, or refused in words; nothing traps, nothing
 * leaks, memory is never more than the plan said, and the plan never more than the budget.
 */
import * as assert from "uvu/assert";
import { Status } from "../../bindings/numbers.ts";
import { randomChain } from "../support/graph-chains.ts";
import { CONTROLS } from "../support/graph-controls.ts";
import { CONVS, convGraph, SINGLES } from "../support/graph-specs.ts";
import { tfliteFile } from "../support/tflite-writer.ts";
import { Finding, type Fuzzer, guardCore, lookAtGuards, type Run, withWords } from "./fuzzer.ts";
import { woundBytes } from "./mutate.ts";
import { Random } from "./random.ts";

/** OUT_OF_MEMORY, BAD_FILE, UNSUPPORTED. */
const ERRORS = [-1, -2, -3];
/** Bytes of memory that a file may ask for. */
const LIMIT = 1 << 25;
/** Slices of a run: a file may ask for days of work, a slice at a time. */
const SLICES = 20;
/** Kinds of graph_bytes. */
const VALUES = 2;
const PATCHES = 8;

export const graphs: Fuzzer = {
  name: "graphs",
  about: "TFLite files through loading and running",
  cases: 1500,
  share: 2,
  prepare,
};

function prepare(): Run {
  const core = guardCore("graph");
  core.call("core_set_limit", core.core, LIMIT);
  const chains = Array.from({ length: 24 }, (_, seed) => randomChain(new Random(seed), 2 + (seed % 5)));
  const seeds = [...SINGLES, ...CONVS.slice(0, 12).map(convGraph), ...chains, ...CONTROLS].map(tfliteFile);

  const one = (random: Random): string => {
    const bytes = woundBytes(random, seeds[random.below(seeds.length)], 0, Number.POSITIVE_INFINITY);
    try {
      const flags = random.oneIn(4) ? 1 : 0;
      values = 0;
      let word = loadAndRun(bytes, flags, random, random.oneIn(4) ? random.edge() : 0n);
      // What could be planned is planned again in less.
      if (values > 0 && random.oneIn(2)) word = loadAndRun(bytes, flags, random, BigInt(1 + random.below(values)));
      lookAtGuards(core);
      assert.is(core.call("core_used", core.core), 0, "a block was not given back");
      return word;
    } catch (error) {
      throw withWords(error, core);
    }
  };

  /** Of the last graph that was loaded. */
  let values = 0;

  const loadAndRun = (bytes: Uint8Array, flags: number, random: Random, budget: bigint): string => {
    const graph = core.call("graph_create", core.core, BigInt(bytes.length), flags) >>> 0;
    if (graph === 0) return refused(core.call("error_code", core.core));
    try {
      core.call("graph_set_budget", graph, budget);
      core.memory.write(core.call("graph_file", graph), bytes);
      let status: number = Status.MORE;
      while (status === Status.MORE) status = core.call("graph_step", core.core, graph);
      if (status < 0) return refused(status);
      values = core.call("graph_bytes", graph, VALUES);
      if (budget > 0n) assert.ok(BigInt(values) <= budget, "values beyond the budget");
      const isPatched = core.call("graph_bytes", graph, PATCHES) > 0;
      const used = core.call("core_used", core.core);
      write(graph, random, false);
      status = Status.MORE;
      for (let slice = 0; status > Status.DONE && slice < SLICES; ) {
        status = core.call("graph_run", core.core, graph);
        if (status === Status.NEED_DATA) write(graph, random, true);
        else slice++;
      }
      assert.is(core.call("core_used", core.core), used, "a run took memory");
      return status < 0 ? refused(status) : status === Status.MORE ? "long" : isPatched ? "ran in patches" : "ran";
    } finally {
      core.call("graph_release", core.core, graph);
    }
  };

  /** Noise into the inputs, or into the parts of them that a patch wants. */
  const write = (graph: number, random: Random, isPart: boolean): void => {
    for (let i = 0; i < core.call("graph_count", graph, 0); i++) {
      const tensor = core.call("graph_tensor", graph, 0, i);
      const number = (which: number): number => core.call("graph_tensor_number", tensor, which);
      const [top, bottom, left, right] = [0, 1, 2, 3].map((side) => core.call("graph_wanted", tensor, side));
      const part = bottom > top ? ((bottom - top) * (right - left) * number(2)) / (number(9) * number(10)) : 0;
      assert.ok(part <= number(6), "a part that has no room");
      const noise = Uint8Array.from({ length: Math.min(isPart ? part : number(6), 256) }, () => random.below(256));
      core.memory.write(core.call("graph_tensor_data", tensor) + (isPart ? part - noise.length : 0), noise);
    }
  };

  const refused = (status: number): string => {
    if (!ERRORS.includes(status)) throw new Finding(`status ${status}: ${core.message}`);
    if (core.message.length < 20) throw new Finding(`an error says "${core.message}"`);
    return `error ${status}`;
  };

  const end = (met: ReadonlyMap<string, number>, cases: number): void => {
    assert.ok((met.get("ran") ?? 0) > cases / 40, `${met.get("ran")} files ran`);
    assert.ok((met.get("ran in patches") ?? 0) > cases / 200, `${met.get("ran in patches")} ran in patches`);
  };
  return { one, end };
}
