/**
 * The sentence about a part that this build leaves out (parts.ts):
 *
 *     this build of limpet has no qwen3 (it was built with: llama plm); take limpet.wasm, which has all, or …
 */
import { Core, ErrorCode, fail, say, sayBytes } from "./core";

/** Begins the sentence. What the build holds follows, each by `say(core, " …")`, then `endLeftOut`. */
export function beginLeftOut(core: Core, name: usize, length: usize): void {
  fail(core, ErrorCode.UNSUPPORTED, "this build of limpet has no ");
  sayBytes(core, name, length);
  say(core, " (it was built with:");
}

/** Ends the sentence, and returns the code. */
export function endLeftOut(core: Core): i32 {
  say(core, "); take limpet.wasm, which has all, or make a build with `limpet slim`");
  return core.errorCode;
}
