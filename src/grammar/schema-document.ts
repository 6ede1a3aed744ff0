/** A schema with its places and references: where each subschema stands, and which a `$ref` names. */
import { GrammarError } from "./errors.ts";

/** A schema that is an object. */
export type SchemaObject = { readonly [keyword: string]: unknown };
export type Schema = boolean | SchemaObject;

/** What is asked of a value: that a schema holds, or that it does not. */
export interface Claim {
  readonly schema: SchemaObject;
  readonly not: boolean;
}

/** Keywords whose value is a schema or a list of them, and those whose value is schemas by their names. */
const SCHEMAS = new Set([
  "additionalItems", "additionalProperties", "allOf", "anyOf", "contains", "contentSchema", "else", "if", "items", "not",
  "oneOf", "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
]); // biome-ignore format: a list
const NAMED = new Set(["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"]);
/** A keyword of our own: one property has another name than these, and a value for which a schema does not hold. */
export const OTHER = "limpet:other";
const BASE = "limpet:/schema";

export class SchemaDocument {
  readonly root: Schema;
  /** Whether what stands beside a `$ref` says nothing: up to draft 7. */
  readonly refAlone: boolean;
  readonly #paths = new Map<object, string>();
  readonly #numbers = new Map<object, number>();
  readonly #bases = new Map<object, string>();
  readonly #named = new Map<string, Schema>();
  readonly #made = new Map<object, Map<string, SchemaObject>>();

  constructor(root: unknown) {
    this.root = schemaOf(root, "");
    const dialect = typeof root === "object" && root !== null ? (root as SchemaObject).$schema : undefined;
    this.refAlone = typeof dialect === "string" && /draft-0?[3-7]/.test(dialect);
    this.#walk(root, "", BASE, "schema");
  }

  /** Where a schema stands, as a JSON pointer. */
  pathOf(schema: object): string {
    return this.#paths.get(schema) ?? "";
  }

  numberOf(schema: object): number {
    let number = this.#numbers.get(schema);
    if (number === undefined) this.#numbers.set(schema, (number = this.#numbers.size));
    return number;
  }

  /** A schema that stands for a part of another one: the same for the same part. */
  made(of: SchemaObject, name: string, make: () => SchemaObject): SchemaObject {
    let parts = this.#made.get(of);
    if (!parts) this.#made.set(of, (parts = new Map()));
    let part = parts.get(name);
    if (!part) {
      part = make();
      parts.set(name, part);
      this.#paths.set(part, this.pathOf(of));
      this.#bases.set(part, this.#bases.get(of) ?? BASE);
    }
    return part;
  }

  /** The schema that a `$ref` names. */
  resolve(from: SchemaObject, reference: unknown): Schema {
    const path = this.pathOf(from);
    if (typeof reference !== "string") throw new GrammarError("a reference is a text", "$ref", path);
    const uri = absolute(reference, this.#bases.get(from) ?? BASE);
    const [base, fragment = ""] = uri.split("#");
    const named = this.#named.get(uri) ?? (fragment === "" ? this.#named.get(base) : undefined);
    if (named !== undefined) return named;
    const document = this.#named.get(base);
    if (document === undefined || (fragment !== "" && !fragment.startsWith("/"))) {
      throw new GrammarError(`there is no ${reference} in this schema, and others are not fetched`, "$ref", path);
    }
    let at: unknown = document;
    for (const part of fragment.split("/").slice(1)) {
      const name = decode(part).replaceAll("~1", "/").replaceAll("~0", "~");
      at = typeof at === "object" && at !== null && Object.hasOwn(at, name) ? (at as SchemaObject)[name] : undefined;
    }
    if (typeof at === "object" && at !== null && !this.#paths.has(at)) at = undefined;
    if (at === undefined) throw new GrammarError(`there is no ${reference} in this schema`, "$ref", path);
    return schemaOf(at, path);
  }

  /** `as`: a schema, schemas by name, or what a reference alone can make a schema. */
  #walk(at: unknown, path: string, base: string, as: "schema" | "named" | "other"): void {
    if (typeof at !== "object" || at === null) {
      if (path === "") this.#named.set(base, at as Schema);
      return;
    }
    if (this.#paths.has(at)) return;
    this.#paths.set(at, path);
    if (!Array.isArray(at) && as === "schema") {
      const { $id, id, $anchor, $dynamicAnchor, $ref } = at as SchemaObject;
      const name = typeof $id === "string" ? $id : typeof id === "string" ? id : undefined;
      if (name !== undefined && !(this.refAlone && $ref !== undefined)) {
        const whole = absolute(name, base);
        if (!name.startsWith("#")) base = whole.split("#")[0];
        this.#named.set(whole.replace(/#$/, ""), at as SchemaObject);
      }
      if (path === "") this.#named.set(base, at as SchemaObject).set(BASE, at as SchemaObject);
      for (const anchor of [$anchor, $dynamicAnchor]) {
        if (typeof anchor === "string") this.#named.set(`${base}#${anchor}`, at as SchemaObject);
      }
    }
    this.#bases.set(at, base);
    for (const [key, value] of Object.entries(at)) {
      const inner =
        as === "named" || Array.isArray(at) || SCHEMAS.has(key) ? "schema" : NAMED.has(key) ? "named" : "other";
      const place = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      this.#walk(value, place, base, as === "other" ? "other" : inner);
    }
  }
}

/** A schema, or a refusal of what is none. */
export function schemaOf(value: unknown, path: string): Schema {
  if (typeof value === "boolean") return value;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as SchemaObject;
  throw new GrammarError("a schema is an object or a boolean", "schema", path);
}

function absolute(reference: string, base: string): string {
  try {
    return new URL(reference, base).href;
  } catch {
    return reference.startsWith("#") ? base.split("#")[0] + reference : reference;
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Patterns are read as Unicode's where they can be. */
export function isUnicode(pattern: string): boolean {
  try {
    new RegExp(pattern, "u");
    return true;
  } catch {
    return false;
  }
}
