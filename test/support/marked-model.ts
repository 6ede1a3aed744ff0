/** A model with random weights whose vocabulary has marks as control tokens, and a chat template. */
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";

/** The id of the first mark; BOS and EOS are the first two. */
export const FIRST_MARK = 400;
const CONTROL = 3;

/** The bytes of such a model. */
export function markedModel(template: string, marks: readonly string[]): Uint8Array {
  const file = makeModel("llama-tiny", "Q8_0");
  const all = ["<s>", "</s>", ...marks];
  const metadata = file.metadata.map(([key, kind, value]): (typeof file.metadata)[number] => {
    if (key === "tokenizer.ggml.tokens" || key === "tokenizer.ggml.token_type") {
      const list = [...(value as unknown[])];
      for (const [i, mark] of all.entries()) list[FIRST_MARK + i] = key.endsWith("tokens") ? mark : CONTROL;
      return [key, kind, list as typeof value];
    }
    if (key === "llama.context_length") return [key, kind, 4096];
    if (key === "tokenizer.ggml.bos_token_id") return [key, kind, FIRST_MARK];
    return key === "tokenizer.ggml.eos_token_id" ? [key, kind, FIRST_MARK + 1] : [key, kind, value];
  });
  metadata.push(["tokenizer.chat_template", "string", template]);
  return new Uint8Array(encodeGguf({ ...file, metadata }));
}
