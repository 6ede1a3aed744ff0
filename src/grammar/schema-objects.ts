/**
 * Objects of JSON Schema as nets: the properties that the schema names come in its order, others behind them. A state
 * says how many names are through, how many properties are there as far as that matters, and which of those on which
 * others depend.
 */
import { GrammarError } from "./errors.ts";
import { patternLanguage } from "./pattern.ts";
import type { Regex } from "./regex.ts";
import type { Rules } from "./rules.ts";
import { type Claim, isUnicode, OTHER, type SchemaObject, schemaOf } from "./schema-document.ts";
import { claimsOf, claimsOfProperty, Kind } from "./shapes.ts";
import { isValid } from "./validate.ts";

/** Most names whose dependencies are kept in mind, patterns that names are told apart by, and states. */
const DEPENDENCIES = 10;
const PATTERNS = 6;
const STATES = 20_000;

interface Named {
  readonly name: string;
  readonly claims: readonly Claim[] | null;
  readonly required: boolean;
  /** A bit of the set that dependencies look at; 0: none. */
  readonly bit: number;
}

interface Others {
  readonly language: Regex;
  readonly claims: readonly Claim[];
}

export class ObjectRules {
  readonly #of: Rules;

  constructor(of: Rules) {
    this.#of = of;
  }

  /** `bare`: the arguments of a call that are not written as JSON, without braces. */
  write(from: number, schemas: readonly SchemaObject[], to: number, bare: boolean = false): void {
    const { net, notation } = this.#of;
    const [open, equals, close] = bare && notation ? ["", notation.equals, ""] : ["{", ":", "}"];
    const path = schemas.length > 0 ? this.#of.document.pathOf(schemas[0]) : "";
    const least = Math.max(0, ...schemas.map(({ minProperties }) => numberOr(minProperties, 0)));
    const most = Math.min(...schemas.map(({ maxProperties }) => numberOr(maxProperties, Number.POSITIVE_INFINITY)));
    const needs = schemas.flatMap(dependenciesOf);
    const named = this.#named(schemas, needs);
    if (!named) return;
    // Names that the schema does not give are written in JSON alone.
    const others = most > 0 && notation === null ? this.#others(schemas, named, path) : [];
    if (others.length > 0 && least > Math.max(1, named.filter(({ required }) => required).length)) {
      throw new GrammarError("names that the schema does not give may come twice", "minProperties", path);
    }
    const finiteMost = most === Number.POSITIVE_INFINITY ? 0 : most;
    const cap = Math.max(least, finiteMost + (finiteMost > 0 ? 1 : 0), 1);
    const states = new Map<string, number>();
    const wanted = schemas.flatMap((schema) => (schema[OTHER] === undefined ? [] : [schema[OTHER] as Other]));
    const all = (1 << wanted.length) - 1;
    const list: { at: number; through: number; count: number; set: number; other: boolean; met: number }[] = [];
    const stateOf = (through: number, count: number, set: number, other: boolean, met: number): number => {
      const key = `${through} ${count} ${set} ${other} ${met}`;
      let at = states.get(key);
      if (at === undefined) {
        at = net.state();
        states.set(key, at);
        list.push({ at, through, count, set, other, met });
        if (list.length > STATES) throw new GrammarError("it takes too many states", "properties", path);
      }
      return at;
    };
    net.free(this.#of.spaced(this.#of.sign(from, open)), stateOf(0, 0, 0, false, 0));
    for (let i = 0; i < list.length; i++) {
      const { at, through, count, set, other, met } = list[i];
      if (through === named.length) {
        const kept = needs.every(([bit, wanted]) => (set & bit) === 0 || (set & wanted) === wanted);
        if (kept && met === all && count >= least)
          net.free(this.#of.sign(count > 0 || other ? this.#of.spaced(at) : at, close), to);
        if (count >= most) continue;
        const key = count === 0 && !other ? at : this.#comma(at);
        const bounded = most !== Number.POSITIVE_INFINITY;
        const next = bounded || !other ? Math.min(count + 1, cap) : count;
        for (const { language, claims } of others) {
          const colon = net.state();
          if (!this.#of.string(key, language, colon, "patternProperties", path)) continue;
          this.#alternatives(wanted, null, claims, met, colon, equals, (now) => stateOf(through, next, set, true, now));
        }
        continue;
      }
      const { name, claims, required, bit } = named[through];
      if (!required) net.free(at, stateOf(through + 1, count, set, other, met));
      if (claims === null || count >= most) continue;
      const key = count === 0 ? at : this.#comma(at);
      const colon = this.#of.sign(key, this.#of.key(name, bare));
      const next = Math.min(count + 1, cap);
      this.#alternatives(wanted, name, claims, met, colon, equals, (now) =>
        stateOf(through + 1, next, set | bit, other, now),
      );
    }
  }

  /** A value that meets none of what is wanted of others, or each that it may meet. */
  #alternatives(
    wanted: readonly Other[],
    name: string | null,
    claims: readonly Claim[],
    met: number,
    from: number,
    equals: string,
    to: (met: number) => number,
  ): void {
    if (wanted.every(({ not }) => not !== false)) this.#value(from, claims, equals, to(met));
    else {
      const sure = wanted.reduce((sum, w, i) => (w.not === false && isOther(w, name) ? sum | (1 << i) : sum), 0);
      this.#value(from, claims, equals, to(met | sure));
    }
    wanted.forEach((other, i) => {
      if (other.not === false || (met >> i) & 1 || !isOther(other, name)) return;
      const schema = schemaOf(other.not, "/additionalProperties");
      if (typeof schema === "object") this.#value(from, [...claims, { schema, not: true }], equals, to(met | (1 << i)));
    });
  }

  #comma(at: number): number {
    return this.#of.spaced(this.#of.sign(this.#of.spaced(at), ","));
  }

  #value(from: number, claims: readonly Claim[], equals: string, to: number): void {
    const at = this.#of.spaced(this.#of.sign(this.#of.spaced(from), equals));
    this.#of.net.call(at, this.#of.rule(claims), to);
  }

  /** The properties that schemas name, in their order; null where one that is required cannot be. */
  #named(schemas: readonly SchemaObject[], needs: readonly Need[]): Named[] | null {
    const names = new Set<string>();
    const required = new Set<string>();
    const bits = new Map<string, number>();
    for (const { properties } of schemas) for (const name of Object.keys((properties ?? {}) as object)) names.add(name);
    for (const schema of schemas) {
      const { required: list } = schema;
      if (list === undefined || typeof list === "boolean") continue;
      if (!Array.isArray(list) || list.some((name) => typeof name !== "string")) {
        throw new GrammarError("it is a list of names", "required", this.#of.document.pathOf(schema));
      }
      for (const name of list) {
        names.add(name);
        required.add(name);
      }
    }
    for (const schema of schemas) for (const name of (schema[OTHER] as Other | undefined)?.names ?? []) names.add(name);
    for (const need of needs) {
      for (const name of [...need.others, need.name]) {
        names.add(name);
        if (!bits.has(name)) bits.set(name, 1 << bits.size);
      }
    }
    if (bits.size > DEPENDENCIES) throw new GrammarError("there are too many of them", "dependentRequired", "");
    for (const need of needs) {
      need[0] = bits.get(need.name)!;
      need[1] = need.others.reduce((sum, name) => sum | bits.get(name)!, 0);
    }
    const named: Named[] = [];
    for (const name of names) {
      const allowed = schemas.every(
        ({ propertyNames }) =>
          propertyNames === undefined || isValid(this.#of.document, this.#of.l, propertyNames, name),
      );
      const claims = allowed ? claimsOfProperty(schemas, name) : null;
      if (claims === null && required.has(name)) return null;
      named.push({ name, claims, required: required.has(name), bit: bits.get(name) ?? 0 });
    }
    return named;
  }

  /** What other properties may be, by the patterns that their names match. */
  #others(schemas: readonly SchemaObject[], named: readonly Named[], path: string): Others[] {
    const { l, document } = this.#of;
    const patterns = new Map<string, Regex>();
    for (const schema of schemas) {
      for (const pattern of Object.keys((schema.patternProperties ?? {}) as object)) {
        const at = `${document.pathOf(schema)}/patternProperties`;
        patterns.set(pattern, patternLanguage(l, pattern, isUnicode(pattern) ? "u" : "", at));
      }
    }
    if (patterns.size > PATTERNS) throw new GrammarError("there are too many of them", "patternProperties", path);
    const names = schemas.flatMap(({ propertyNames }) =>
      propertyNames === undefined ? [] : [this.#namesOf(propertyNames, path)],
    );
    const list = [...patterns];
    const free = l.and(...names, l.not(l.or(...named.map(({ name }) => l.text(name)))));
    const found: Others[] = [];
    for (let set = 0; set < 1 << list.length; set++) {
      const matched = new Set(list.flatMap(([pattern], i) => ((set >> i) & 1 ? [pattern] : [])));
      const claims: Claim[] = [];
      let possible = true;
      for (const { patternProperties, additionalProperties } of schemas) {
        const parts: unknown[] = Object.entries((patternProperties ?? {}) as SchemaObject)
          .filter(([pattern]) => matched.has(pattern))
          .map(([, part]) => part);
        if (parts.length === 0 && additionalProperties !== undefined) parts.push(additionalProperties);
        for (const part of parts) {
          const schema = schemaOf(part, `${path}/additionalProperties`);
          if (schema === false) possible = false;
          claims.push(...claimsOf(schema));
        }
      }
      if (!possible) continue;
      const language = l.and(free, ...list.map(([, r], i) => ((set >> i) & 1 ? r : l.not(r))));
      if (language !== l.none) found.push({ language, claims });
    }
    return found;
  }

  /** The texts that satisfy what is asked of names. */
  #namesOf(propertyNames: unknown, path: string): Regex {
    const { l, shapes } = this.#of;
    const schema = schemaOf(propertyNames, `${path}/propertyNames`);
    if (schema === true) return l.all;
    if (schema === false) return l.none;
    const ways = shapes.of([{ schema, not: false }]).map((shape) => {
      if (shape.values) {
        const texts = shape.values.filter((value): value is string => typeof value === "string");
        return l.or(...texts.filter((text) => shapes.holds(shape, text)).map((text) => l.text(text)));
      }
      if ((shape.kinds & Kind.TEXT) === 0) return l.none;
      const not = shape.others
        .filter((value): value is string => typeof value === "string")
        .map((t) => l.not(l.text(t)));
      const { shortest, longest } = shape;
      const length = shortest > 0 || longest < Number.POSITIVE_INFINITY ? [l.repeat(l.any, shortest, longest)] : [];
      return l.and(...shape.texts, ...not, ...length);
    });
    return l.or(...ways);
  }
}

/** Of one property that there has to be: what it is not named, and the schema that its value breaks. */
interface Other {
  readonly names: readonly string[];
  readonly not: unknown;
}

function isOther({ names }: Other, name: string | null): boolean {
  return name === null || !names.includes(name);
}

/** A name that, where it is, wants others: their bits stand in front once they are known. */
type Need = [bit: number, wanted: number] & { name: string; others: readonly string[] };

function dependenciesOf(schema: SchemaObject): Need[] {
  const found: Need[] = [];
  for (const word of ["dependentRequired", "dependencies"]) {
    for (const [name, others] of Object.entries((schema[word] ?? {}) as SchemaObject)) {
      const list = typeof others === "string" ? [others] : others;
      if (Array.isArray(list) && list.length > 0)
        found.push(Object.assign([0, 0] as [number, number], { name, others: list }));
    }
  }
  return found;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}
