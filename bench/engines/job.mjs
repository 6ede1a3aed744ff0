#!/usr/bin/env node
/**
 * One job in a process of its own: `node job.mjs JSON`, which prints its result as the last line, in JSON.
 *
 * @typedef {{ engine: "limpet" | "native" | "wllama-2.3.1" | "wllama-newest" | "read" | "matmul" | "kernels" | "sparse",
 *   host: "node" | "chromium", build?: import("../../src/index.ts").Build, kv?: "q8_0", threads: number, source?: string,
 *   context?: number, runs?: import("./limpet.mjs").Run[], samples?: number, text?: string }} Job
 */
import { ROOT } from "../limpet.mjs";

/** @param {any} job */
async function run(job) {
  if (job.host === "chromium") {
    // Not before: the browser's driver would be half of a Node job's memory.
    const { measureInChromium } = await import("./chromium.mjs");
    return measureInChromium(job.engine.startsWith("wllama") ? "wllama" : job.engine, job);
  }
  const engine = await import(`./${job.engine}.mjs`);
  if (job.engine !== "limpet") return engine.measure(job);
  const { Model } = await import(`${ROOT}build/js/index.js`);
  return engine.measure(Model, job);
}

const result = await run(JSON.parse(process.argv[2]));
const rssPeakBytes = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ rssPeakBytes, host: `Node ${process.versions.node}`, ...result }));
process.exit(0); // a peer's workers would keep it alive
