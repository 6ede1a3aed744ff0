/** limpet in a page: the package in a worker, as the page of a product would run it. */

/** @param {any} job */
export function measure(job) {
  const worker = new Worker(new URL("limpet-worker.mjs", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.result));
    worker.postMessage(job);
  });
}
