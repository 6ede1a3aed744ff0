/** What is measured: contestants, and the runs that each makes on each model. */
import { existsSync } from "node:fs";
import { ROOT } from "../limpet.mjs";

/**
 * @typedef {{ id: string, peer: string, engine: "limpet" | "native" | "wllama-2.3.1" | "wllama-newest" | "read",
 *   host: "node" | "chromium", build?: "portable" | "fast", kv?: "q8_0", threads: number }} Contestant
 * @typedef {{ model: string, contestant: Contestant, depth: "short" | "deep", context: number, rounds: number,
 *   runs: import("../engines/limpet.mjs").Run[] }} Case
 * @typedef {{ quick: boolean, long: boolean, rounds: number }} Extent
 */

/** Builds of limpet that a contestant needs, and the names under which they show. */
const LIMPETS = /** @type {const} */ ([
  ["portable", 1, "build/limpet.wasm"],
  ["fast", 1, "build/limpet.relaxed.wasm"],
  ["portable", 2, "build/limpet.threads.wasm"],
  ["fast", 2, "build/limpet.relaxed.threads.wasm"],
]);
const HOSTS = /** @type {const} */ (["chromium", "node"]);

/** The identity of a contestant, as results, targets and tables name it. */
export function contestantId(/** @type {string} */ name, /** @type {string} */ host, threads = 1) {
  return `${name}, ${host === "chromium" ? "Chromium" : "Node"}, ${threads} thread${threads > 1 ? "s" : ""}`;
}

/** All that can run here, in the order of their turns. @returns {Contestant[]} */
export function contestants() {
  const list = /** @type {Contestant[]} */ ([]);
  for (const [build, threads, file] of LIMPETS) {
    if (!existsSync(ROOT + file)) continue;
    for (const host of HOSTS) {
      const id = contestantId(`limpet ${build}`, host, threads);
      list.push({ id, peer: "limpet", engine: "limpet", host, build, threads });
    }
  }
  const inBytes = contestantId("limpet portable, Q8_0 cache", "chromium");
  list.push({
    id: inBytes,
    peer: "limpet",
    engine: "limpet",
    host: "chromium",
    build: "portable",
    kv: "q8_0",
    threads: 1,
  });
  for (const engine of /** @type {const} */ (["wllama-2.3.1", "wllama-newest"])) {
    for (const threads of [1, 2]) {
      const id = contestantId(engine.replace("-", " "), "chromium", threads);
      list.push({ id, peer: engine, engine, host: "chromium", threads });
    }
  }
  for (const threads of [1, 2]) {
    list.push({
      id: contestantId("llama.cpp native", "node", threads),
      peer: "native",
      engine: "native",
      host: "node",
      threads,
    });
  }
  list.push({ id: "file into memory", peer: "read", engine: "read", host: "node", threads: 1 });
  return list;
}

/**
 * The cases of a model. The largest is cut short where a figure more would take minutes: all threads and the newest wllama
 * (which has no SIMD in its products: one figure is enough) on Q4_0 alone, 512 tokens once and not on wllama.
 * @param {string} model @param {Contestant} contestant @param {Extent} extent @returns {Case[]}
 */
export function casesOf(model, contestant, { quick, long, rounds }) {
  const large = model.startsWith("plm-1.8b");
  const first = model.endsWith("-q4_0");
  const { peer, threads } = contestant;
  const make = (/** @type {Partial<Case>} */ given) =>
    /** @type {Case} */ ({ model, contestant, depth: "short", context: 1024, rounds, runs: [], ...given });
  if (peer === "read") return [make({})];
  if (!first && !long && (peer === "wllama-newest" || (large && threads > 1))) return [];
  if (peer === "wllama-newest") {
    const runs = [{ prompt: 32, tokens: large ? 4 : 8 }];
    return quick && threads > 1 ? [] : [make({ rounds: 1, runs })];
  }
  const slow = large && peer === "wllama-2.3.1";
  const decode = { prompt: 128, tokens: large || quick ? 16 : 32 };
  const prefill = { prompt: 512, tokens: 0 };
  const deep = model.startsWith("plm-") && first && threads === 1 && (long || !large);
  // Both lengths in one process: their share is not one of the machine's moods.
  const far = make({ depth: "deep", context: 4128, rounds: 1, runs: [decode, { prompt: 4096, tokens: 16 }] });
  // A long context is what a cache in Q8_0 is for: nothing else is measured with it.
  if (contestant.kv) return quick || !deep ? [] : [far];
  if (quick) return [make({ runs: [decode] })];
  const cases = [
    make({ runs: large ? [decode] : [decode, prefill], rounds: slow && !long ? Math.min(2, rounds) : rounds }),
  ];
  if (large && first && threads === 1 && (long || !slow)) cases.push(make({ rounds: 1, runs: [prefill] }));
  if (deep) cases.push(far);
  return cases;
}
