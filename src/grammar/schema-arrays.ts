/** Arrays of JSON Schema as nets. */
import { GrammarError } from "./errors.ts";
import type { Rules } from "./rules.ts";
import { type Claim, type Schema, type SchemaObject, schemaOf } from "./schema-document.ts";
import { claimsOf, Kind } from "./shapes.ts";

/** Most states of arrays whose items are counted by what they are. */
const COUNTED = 2000;
/** Most values among which no two items may be equal. */
const VALUES = 8;

/** An item's claims at a place; null where there can be none. */
type Item = readonly Claim[] | null;

interface Counted {
  readonly claims: readonly Claim[];
  readonly without: readonly Claim[] | null;
  readonly least: number;
  readonly most: number;
}

export class ArrayRules {
  readonly #of: Rules;

  constructor(of: Rules) {
    this.#of = of;
  }

  write(from: number, schemas: readonly SchemaObject[], to: number): void {
    const first = Math.max(0, ...schemas.map((schema) => prefixOf(schema).length));
    const least = Math.max(0, ...schemas.map(({ minItems }) => (typeof minItems === "number" ? minItems : 0)));
    const most = Math.min(
      Number.POSITIVE_INFINITY,
      ...schemas.map(({ maxItems }) => (typeof maxItems === "number" ? maxItems : Number.POSITIVE_INFINITY)),
    );
    if (least > most) return;
    const items = Array.from({ length: first + 1 }, (_, i) => this.#item(schemas, i));
    const counted = schemas.flatMap((schema) => this.#contains(schema));
    const unique = schemas.find(({ uniqueItems }) => uniqueItems === true);
    if (counted.length > 0 && counted.some((count) => count.least > 0 || count.most < Number.POSITIVE_INFINITY)) {
      if (unique && most > 1) throw this.#refusal("uniqueItems", unique);
      this.#writeCounted(from, items, counted, least, most, to, schemas[0]);
    } else if (unique && most > 1) this.#writeUnique(from, items, least, most, to, unique);
    else this.#writePlain(from, items, least, most, to);
  }

  #refusal(word: string, schema: SchemaObject): GrammarError {
    return new GrammarError("it is not held of such items", word, this.#of.document.pathOf(schema));
  }

  #item(schemas: readonly SchemaObject[], at: number): Item {
    const claims: Claim[] = [];
    for (const schema of schemas) {
      const part = itemOf(schema, at, this.#of.document.pathOf(schema));
      if (part === false) return null;
      claims.push(...claimsOf(part));
    }
    return claims;
  }

  #contains(schema: SchemaObject): Counted[] {
    const { contains, minContains, maxContains } = schema;
    if (contains === undefined) return [];
    const part = schemaOf(contains, this.#of.document.pathOf(schema));
    const least = typeof minContains === "number" ? minContains : 1;
    const most = typeof maxContains === "number" ? maxContains : Number.POSITIVE_INFINITY;
    if (part === false) return least > 0 ? [{ claims: [], without: [], least: 1, most: 0 }] : [];
    if (part === true) return [{ claims: [], without: null, least, most }];
    return [{ claims: [{ schema: part, not: false }], without: [{ schema: part, not: true }], least, most }];
  }

  /** The sign in front of an item, and the item. */
  #put(from: number, isFirst: boolean, claims: readonly Claim[], to: number): void {
    const { net } = this.#of;
    const at = isFirst ? from : this.#of.spaced(this.#of.sign(this.#of.spaced(from), ","));
    net.call(at, this.#of.rule(claims), to);
  }

  #close(from: number, to: number): void {
    this.#of.net.free(this.#of.sign(this.#of.spaced(from), "]"), to);
  }

  #writePlain(from: number, items: readonly Item[], least: number, most: number, to: number): void {
    const { net } = this.#of;
    const open = this.#of.spaced(this.#of.sign(from, "["));
    if (least === 0) net.free(this.#of.sign(open, "]"), to);
    let at = open;
    const rest = items.length - 1;
    for (let i = 0; i < rest; i++) {
      const item = items[i];
      if (i >= most || item === null) return;
      const next = net.state();
      this.#put(at, i === 0, item, next);
      at = next;
      if (i + 1 >= least) this.#close(at, to);
    }
    const item = items[rest];
    if (rest >= most || item === null) return;
    if (rest === 0) {
      const next = net.state();
      this.#put(at, true, item, next);
      at = next;
    }
    const before = Math.max(rest, 1);
    const more = net.rule();
    this.#put(more.begin, false, item, more.end);
    const end = net.state();
    net.loop(at, more.rule, Math.max(least - before, 0), most - before, end);
    this.#close(end, to);
  }

  /** Items that are counted by what they satisfy: a state for each number of items and counts. */
  #writeCounted(
    from: number,
    items: readonly Item[],
    counted: readonly Counted[],
    least: number,
    most: number,
    to: number,
    schema: SchemaObject,
  ): void {
    const { net } = this.#of;
    const cap = most === Number.POSITIVE_INFINITY ? Math.max(least, items.length) : most;
    const known = new Map<string, number>();
    const list: { at: number; count: number; found: number[] }[] = [];
    const stateOf = (count: number, found: number[]): number => {
      const key = `${count} ${found.join()}`;
      let at = known.get(key);
      if (at === undefined) {
        at = net.state();
        known.set(key, at);
        list.push({ at, count, found });
        if (list.length > COUNTED) throw this.#refusal("contains", schema);
      }
      return at;
    };
    net.free(
      this.#of.spaced(this.#of.sign(from, "[")),
      stateOf(
        0,
        counted.map(() => 0),
      ),
    );
    for (let i = 0; i < list.length; i++) {
      const { at, count, found } = list[i];
      if (count >= least && counted.every((c, j) => found[j] >= c.least)) this.#close(at, to);
      const item = items[Math.min(count, items.length - 1)];
      if (item === null || (count >= cap && most !== Number.POSITIVE_INFINITY)) continue;
      // An item satisfies some of what is counted; where there is no most, what else it satisfies does not matter.
      for (let set = 0; set < 1 << counted.length; set++) {
        const claims = [...item];
        let possible = true;
        const next = counted.map((c, j) => {
          const bound = c.most === Number.POSITIVE_INFINITY ? c.least : c.most + 1;
          if ((set >> j) & 1) {
            claims.push(...c.claims);
            if (found[j] + 1 > c.most) possible = false;
            return Math.min(found[j] + 1, bound);
          }
          if (c.most !== Number.POSITIVE_INFINITY) {
            if (c.without === null) possible = false;
            else claims.push(...c.without);
          }
          return found[j];
        });
        if (possible) this.#put(at, count === 0, claims, stateOf(Math.min(count + 1, cap), next));
      }
    }
  }

  /** Items of a few values, no two of which are equal: a state for each set of values that were used. */
  #writeUnique(
    from: number,
    items: readonly Item[],
    least: number,
    most: number,
    to: number,
    schema: SchemaObject,
  ): void {
    const { net } = this.#of;
    const item = items[0];
    if (items.length > 1 || item === null) throw this.#refusal("uniqueItems", schema);
    const values: unknown[] = [];
    for (const shape of this.#of.shapes.of(item)) {
      if (shape.values) values.push(...shape.values.filter((value) => this.#of.shapes.holds(shape, value)));
      else if ((shape.kinds & ~(Kind.NULL | Kind.BOOLEAN)) === 0) {
        const all = [...(shape.kinds & Kind.NULL ? [null] : []), ...(shape.kinds & Kind.BOOLEAN ? [true, false] : [])];
        values.push(...all.filter((value) => this.#of.shapes.holds(shape, value)));
      } else throw this.#refusal("uniqueItems", schema);
    }
    const distinct = [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
    if (distinct.length > VALUES) throw this.#refusal("uniqueItems", schema);
    const states = new Map<number, number>();
    const stateOf = (used: number): number => {
      let at = states.get(used);
      if (at === undefined) states.set(used, (at = net.state()));
      return at;
    };
    net.free(this.#of.spaced(this.#of.sign(from, "[")), stateOf(0));
    for (let used = 0; used < 1 << distinct.length; used++) {
      const count = bits(used);
      if (count > most) continue;
      const at = stateOf(used);
      if (count >= least) this.#close(at, to);
      if (count === most) continue;
      const next = used === 0 ? at : this.#of.spaced(this.#of.sign(this.#of.spaced(at), ","));
      distinct.forEach((value, i) => {
        if (((used >> i) & 1) === 0) this.#of.literal(next, value, stateOf(used | (1 << i)));
      });
    }
  }
}

function prefixOf({ prefixItems, items }: SchemaObject): readonly unknown[] {
  if (Array.isArray(prefixItems)) return prefixItems;
  return Array.isArray(items) ? items : [];
}

function itemOf(schema: SchemaObject, at: number, path: string): Schema {
  const first = prefixOf(schema);
  if (at < first.length) return schemaOf(first[at], `${path}/prefixItems/${at}`);
  const { items, additionalItems } = schema;
  const rest = Array.isArray(items) ? additionalItems : items;
  return rest === undefined ? true : schemaOf(rest, `${path}/items`);
}

function bits(set: number): number {
  let count = 0;
  for (; set !== 0; set &= set - 1) count++;
  return count;
}
