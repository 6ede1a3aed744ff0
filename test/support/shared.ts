/**
 * Test data that is not part of the project lies in `../shared`, beside the checkout. A test asks for it here; where it
 * is missing the test says so and passes, but never in CI.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SHARED = new URL("../../../shared/", import.meta.url);

/** The absolute path of a file in `../shared`, or null where it is missing (an error when CI is set). */
export function shared(path: string): string | null {
  const file = fileURLToPath(new URL(path, SHARED));
  if (existsSync(file)) return file;
  if (process.env.CI && process.env.CI !== "false") throw new Error(`../shared/${path} is missing, and CI needs it`);
  console.log(`skipped: needs ../shared (${path})`);
  return null;
}
