/** Which values a type has a code for: of those that it has none for, a file is not written. */
import { LimpetError } from "../host/errors.ts";
import type { TypeName } from "../host/types.ts";
import type { TableForm } from "./table-rows.ts";

const LARGEST_HALF = 65504;

/** NaN and infinities stay what they are in floats; a block has no code for them, and F16 none for large numbers. */
export function requireRange(name: string, type: TypeName | TableForm, values: Float32Array): void {
  if (type === "F32" || type === "BF16") return;
  const half = type === "F16";
  for (const value of values) {
    if (half ? Math.abs(value) > LARGEST_HALF && Number.isFinite(value) : !Number.isFinite(value)) {
      throw new LimpetError(
        "UNSUPPORTED",
        `${name} holds ${value}, for which ${type} has no code: convert to F32 or BF16`,
      );
    }
  }
}
