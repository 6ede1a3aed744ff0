/**
 * What a browser loads for the checks: run(job) in a page; as a module worker or service worker it answers a message that
 * brings a job and a port.
 */

import * as cache from "/build/js/cache.js";
import * as limpet from "/build/js/index.js";
import { kernels } from "/build/js/kernels.js";
import { WorkerModel } from "/build/js/worker.js";
import { runChecks } from "/hosts/checks.mjs";

// A service worker starts no workers.
const workers = typeof Worker === "undefined" ? {} : { WorkerModel };
const run = (job) => runChecks({ ...limpet, ...workers, cache, kernels }, job);

/** Ways to run the checks, asked for by a page. */
const ways = {
  "module page": run,
  "module worker": (job) => {
    const worker = new Worker("/hosts/browser.mjs", { type: "module" });
    return ask(worker, job).finally(() => worker.terminate());
  },
  "service worker": async (job) => {
    const registration = await navigator.serviceWorker.register("/hosts/browser.mjs", { type: "module" });
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    while (worker.state !== "activated") {
      await new Promise((resolve) => worker.addEventListener("statechange", resolve, { once: true }));
    }
    return ask(worker, job).finally(() => registration.unregister());
  },
};

function ask(worker, job) {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message || "the worker could not be loaded"));
    port1.onmessage = ({ data }) => (data.outcome ? resolve(data.outcome) : reject(new Error(data.error)));
    worker.postMessage(job, [port2]);
  });
}

if (typeof document === "undefined") {
  addEventListener("message", (event) => {
    const answer = run(event.data).then(
      (outcome) => event.ports[0].postMessage({ outcome }),
      (error) => event.ports[0].postMessage({ error: `${error?.stack ?? error}` }),
    );
    event.waitUntil?.(answer);
  });
} else globalThis.check = (way, job) => ways[way](job);
