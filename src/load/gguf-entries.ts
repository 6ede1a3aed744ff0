/** Metadata of a GGUF file as it is written: a key, its type and its value. */

/** Types of values, in the order of their numbers in a file. */
export const VALUE_TYPES = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

type ScalarType = Exclude<(typeof VALUE_TYPES)[number], "array">;
/** `u32`, or `u32[]` for an array of it. */
export type GgufType = ScalarType | `${ScalarType}[]`;
export type GgufScalar = number | bigint | boolean | string;
export type GgufValue = GgufScalar | ArrayLike<GgufScalar>;
export type GgufEntry = readonly [key: string, type: GgufType, value: GgufValue];

/** The element type of an array's type, or null. */
export function elementType(type: GgufType): ScalarType | null {
  return type.endsWith("[]") ? (type.slice(0, -2) as ScalarType) : null;
}
