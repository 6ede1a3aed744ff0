/**
 * The architectures: one line each. To add one, write its file and its line (docs/adding-an-architecture.md).
 */
import { llama } from "./llama";
import { memoryformer } from "./memoryformer";
import { plm } from "./plm";
import { qwen2 } from "./qwen2";
import { qwen3 } from "./qwen3";
import { sameText } from "../memory/bytes";
import { Core, ErrorCode, bytesOf, fail, wordsOf } from "../memory/core";
import { Gguf } from "../files/gguf";

const NAMES: string = "llama, qwen2, qwen3, plm, memoryformer";

/**
 * The architecture that `general.architecture` names: the index of the function that writes its program, or 0 with the
 * error set.
 */
export function findArchitecture(core: Core, gguf: Gguf): u32 {
  const name = gguf.architecture;
  const length = gguf.architectureLength;
  if (is(name, length, "llama")) return llama.index;
  if (is(name, length, "qwen2")) return qwen2.index;
  if (is(name, length, "qwen3")) return qwen3.index;
  if (is(name, length, "plm")) return plm.index;
  if (is(name, length, "memoryformer")) return memoryformer.index;
  if (name == 0) fail(core, ErrorCode.BAD_FILE, "the file has no key general.architecture; convert the model anew");
  else {
    fail(
      core, ErrorCode.UNSUPPORTED, "the architecture {s} is not supported; limpet runs {w}", bytesOf(name, length),
      wordsOf(NAMES),
    );
  }
  return 0;
}

@inline
function is(name: usize, length: u32, words: string): bool {
  return sameText(name, length, words);
}
