/**
 * What claims about a value come to: shapes, one of which it has. A shape says by type what is asked; what it asks of
 * properties and items stays as it stands in the schemas, so that recursion has an end.
 */
import { GrammarError } from "./errors.ts";
import { formatLanguage, UNHELD_FORMATS } from "./formats.ts";
import { patternLanguage } from "./pattern.ts";
import type { Languages, Regex } from "./regex.ts";
import {
  type Claim,
  isUnicode,
  OTHER,
  type Schema,
  type SchemaDocument,
  type SchemaObject,
  schemaOf,
} from "./schema-document.ts";
import { isValid } from "./validate.ts";

export const Kind = { NULL: 1, BOOLEAN: 2, NUMBER: 4, TEXT: 8, ARRAY: 16, OBJECT: 32, ALL: 63 } as const;

/** What one way to satisfy claims asks. */
export interface Shape {
  /** Kinds of values, bits of `Kind`. */
  kinds: number;
  /** The only values; null: any. */
  values: readonly unknown[] | null;
  /** Values that are none. */
  readonly others: unknown[];
  integer: boolean;
  /** No whole number. */
  broken: boolean;
  low: number;
  lowOpen: boolean;
  high: number;
  highOpen: boolean;
  readonly multiples: { readonly of: number; readonly not: boolean; readonly path: string }[];
  shortest: number;
  longest: number;
  readonly texts: Regex[];
  /** The schemas that say something of arrays and of objects. */
  readonly arrays: SchemaObject[];
  readonly objects: SchemaObject[];
  /** Every claim that went into it. */
  readonly claims: Map<string, Claim>;
  readonly open: Claim[];
  path: string;
}

const KINDS: Readonly<Record<string, number>> = {
  null: Kind.NULL,
  boolean: Kind.BOOLEAN,
  number: Kind.NUMBER,
  integer: Kind.NUMBER,
  string: Kind.TEXT,
  array: Kind.ARRAY,
  object: Kind.OBJECT,
};
const ARRAYS = [
  "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
]; // biome-ignore format: a list
const OBJECTS = [
  "properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties",
  "propertyNames", "dependentRequired", "dependencies", "limpet:other",
]; // biome-ignore format: a list
const UNHELD = ["unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef", "extends", "disallow"];
const SAYS_NOTHING = new Set(["then", "else", "minContains", "maxContains"]);
/** Most ways to satisfy claims. */
const SHAPES = 600;
/** Most claims that are taken apart for one schema. */
const STEPS = 30_000;

export class Shapes {
  readonly #l: Languages;
  readonly #document: SchemaDocument;
  #depth = 0;
  #steps = 0;

  constructor(languages: Languages, document: SchemaDocument) {
    this.#l = languages;
    this.#document = document;
  }

  /** The ways to satisfy claims. */
  of(claims: readonly Claim[]): Shape[] {
    const done: Shape[] = [];
    const list: Shape[] = [emptyShape(claims)];
    for (let shape = list.pop(); shape; shape = list.pop()) {
      const claim = shape.open.pop();
      if (!claim) {
        if (shape.kinds !== 0 && shape.values?.length !== 0) done.push(shape);
      } else {
        const key = this.#key(claim);
        if (shape.claims.has(key)) list.push(shape);
        else if (!shape.claims.has(this.#key({ schema: claim.schema, not: !claim.not }))) {
          shape.claims.set(key, claim);
          if (++this.#steps > STEPS) throw new GrammarError("it takes too long to tell its ways apart", "schema", "");
          const ways = claim.not ? this.#negated(shape, claim.schema) : this.#applied(shape, claim.schema);
          list.push(...ways.filter(({ kinds }) => kinds !== 0));
        }
      }
      if (list.length + done.length > SHAPES) {
        throw new GrammarError(`there are more than ${SHAPES} ways to satisfy it`, "anyOf", this.#path(claims));
      }
    }
    return done.reverse();
  }

  #path(claims: readonly Claim[]): string {
    return claims.length > 0 ? this.#document.pathOf(claims[0].schema) : "";
  }

  #key({ schema, not }: Claim): string {
    return `${not ? "!" : ""}${this.#document.numberOf(schema)}`;
  }

  /** A shape with what a schema asks. */
  #applied(shape: Shape, schema: SchemaObject): Shape[] {
    const path = this.#document.pathOf(schema);
    const s = schema as Record<string, never>;
    if (s.$ref !== undefined) {
      const target = this.#document.resolve(schema, s.$ref);
      const ways = this.#with(shape, [target], path);
      if (this.#document.refAlone || ways.length === 0) return ways;
    }
    for (const word of UNHELD) {
      if (s[word] !== undefined && (s[word] as unknown) !== true) throw new GrammarError("it is not held", word, path);
    }
    if (s.type !== undefined) this.#type(shape, s.type, path);
    if (s.enum !== undefined) {
      if (!Array.isArray(s.enum)) throw new GrammarError("it is a list", "enum", path);
      keepValues(shape, s.enum);
    }
    if (Object.hasOwn(schema, "const")) keepValues(shape, [s.const]);
    this.#numbers(shape, schema, path);
    this.#texts(shape, schema, path);
    if (ARRAYS.some((word) => s[word] !== undefined)) shape.arrays.push(schema);
    if (OBJECTS.some((word) => s[word] !== undefined)) shape.objects.push(schema);
    let ways = [shape];
    const each = (make: (way: Shape) => Shape[]): void => {
      ways = ways.flatMap((way) => make(way));
    };
    if (s.allOf !== undefined) each((way) => this.#with(way, listOf(s.allOf, "allOf", path), path));
    if (s.not !== undefined) each((way) => this.#without(way, schemaOf(s.not, `${path}/not`)));
    if (s.anyOf !== undefined) {
      const parts = listOf(s.anyOf, "anyOf", path);
      each((way) => parts.flatMap((part) => this.#with(copy(way), [part], path)));
    }
    if (s.oneOf !== undefined) {
      const parts = listOf(s.oneOf, "oneOf", path);
      each((way) => this.#oneOf(way, parts, path));
    }
    if (s.if !== undefined && (s.then !== undefined || s.else !== undefined)) {
      const condition = schemaOf(s.if, `${path}/if`);
      each((way) => [
        ...this.#with(copy(way), [condition, schemaOf(s.then ?? true, path)], path),
        ...this.#without(copy(way), condition).flatMap((no) => this.#with(no, [schemaOf(s.else ?? true, path)], path)),
      ]);
    }
    for (const word of ["dependentSchemas", "dependencies"]) {
      for (const [name, needs] of Object.entries((s[word] as SchemaObject | undefined) ?? {})) {
        if (Array.isArray(needs)) continue;
        const without = this.#document.made(schema, `${word} no ${name}`, () => ({ properties: { [name]: false } }));
        const with_ = this.#document.made(schema, `${word} ${name}`, () => ({ type: "object", required: [name] }));
        const then = schemaOf(needs, `${path}/${word}/${name}`);
        each((way) => [...this.#with(copy(way), [without], path), ...this.#with(copy(way), [with_, then], path)]);
      }
    }
    return ways;
  }

  /** With more claims: none where one is false. */
  #with(shape: Shape, schemas: readonly Schema[], path: string): Shape[] {
    if (schemas.includes(false)) return [];
    // The first is the next to be looked at, so that properties come in the order of the schemas.
    for (const schema of [...schemas].reverse()) {
      if (typeof schema === "object") shape.open.push({ schema, not: false });
    }
    shape.path = path;
    return [shape];
  }

  #without(shape: Shape, schema: Schema): Shape[] {
    if (schema === true) return [];
    if (schema !== false) shape.open.push({ schema, not: true });
    return [shape];
  }

  /** Each part, without those that it may be true together with. */
  #oneOf(shape: Shape, parts: readonly Schema[], path: string): Shape[] {
    // What is being taken apart is left out, else there were no end to it.
    const whole = [...shape.claims.values()].map(({ schema, not }) => ({
      schema: schema.oneOf === undefined ? schema : this.#document.made(schema, "base", () => withoutChoice(schema)),
      not,
    }));
    const disjoint = (a: Schema, b: Schema): boolean => {
      if (a === false || b === false) return true;
      if (this.#depth > 3) return false;
      this.#depth++;
      try {
        const claims = [...whole.filter(({ not }) => !not), ...claimsOf(a), ...claimsOf(b)];
        return this.of(claims).every((way) => this.#isEmpty(way));
      } catch (error) {
        if (error instanceof GrammarError) return false;
        throw error;
      } finally {
        this.#depth--;
      }
    };
    return parts.flatMap((part, i) => {
      let ways = this.#with(copy(shape), [part], path);
      parts.forEach((other, j) => {
        if (i === j || ways.length === 0 || disjoint(part, other)) return;
        ways = ways.flatMap((way) => this.#without(way, other));
      });
      return ways;
    });
  }

  /** Whether it can be seen that no value has the shape: as far as is needed to tell the parts of a oneOf apart. */
  #isEmpty(shape: Shape, depth = 3): boolean {
    if (shape.kinds === 0) return true;
    if (shape.values) return !shape.values.some((value) => this.holds(shape, value));
    if (shape.kinds & ~Kind.OBJECT || depth === 0) return false;
    const required = new Set(shape.objects.flatMap((schema) => (schema.required as string[] | undefined) ?? []));
    for (const name of required) {
      const claims = claimsOfProperty(shape.objects, name);
      if (claims === null) return true;
      if (claims.length > 0 && this.of(claims).every((way) => this.#isEmpty(way, depth - 1))) return true;
    }
    return false;
  }

  /** Whether a value satisfies all claims of a shape. */
  holds(shape: Shape, value: unknown): boolean {
    return [...shape.claims.values()].every(
      ({ schema, not }) => isValid(this.#document, this.#l, schema, value) !== not,
    );
  }

  #type(shape: Shape, type: unknown, path: string): void {
    const names = Array.isArray(type) ? type : [type];
    let kinds = 0;
    for (const name of names) {
      if (name === "any") kinds = Kind.ALL;
      else if (typeof name !== "string" || !Object.hasOwn(KINDS, name)) {
        throw new GrammarError(`there is no type ${JSON.stringify(name)}`, "type", path);
      } else kinds |= KINDS[name];
    }
    shape.kinds &= kinds;
    if (names.includes("integer") && !names.includes("number") && !names.includes("any")) shape.integer = true;
  }

  #numbers(shape: Shape, schema: SchemaObject, path: string): void {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf, divisibleBy } = schema;
    if (typeof minimum === "number") raise(shape, minimum, exclusiveMinimum === true);
    if (typeof exclusiveMinimum === "number") raise(shape, exclusiveMinimum, true);
    if (typeof maximum === "number") lower(shape, maximum, exclusiveMaximum === true);
    if (typeof exclusiveMaximum === "number") lower(shape, exclusiveMaximum, true);
    const of = multipleOf ?? divisibleBy;
    if (typeof of === "number") shape.multiples.push({ of, not: false, path });
  }

  #texts(shape: Shape, schema: SchemaObject, path: string): void {
    const { minLength, maxLength, pattern, format } = schema;
    if (typeof minLength === "number") shape.shortest = Math.max(shape.shortest, Math.ceil(minLength));
    if (typeof maxLength === "number") shape.longest = Math.min(shape.longest, Math.floor(maxLength));
    if (shape.shortest > shape.longest) shape.kinds &= ~Kind.TEXT;
    if (typeof pattern === "string") shape.texts.push(this.#pattern(pattern, path));
    if (typeof format === "string" && (shape.kinds & Kind.TEXT) !== 0) {
      const language = this.#format(format, path);
      if (language) shape.texts.push(language);
    }
  }

  #pattern(pattern: string, path: string): Regex {
    try {
      return patternLanguage(this.#l, pattern, isUnicode(pattern) ? "u" : "", path);
    } catch (error) {
      if (!(error instanceof GrammarError)) throw error;
      throw new GrammarError(error.message.replace(/^.*?: /, ""), "pattern", path);
    }
  }

  #format(format: string, path: string): Regex | null {
    if (UNHELD_FORMATS.has(format)) throw new GrammarError(`${format} is not held`, "format", path);
    return formatLanguage(this.#l, format, path);
  }

  /** The ways in which a schema does not hold. */
  #negated(shape: Shape, schema: SchemaObject): Shape[] {
    const path = this.#document.pathOf(schema);
    const s = schema as Record<string, never>;
    const ways: Shape[] = [];
    const only = (kinds: number, change: (way: Shape) => void): void => {
      const way = copy(shape);
      way.kinds &= kinds;
      if (way.kinds === 0) return;
      change(way);
      if (way.kinds !== 0) ways.push(way);
    };
    const claim = (name: string, made: SchemaObject): void => {
      const part = this.#document.made(schema, name, () => made);
      ways.push(...this.#with(copy(shape), [part], path));
    };
    const refuse = (word: string): never => {
      throw new GrammarError(`it is not held where it has to be false`, word, path);
    };
    if (s.$ref !== undefined && this.#document.refAlone) {
      return this.#without(shape, this.#document.resolve(schema, s.$ref));
    }
    for (const [word, value] of Object.entries(schema)) {
      switch (word) {
        case "$ref":
          ways.push(...this.#without(copy(shape), this.#document.resolve(schema, value)));
          break;
        case "type": {
          const names = Array.isArray(value) ? value : [value];
          if (names.includes("any")) break;
          const kinds = names.reduce((sum: number, name: string) => sum | (KINDS[name] ?? 0), 0);
          only(Kind.ALL & ~kinds, () => {});
          if (names.includes("integer") && !names.includes("number"))
            only(Kind.NUMBER, (way) => void (way.broken = true));
          break;
        }
        case "enum":
        case "const":
          only(Kind.ALL, (way) => void way.others.push(...(word === "enum" ? (value as unknown[]) : [value])));
          break;
        case "minimum":
          only(Kind.NUMBER, (way) => lower(way, value as number, s.exclusiveMinimum !== true));
          break;
        case "maximum":
          only(Kind.NUMBER, (way) => raise(way, value as number, s.exclusiveMaximum !== true));
          break;
        case "exclusiveMinimum":
          if (typeof value === "number") only(Kind.NUMBER, (way) => lower(way, value, false));
          break;
        case "exclusiveMaximum":
          if (typeof value === "number") only(Kind.NUMBER, (way) => raise(way, value, false));
          break;
        case "multipleOf":
          only(Kind.NUMBER, (way) => void way.multiples.push({ of: value as number, not: true, path }));
          break;
        case "minLength":
          only(Kind.TEXT, (way) => {
            way.longest = Math.min(way.longest, (value as number) - 1);
            if (way.longest < way.shortest) way.kinds = 0;
          });
          break;
        case "maxLength":
          only(Kind.TEXT, (way) => {
            way.shortest = Math.max(way.shortest, (value as number) + 1);
            if (way.longest < way.shortest) way.kinds = 0;
          });
          break;
        case "pattern":
          only(Kind.TEXT, (way) => void way.texts.push(this.#l.not(this.#pattern(value as string, path))));
          break;
        case "format": {
          const language = this.#format(value as string, path);
          if (language) only(Kind.TEXT, (way) => void way.texts.push(this.#l.not(language)));
          break;
        }
        case "required":
          for (const name of value as string[]) {
            claim(`lacks ${name}`, { type: "object", properties: { [name]: false } });
          }
          break;
        case "properties":
          for (const [name, part] of Object.entries(value as SchemaObject)) {
            if (part === true) continue;
            claim(`breaks ${name}`, { type: "object", required: [name], properties: { [name]: { not: part } } });
          }
          break;
        case "items":
          if (Array.isArray(value) || s.prefixItems !== undefined) refuse(word);
          if (value !== true) claim("breaks items", { type: "array", contains: { not: value } });
          break;
        case "contains":
          if (s.minContains !== undefined || s.maxContains !== undefined) refuse(word);
          claim("breaks contains", { type: "array", items: { not: value } });
          break;
        case "minItems":
        case "minProperties": {
          const [type, most] = word === "minItems" ? ["array", "maxItems"] : ["object", "maxProperties"];
          if ((value as number) > 0) claim(`breaks ${word}`, { type, [most]: (value as number) - 1 });
          break;
        }
        case "maxItems":
        case "maxProperties": {
          const [type, least] = word === "maxItems" ? ["array", "minItems"] : ["object", "minProperties"];
          claim(`breaks ${word}`, { type, [least]: (value as number) + 1 });
          break;
        }
        case "additionalProperties":
          if (value === true) break;
          if (s.patternProperties !== undefined) refuse(word);
          claim("breaks additionalProperties", {
            type: "object",
            [OTHER]: { names: Object.keys((s.properties ?? {}) as object), not: value },
          });
          break;
        case "allOf":
          for (const part of listOf(value, word, path)) ways.push(...this.#without(copy(shape), part));
          break;
        case "anyOf": {
          let all = [copy(shape)];
          for (const part of listOf(value, word, path)) all = all.flatMap((way) => this.#without(way, part));
          ways.push(...all);
          break;
        }
        case "not":
          ways.push(...this.#with(copy(shape), [schemaOf(value, path)], path));
          break;
        case "if":
          if (s.then !== undefined || s.else !== undefined) refuse(word);
          break;
        case "oneOf":
        case "uniqueItems":
        case "prefixItems":
        case "additionalItems":
        case "patternProperties":
        case "propertyNames":
        case "dependentRequired":
        case "dependentSchemas":
        case "dependencies":
          if (value !== true && !(word === "uniqueItems" && value === false)) refuse(word);
          break;
        default:
          if (!SAYS_NOTHING.has(word) && UNHELD.includes(word)) refuse(word);
      }
    }
    return ways;
  }
}

export function claimsOf(schema: Schema): Claim[] {
  return typeof schema === "boolean" ? [] : [{ schema, not: false }];
}

/** What schemas ask of a property by its name; null where it may not be there. Patterns are looked up as expressions. */
export function claimsOfProperty(schemas: readonly SchemaObject[], name: string): Claim[] | null {
  const claims: Claim[] = [];
  for (const { properties, patternProperties, additionalProperties } of schemas) {
    const found: unknown[] = [];
    if (properties && Object.hasOwn(properties as object, name)) found.push((properties as SchemaObject)[name]);
    for (const [pattern, part] of Object.entries((patternProperties as SchemaObject | undefined) ?? {})) {
      if (new RegExp(pattern, isUnicode(pattern) ? "u" : "").test(name)) found.push(part);
    }
    if (found.length === 0 && additionalProperties !== undefined) found.push(additionalProperties);
    for (const part of found) {
      const schema = schemaOf(part, `/properties/${name}`);
      if (schema === false) return null;
      claims.push(...claimsOf(schema));
    }
  }
  return claims;
}

function withoutChoice({ oneOf, ...rest }: SchemaObject): SchemaObject {
  void oneOf;
  return rest;
}

function emptyShape(claims: readonly Claim[]): Shape {
  return {
    kinds: Kind.ALL,
    values: null,
    others: [],
    integer: false,
    broken: false,
    low: Number.NEGATIVE_INFINITY,
    lowOpen: false,
    high: Number.POSITIVE_INFINITY,
    highOpen: false,
    multiples: [],
    shortest: 0,
    longest: Number.POSITIVE_INFINITY,
    texts: [],
    arrays: [],
    objects: [],
    claims: new Map(),
    open: [...claims].reverse(),
    path: "",
  };
}

function copy(shape: Shape): Shape {
  return {
    ...shape,
    others: [...shape.others],
    multiples: [...shape.multiples],
    texts: [...shape.texts],
    arrays: [...shape.arrays],
    objects: [...shape.objects],
    claims: new Map(shape.claims),
    open: [...shape.open],
  };
}

function keepValues(shape: Shape, values: readonly unknown[]): void {
  const keys = new Set(values.map((value) => JSON.stringify(value)));
  const kept = (shape.values ?? values).filter((value) => keys.has(JSON.stringify(value)));
  shape.values = [...new Map(kept.map((value) => [JSON.stringify(value), value])).values()];
}

function raise(shape: Shape, low: number, open: boolean): void {
  if (low > shape.low || (low === shape.low && open)) {
    shape.low = low;
    shape.lowOpen = open;
  }
  checkRange(shape);
}

function lower(shape: Shape, high: number, open: boolean): void {
  if (high < shape.high || (high === shape.high && open)) {
    shape.high = high;
    shape.highOpen = open;
  }
  checkRange(shape);
}

function checkRange(shape: Shape): void {
  const { low, high, lowOpen, highOpen } = shape;
  if (low > high || (low === high && (lowOpen || highOpen))) shape.kinds &= ~Kind.NUMBER;
}

function listOf(value: unknown, word: string, path: string): Schema[] {
  if (!Array.isArray(value)) throw new GrammarError("it is a list of schemas", word, path);
  return value.map((part, i) => schemaOf(part, `${path}/${word}/${i}`));
}
