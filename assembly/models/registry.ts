/**
 * The architectures: one line each. To add one, write its file and its line (docs/adding-an-architecture.md).
 */
import { llama } from "./llama";
import { memoryformer } from "./memoryformer";
import { plm } from "./plm";
import { qwen2 } from "./qwen2";
import { qwen3 } from "./qwen3";
import { sameText } from "../memory/bytes";
import { ErrorCode, bytesOf, wordsOf } from "../memory/core";
import { Builder } from "../program/builder";

const NAMES: string = "llama, qwen2, qwen3, plm, memoryformer";

/** Writes the program of the architecture that `general.architecture` names; an unknown one is refused by name. */
export function writeProgram(b: Builder): void {
  const name = b.gguf.architecture;
  const length = b.gguf.architectureLength;
  if (is(name, length, "llama")) return llama(b);
  if (is(name, length, "qwen2")) return qwen2(b);
  if (is(name, length, "qwen3")) return qwen3(b);
  if (is(name, length, "plm")) return plm(b);
  if (is(name, length, "memoryformer")) return memoryformer(b);
  if (name == 0) b.refuse(ErrorCode.BAD_FILE, "the file has no key general.architecture; convert the model anew");
  b.refuse(
    ErrorCode.UNSUPPORTED, "the architecture {s} is not supported; limpet runs {w}", bytesOf(name, length),
    wordsOf(NAMES),
  );
}

@inline
function is(name: usize, length: u32, words: string): bool {
  return sameText(name, length, words);
}
