/** `limpet quantize`: a model file in another type. */
import { BAD_CHOICE } from "../../assembly/wasi/usage.ts";
import { isCodebookType } from "../host/types.ts";
import { FILE_TYPES, fileTypeOf, refusalOf } from "../quantize/mixes.ts";
import { quantizeFile } from "../quantize/quantize.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Io } from "./io.ts";

export async function quantize(args: Arguments, io: Io): Promise<void> {
  const [input, out, type] = ["IN", "OUT", "TYPE"].map((name) => args.needed(name));
  if (isCodebookType(type.toUpperCase())) throw new UsageError(refusalOf(type));
  if (!fileTypeOf(type)) throw new UsageError(BAD_CHOICE + FILE_TYPES.join(", "), "TYPE");
  const result = await quantizeFile(input, out, type, {
    signal: io.signal,
    onProgress: (done, total) => io.progress("quantising", done, total),
  });
  io.endProgress();
  const { fallbacks, requantized } = result;
  const types = Object.entries(result.types).map(([name, count]) => `${count} ${name}`);
  io.note(
    `${out}: ${result.type}, ${result.tensors} tensors (${types.join(", ")}), ${(result.bytes / 1e6).toFixed(1)} MB`,
  );
  if (fallbacks)
    io.note(`${fallbacks} matrices have rows that are no whole blocks of ${result.type}: theirs has smaller ones`);
  if (requantized)
    io.note(`${requantized} matrices were quantised before and lose twice: F16 or F32 is the better input`);
}
