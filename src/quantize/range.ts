/** Which values a type has a code for: of those that it has none for, a file is not written. */
import { LimpetError } from "../host/errors.ts";
import type { TypeName } from "../host/types.ts";
import type { TableForm } from "./table-rows.ts";

const LARGEST_HALF = 65504;
const LARGEST_BFLOAT = 2 ** 127 * (2 - 2 ** -7);

/** Types whose scales reach as far as floats do: the others' are halves. */
const WIDE: readonly string[] = ["MXFP4", "Q8", "Q4"] satisfies (TypeName | TableForm)[];

/** A value that is no number makes every answer none, and a large one has no code in some types: neither is written. */
export function requireRange(name: string, type: TypeName | TableForm, values: Float32Array): void {
  const isWide = type === "F32" || WIDE.includes(type);
  const most = isWide ? Number.MAX_VALUE : type === "BF16" ? LARGEST_BFLOAT : LARGEST_HALF;
  for (const value of values) {
    if (Math.abs(value) <= most) continue;
    if (!Number.isFinite(value)) throw noNumber(name);
    throw new LimpetError(
      "UNSUPPORTED",
      `${name} holds ${value}, for which ${type} has no code: convert to F32${type === "BF16" ? "" : " or BF16"}`,
    );
  }
}

/** The bits that only infinities and NaN have all set. */
const EXPONENTS = { F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80 } as const;

/** A weight that is no number makes every answer none: a model with one is not loaded, and so not written. */
export function requireFinite(name: string, type: keyof typeof EXPONENTS, bytes: Uint8Array): void {
  const exponent = EXPONENTS[type];
  const [start, length] = [bytes.byteOffset, bytes.length];
  const words =
    type === "F32"
      ? new Uint32Array(bytes.buffer, start, length / 4)
      : new Uint16Array(bytes.buffer, start, length / 2);
  for (let i = 0; i < words.length; i++) {
    if ((words[i] & exponent) !== exponent) continue;
    throw noNumber(name);
  }
}

function noNumber(name: string): LimpetError {
  return new LimpetError("BAD_FILE", `${name} holds a weight that is no number`);
}
