/** Whether a value satisfies a schema: for values that a schema lists. */
import { GrammarError } from "./errors.ts";
import { formatLanguage, UNHELD_FORMATS } from "./formats.ts";
import { decimal } from "./numbers.ts";
import type { Languages } from "./regex.ts";
import { isUnicode, OTHER, type SchemaDocument, type SchemaObject, schemaOf } from "./schema-document.ts";

export function isValid(document: SchemaDocument, l: Languages, schema: unknown, value: unknown, depth = 0): boolean {
  const path = typeof schema === "object" && schema !== null ? document.pathOf(schema) : "";
  const given = schemaOf(schema, path);
  if (typeof given === "boolean") return given;
  if (depth > 100) throw new GrammarError("a value is deeper than is looked at", "$ref", path);
  const s = given as Record<string, never>;
  const is = (part: unknown, of: unknown = value): boolean => isValid(document, l, part, of, depth + 1);
  const all = (list: unknown): unknown[] => (Array.isArray(list) ? list : []);
  if (s.$ref !== undefined) {
    if (!is(document.resolve(given, s.$ref))) return false;
    if (document.refAlone) return true;
  }
  if (s.type !== undefined && !(Array.isArray(s.type) ? s.type : [s.type]).some((type) => hasType(value, type)))
    return false;
  if (s.enum !== undefined && !all(s.enum).some((one) => equal(one, value))) return false;
  if (Object.hasOwn(given, "const") && !equal(s.const, value)) return false;
  if (!all(s.allOf).every((part) => is(part))) return false;
  if (s.anyOf !== undefined && !all(s.anyOf).some((part) => is(part))) return false;
  if (s.oneOf !== undefined && all(s.oneOf).filter((part) => is(part)).length !== 1) return false;
  if (s.not !== undefined && is(s.not)) return false;
  if (s.if !== undefined && !is((is(s.if) ? s.then : s.else) ?? true)) return false;
  if (typeof value === "number") return validNumber(given, value);
  if (typeof value === "string") return validText(l, given, value, path);
  if (Array.isArray(value)) return validArray(given, value, is);
  return typeof value !== "object" || value === null || validObject(given, value as SchemaObject, is);
}

function validNumber(s: SchemaObject, value: number): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = s;
  if (typeof minimum === "number" && (value < minimum || (exclusiveMinimum === true && value === minimum)))
    return false;
  if (typeof maximum === "number" && (value > maximum || (exclusiveMaximum === true && value === maximum)))
    return false;
  if (typeof exclusiveMinimum === "number" && value <= exclusiveMinimum) return false;
  if (typeof exclusiveMaximum === "number" && value >= exclusiveMaximum) return false;
  return typeof multipleOf !== "number" || isMultiple(value, multipleOf);
}

/** As decimals, exactly. */
function isMultiple(value: number, of: number): boolean {
  const [a, b] = [decimal(value), decimal(of)];
  const scale = Math.max(a[1].length, b[1].length);
  const [x, y] = [a, b].map(([whole, fraction]) => BigInt(whole + fraction.padEnd(scale, "0")));
  return y !== 0n && x % y === 0n;
}

function validText(l: Languages, s: SchemaObject, value: string, path: string): boolean {
  const { minLength, maxLength, pattern, format } = s;
  const length = Array.from(value).length;
  if (typeof minLength === "number" && length < minLength) return false;
  if (typeof maxLength === "number" && length > maxLength) return false;
  if (typeof pattern === "string" && !new RegExp(pattern, isUnicode(pattern) ? "u" : "").test(value)) return false;
  if (typeof format !== "string") return true;
  if (UNHELD_FORMATS.has(format)) throw new GrammarError(`${format} is not held`, "format", path);
  const language = formatLanguage(l, format, path);
  return language === null || l.matches(language, value);
}

type Is = (schema: unknown, value: unknown) => boolean;

function validArray(s: SchemaObject, value: unknown[], is: Is): boolean {
  const { items, prefixItems, additionalItems, minItems, maxItems, uniqueItems, contains } = s;
  const { minContains = 1, maxContains = Number.POSITIVE_INFINITY } = s as {
    minContains?: number;
    maxContains?: number;
  };
  const first = Array.isArray(prefixItems) ? prefixItems : Array.isArray(items) ? items : [];
  const rest = Array.isArray(items) ? additionalItems : items;
  if (!value.every((item, i) => is(i < first.length ? first[i] : (rest ?? true), item))) return false;
  if (typeof minItems === "number" && value.length < minItems) return false;
  if (typeof maxItems === "number" && value.length > maxItems) return false;
  if (uniqueItems === true && value.some((a, i) => value.some((b, j) => j < i && equal(a, b)))) return false;
  if (contains === undefined) return true;
  const count = value.filter((item) => is(contains, item)).length;
  return count >= minContains && count <= maxContains;
}

function validObject(s: SchemaObject, value: SchemaObject, is: Is): boolean {
  const names = Object.keys(value);
  const { required, minProperties, maxProperties, propertyNames, additionalProperties } = s;
  if (Array.isArray(required) && !required.every((name) => Object.hasOwn(value, name))) return false;
  if (typeof minProperties === "number" && names.length < minProperties) return false;
  if (typeof maxProperties === "number" && names.length > maxProperties) return false;
  if (propertyNames !== undefined && !names.every((name) => is(propertyNames, name))) return false;
  const properties = (s.properties ?? {}) as SchemaObject;
  const patterns = Object.entries((s.patternProperties ?? {}) as SchemaObject);
  for (const name of names) {
    const parts = patterns.filter(([p]) => new RegExp(p, isUnicode(p) ? "u" : "").test(name)).map(([, part]) => part);
    if (Object.hasOwn(properties, name)) parts.push(properties[name]);
    if (parts.length === 0) parts.push(additionalProperties ?? true);
    if (!parts.every((part) => is(part, value[name]))) return false;
  }
  const other = s[OTHER] as { names: string[]; not: unknown } | undefined;
  if (other && !names.some((name) => !other.names.includes(name) && !is(other.not, value[name]))) return false;
  for (const word of ["dependentRequired", "dependentSchemas", "dependencies"]) {
    for (const [name, needs] of Object.entries((s[word] ?? {}) as SchemaObject)) {
      if (!Object.hasOwn(value, name)) continue;
      if (!(Array.isArray(needs) ? needs.every((other) => Object.hasOwn(value, other)) : is(needs, value)))
        return false;
    }
  }
  return true;
}

function hasType(value: unknown, type: unknown): boolean {
  switch (type) {
    case "any":
      return true;
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((n) => Object.hasOwn(b, n) && equal((a as SchemaObject)[n], (b as SchemaObject)[n]));
}
