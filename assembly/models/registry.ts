/**
 * The architectures: one line each. To add one, write its file and its line (docs/adding-an-architecture.md).
 */
import { llama } from "./llama";
import { memoryformer } from "./memoryformer";
import { plm } from "./plm";
import { qwen2 } from "./qwen2";
import { qwen3 } from "./qwen3";
import { sameText } from "../memory/bytes";
import { Core, ErrorCode, bytesOf, fail, say, sayBytes, wordsOf } from "../memory/core";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
import { HAS_ALL_ARCHITECTURES, HAS_LLAMA, HAS_MEMORYFORMER, HAS_PLM, HAS_QWEN2, HAS_QWEN3 } from "../parts";
import { Gguf } from "../files/gguf";

const NAMES: string = "llama, qwen2, qwen3, plm, memoryformer";

/**
 * The architecture that `general.architecture` names: the index of the function that writes its program, or 0 with the
 * error set.
 */
export function findArchitecture(core: Core, gguf: Gguf): u32 {
  const name = gguf.architecture;
  const length = gguf.architectureLength;
  if (HAS_LLAMA && is(name, length, "llama")) return llama.index;
  if (HAS_QWEN2 && is(name, length, "qwen2")) return qwen2.index;
  if (HAS_QWEN3 && is(name, length, "qwen3")) return qwen3.index;
  if (HAS_PLM && is(name, length, "plm")) return plm.index;
  if (HAS_MEMORYFORMER && is(name, length, "memoryformer")) return memoryformer.index;
  if (name == 0) fail(core, ErrorCode.BAD_FILE, "the file has no key general.architecture; convert the model anew");
  else if (!HAS_ALL_ARCHITECTURES && isLeftOut(name, length)) failWithout(core, name, length);
  else {
    fail(
      core, ErrorCode.UNSUPPORTED, "the architecture {s} is not supported; limpet runs {w}", bytesOf(name, length),
      wordsOf(NAMES),
    );
  }
  return 0;
}

/** Whether limpet runs the architecture, and this build does not. */
function isLeftOut(name: usize, length: u32): bool {
  return (
    (!HAS_LLAMA && is(name, length, "llama")) ||
    (!HAS_QWEN2 && is(name, length, "qwen2")) ||
    (!HAS_QWEN3 && is(name, length, "qwen3")) ||
    (!HAS_PLM && is(name, length, "plm")) ||
    (!HAS_MEMORYFORMER && is(name, length, "memoryformer"))
  );
}

function failWithout(core: Core, name: usize, length: u32): void {
  beginLeftOut(core);
  sayBytes(core, name, length);
  beginHeld(core);
  if (HAS_LLAMA) say(core, " llama");
  if (HAS_QWEN2) say(core, " qwen2");
  if (HAS_QWEN3) say(core, " qwen3");
  if (HAS_PLM) say(core, " plm");
  if (HAS_MEMORYFORMER) say(core, " memoryformer");
  endLeftOut(core);
}

@inline
function is(name: usize, length: u32, words: string): bool {
  return sameText(name, length, words);
}
