/** Metadata of a GGUF file as it is written: a key, its type and its value. */
import { ValueType } from "../../bindings/numbers.ts";

/** Types of values by their names, in the order of their numbers in a file. */
export const VALUE_TYPES: readonly ValueTypeName[] = Object.entries(ValueType)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name.toLowerCase() as ValueTypeName);

type ValueTypeName = Lowercase<keyof typeof ValueType>;
type ScalarType = Exclude<ValueTypeName, "array">;
/** `u32`, or `u32[]` for an array of it. */
export type GgufType = ScalarType | `${ScalarType}[]`;
export type GgufScalar = number | bigint | boolean | string;
export type GgufValue = GgufScalar | ArrayLike<GgufScalar>;
export type GgufEntry = readonly [key: string, type: GgufType, value: GgufValue, raw?: RawEntry];

/** The bytes of an entry that was read from a file, to be written again as they are: of an array its elements. */
export interface RawEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** The element type of an array's type, or null. */
export function elementType(type: GgufType): ScalarType | null {
  return type.endsWith("[]") ? (type.slice(0, -2) as ScalarType) : null;
}
