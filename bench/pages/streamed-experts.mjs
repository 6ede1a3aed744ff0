/** A model larger than memory in a page: fetched into the browser's own files (OPFS), its experts read from there. */
import { cached, deleteCached } from "/build/js/cache.js";
import { Model } from "/build/js/index.js";
import { generated } from "../lib/streamed-experts.mjs";

/** @param {{ source: string, build: import("../../src/index.ts").BuildChoice, caches: number[], tokens: number }} job */
export async function measure({ source, build, caches, tokens }) {
  const url = new URL(source, location.href);
  const rows = [];
  try {
    const file = await cached(url);
    for (const cache of caches) rows.push(await generated(Model, file, { build, cache, tokens }));
  } finally {
    await deleteCached(url);
  }
  return { rows };
}
