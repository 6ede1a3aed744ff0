/**
 * The architectures: one line each. To add one, write its file and its line (docs/adding-an-architecture.md).
 */
import { llama } from "./llama";
import { memoryformer } from "./memoryformer";
import { plm } from "./plm";
import { qwen2 } from "./qwen2";
import { qwen3 } from "./qwen3";
import { sameText } from "../memory/bytes";
import { ErrorCode, bytesOf, say, sayBytes, wordsOf } from "../memory/core";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
import { HAS_ALL_ARCHITECTURES, HAS_LLAMA, HAS_MEMORYFORMER, HAS_PLM, HAS_QWEN2, HAS_QWEN3 } from "../parts";
import { Builder } from "../program/builder";

const NAMES: string = "llama, qwen2, qwen3, plm, memoryformer";

/** Writes the program of the architecture that `general.architecture` names; an unknown one is refused by name. */
export function writeProgram(b: Builder): void {
  const name = b.gguf.architecture;
  const length = b.gguf.architectureLength;
  if (HAS_LLAMA && is(name, length, "llama")) return llama(b);
  if (HAS_QWEN2 && is(name, length, "qwen2")) return qwen2(b);
  if (HAS_QWEN3 && is(name, length, "qwen3")) return qwen3(b);
  if (HAS_PLM && is(name, length, "plm")) return plm(b);
  if (HAS_MEMORYFORMER && is(name, length, "memoryformer")) return memoryformer(b);
  if (name == 0) b.refuse(ErrorCode.BAD_FILE, "the file has no key general.architecture; convert the model anew");
  if (!HAS_ALL_ARCHITECTURES && isLeftOut(name, length)) return refuseLeftOut(b);
  b.refuse(
    ErrorCode.UNSUPPORTED, "the architecture {s} is not supported; limpet runs {w}", bytesOf(name, length),
    wordsOf(NAMES),
  );
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

function refuseLeftOut(b: Builder): void {
  if (b.error) return;
  const core = b.core;
  beginLeftOut(core);
  sayBytes(core, b.gguf.architecture, b.gguf.architectureLength);
  beginHeld(core);
  if (HAS_LLAMA) say(core, " llama");
  if (HAS_QWEN2) say(core, " qwen2");
  if (HAS_QWEN3) say(core, " qwen3");
  if (HAS_PLM) say(core, " plm");
  if (HAS_MEMORYFORMER) say(core, " memoryformer");
  b.error = endLeftOut(core);
}

@inline
function is(name: usize, length: u32, words: string): bool {
  return sameText(name, length, words);
}
