/** The worker of pages/limpet.mjs: a job in, its result out. */
import { Model } from "/build/js/index.js";
import { measure } from "../engines/limpet.mjs";

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ result: await measure(Model, data) });
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
};
