/**
 * The sentence about a part that this build leaves out (parts.ts), said in turns:
 *
 *     this build of limpet has no qwen3 (it was built with: llama plm); take limpet.wasm, which has all, or …
 *     beginLeftOut                name  beginHeld            parts   endLeftOut
 */
import { Core, ErrorCode, fail, say } from "./core";

/** Begins the sentence; the name of the part follows. */
export function beginLeftOut(core: Core): void {
  fail(core, ErrorCode.UNSUPPORTED, "this build of limpet has no ");
}

/** Begins the list of what the build holds; each part follows as `say(core, " …")`. */
export function beginHeld(core: Core): void {
  say(core, " (it was built with:");
}

/** Ends the sentence, and returns the code. */
export function endLeftOut(core: Core): i32 {
  say(core, "); take limpet.wasm, which has all, or make a build with `limpet slim`");
  return core.errorCode;
}
