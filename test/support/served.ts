/** What the tests of the server serve: a model that talks, one that makes vectors, one that ranks, and what they say alone. */
import { Model } from "../../src/index.ts";
import { modelBytes, temporaryFile } from "./models.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** The bytes of each, by the name that it is served by. */
export const SERVED: Readonly<Record<"talker" | "embedder" | "ranker", Uint8Array<ArrayBuffer>>> = {
  talker: modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]),
  embedder: modelBytes("bert-tiny", "Q8_0"),
  ranker: modelBytes("bert-rank", "Q8_0"),
};

/** The same as files. */
export function servedFiles(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(SERVED).map(([name, bytes]) => [name, temporaryFile(`${name}.gguf`, bytes)] as const),
  );
}

/** The models alone. */
export async function alone(): Promise<Record<keyof typeof SERVED, Model>> {
  return {
    talker: await Model.load(SERVED.talker),
    embedder: await Model.load(SERVED.embedder),
    ranker: await Model.load(SERVED.ranker),
  };
}
