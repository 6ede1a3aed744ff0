/** `limpet logits`: raw little-endian f32, [tokens, vocabulary]. */
import type { Form } from "../generate/sequence-pool.ts";
import { splitNames } from "../load/source.ts";
import type { Arguments } from "./arguments.ts";
import { adaptersOf, openModel } from "./common.ts";
import type { Io } from "./io.ts";

export async function logits(args: Arguments, io: Io): Promise<void> {
  const tokens = args.tokens("tokens");
  const out = args.required("out");
  const model = await openModel(args, io);
  const chunks = model.logitChunks(tokens, {
    form: args.text("form") as Form,
    chunk: args.numberOrNone("chunk"),
    adapters: await adaptersOf(args, io, model),
    signal: io.signal,
  });
  let done = 0;
  const source = args.argument("MODEL");
  const file = io.createFile(out, source === undefined ? [] : splitNames(source).map(String));
  try {
    for await (const chunk of chunks) {
      file.write(new Uint8Array(chunk.buffer));
      done += chunk.length / model.info.vocabulary;
      io.progress("logits", done, tokens.length);
    }
    file.finish();
  } finally {
    file.discard();
    io.endProgress();
  }
}
