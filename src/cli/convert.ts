/** `limpet convert`: a checkpoint's folder → a GGUF file. */
import { BAD_CHOICE } from "../../assembly/wasi/usage.ts";
import { convert as convertCheckpoint } from "../convert/convert.ts";
import { isCodebookType } from "../host/types.ts";
import { FILE_TYPES, fileTypeOf, refusalOf } from "../quantize/mixes.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Io } from "./io.ts";

export async function convert(args: Arguments, io: Io): Promise<void> {
  const [folder, out] = [args.needed("DIR"), args.needed("OUT")];
  const base = args.text("base");
  const type = base !== undefined && !args.isGiven("type") ? "F32" : args.required("type");
  if (isCodebookType(type.toUpperCase())) throw new UsageError(refusalOf(type));
  if (!fileTypeOf(type)) throw new UsageError(BAD_CHOICE + FILE_TYPES.join(", "), "--type");
  const result = await convertCheckpoint(folder, out, {
    type,
    base,
    signal: io.signal,
    onProgress: (done, total) => io.progress("converting", done, total),
  });
  io.endProgress();
  const { architecture, tensors, bytes, leftOut } = result;
  const [first] = leftOut;
  if (first !== undefined) io.note(`left out: ${leftOut.length} tensors that text does without, as ${first}`);
  io.note(`${out}: ${architecture}, ${tensors} tensors, ${(bytes / 1e6).toFixed(1)} MB`);
}
