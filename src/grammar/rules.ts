/** What the rules of arrays and objects are written with. */
import type { Notation } from "./call-format.ts";
import type { Net, Rule } from "./net.ts";
import type { Languages, Regex } from "./regex.ts";
import type { Claim, SchemaDocument } from "./schema-document.ts";
import type { Shapes } from "./shapes.ts";

export interface Rules {
  readonly net: Net;
  readonly l: Languages;
  readonly document: SchemaDocument;
  readonly shapes: Shapes;
  /** How values are written where it is not JSON. */
  readonly notation: Notation | null;
  /** The rule of the values for which all claims hold. */
  rule(claims: readonly Claim[]): Rule;
  /** The state behind bounded white space. */
  spaced(from: number): number;
  /** The state behind an ASCII text. */
  sign(from: number, text: string): number;
  /** The name of a property as it is written: of an argument, where `bare`. */
  key(name: string, bare: boolean): string;
  /** A value as it is written. */
  literal(from: number, value: unknown, to: number): void;
  /** Strings whose text is of a language; false where there are none. */
  string(from: number, language: Regex, to: number, keyword: string, path: string): boolean;
}
