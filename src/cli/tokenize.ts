/** `limpet tokenize`: a text's token ids as JSON. A vocabulary-only file will do: weights are not read. */
import type { Arguments } from "./arguments.ts";
import { openModel, writeJson } from "./common.ts";
import type { Io } from "./io.ts";

export async function tokenize(args: Arguments, io: Io): Promise<void> {
  const given = args.needed("TEXT");
  const text = given === "-" ? await io.readInput() : given;
  const model = await openModel(args, io, { vocabularyOnly: true });
  writeJson(io, model.tokenize(text, { bos: args.has("bos"), special: args.has("special") }));
}
