/** `limpet logits`: raw little-endian f32, [tokens, vocabulary]. */
import type { Form } from "../generate/sequence-pool.ts";
import type { Arguments } from "./arguments.ts";
import { openModel } from "./common.ts";
import type { Io } from "./io.ts";

export async function logits(args: Arguments, io: Io): Promise<void> {
  const tokens = args.tokens("tokens");
  const out = args.required("out");
  const model = await openModel(args, io);
  const chunks = model.logitChunks(tokens, {
    form: args.text("form") as Form,
    chunk: args.numberOrNone("chunk"),
    signal: io.signal,
  });
  let done = 0;
  const file = io.createFile(out);
  try {
    for await (const chunk of chunks) {
      file.write(new Uint8Array(chunk.buffer));
      done += chunk.length / model.info.vocabulary;
      io.progress("logits", done, tokens.length);
    }
  } finally {
    file.close();
    io.endProgress();
  }
}
