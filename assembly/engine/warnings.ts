/**
 * What is doubtful about a file that loads all the same. A warning is one text: its name, a space, and its words.
 */
import { Gguf, ValueType, findKey, stringBytes, stringLength } from "../files/gguf";
import { sameText } from "../memory/bytes";

/** Warning `index` of a file, from 0 on; the empty text behind the last. */
export function warningOf(g: Gguf, index: u32): string {
  if (lacksPretokenizer(g)) {
    if (index == 0) {
      return "NO_PRETOKENIZER the file does not name its pre-tokenizer (tokenizer.ggml.pre): the default may cut texts \
otherwise than the model was trained on; take a newer file";
    }
    index -= 1;
  }
  return "";
}

/** Whether byte-level BPE has to guess how texts are cut into words. */
function lacksPretokenizer(g: Gguf): bool {
  const model = findKey(g, "tokenizer.ggml.model");
  if (!model || model.type != ValueType.STRING) return false;
  if (!sameText(stringBytes(model.value), stringLength(model.value), "gpt2")) return false;
  const pre = findKey(g, "tokenizer.ggml.pre");
  return !pre || (pre.type == ValueType.STRING && stringLength(pre.value) == 0);
}
