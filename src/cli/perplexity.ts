/** `limpet perplexity`: how well a model foresees a text, as JSON. */
import { decodeText } from "../../bindings/memory.ts";
import type { Arguments } from "./arguments.ts";
import { adaptersOf, openModel, writeJson } from "./common.ts";
import type { Io } from "./io.ts";

export async function perplexity(args: Arguments, io: Io): Promise<void> {
  const file = args.needed("FILE");
  const text = file === "-" ? await io.readInput() : decodeText(io.readFile(file));
  const context = args.number("window");
  const model = await openModel(args, io, { context });
  const result = await model.perplexity(text, {
    context,
    windows: args.numberOrNone("windows"),
    adapters: await adaptersOf(args, io, model),
    signal: io.signal,
    onProgress: (done, windows, soFar) => io.progress(`perplexity ${soFar.toFixed(3)}`, done, windows),
  });
  io.endProgress();
  writeJson(io, {
    perplexity: result.perplexity,
    bits_per_byte: result.bitsPerByte,
    tokens: result.tokens,
    bytes: result.bytes,
    windows: result.windows,
    ctx: result.context,
  });
}
