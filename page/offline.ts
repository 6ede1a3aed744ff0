/** The page without its server: its files are kept by a service worker, with what it has used of limpet. */
import type { Engine } from "./engine.ts";
import { LocalEngine } from "./local.ts";
import { isShipped, SHIPPED_URL } from "./models.ts";

let registered: Promise<ServiceWorkerRegistration> | null = null;

/** Keeps what a model needs that runs in this page. Only now: the first words do not wait for it. */
export function keepOffline(engine: Engine): void {
  if (!navigator.serviceWorker) return;
  registered ??= navigator.serviceWorker.register("service-worker.js").then(() => navigator.serviceWorker.ready);
  registered
    .then(({ active }) => active?.postMessage(filesOf(engine)))
    .catch(() => {
      // A browser that allows none (a private window, plain http of another machine) works as long as the server is there.
    });
}

function filesOf(engine: Engine): string[] {
  if (!(engine instanceof LocalEngine)) return [];
  const kind = { portable: "", scalar: ".scalar", fast: ".relaxed" }[engine.model.build];
  // Drawing and tests of kernels compute without threads.
  const builds = [
    `limpet${kind}.wasm`,
    ...(crossOriginIsolated && kind !== ".scalar" ? [`limpet${kind}.threads.wasm`] : []),
  ];
  const models = isShipped(engine.id) ? [SHIPPED_URL] : [];
  return [...builds.map((file) => new URL(file, document.baseURI).href), ...models];
}
