/** What a host does when a step wants bytes of the file. */
import type { TestCore } from "./core.ts";

/** Hands the core what a step that answered NEED_DATA asks for: one range of a model, a list of a context's pass. */
export function feed(
  core: TestCore,
  kind: "model" | "context",
  handle: number,
  files: Uint8Array | readonly Uint8Array[],
): void {
  const parts = files instanceof Uint8Array ? [files] : files;
  const indices =
    kind === "model" ? [[]] : Array.from({ length: core.call("context_request_count", handle) }, (_, i) => [i]);
  for (const index of indices) {
    const file = parts[core.call(`${kind}_request_file`, handle, ...index)];
    const offset = Number(core.exports[`${kind}_request_offset`](handle, ...index));
    const length = core.call(`${kind}_request_length`, handle, ...index) >>> 0;
    if (length === 0 || offset + length > file.length)
      throw new Error(`asks for ${length} bytes at ${offset} of ${file.length}`);
    core.memory.write(
      core.call(`${kind}_request_destination`, handle, ...index),
      file.subarray(offset, offset + length),
    );
  }
}
