/** The order in which a grammar writes properties: that of the schema. Instances of test suites are put into it first. */
type Schema = { [keyword: string]: unknown };

/** A value whose objects have their properties in a schema's order, others behind them. */
export function inOrder(root: unknown, schema: unknown, value: unknown, depth = 0): unknown {
  if (typeof value !== "object" || value === null || depth > 40) return value;
  const parts = partsOf(root, schema, 0);
  if (Array.isArray(value)) {
    return value.map((item, i) => {
      const items = parts.flatMap((s) => {
        const first = (
          Array.isArray(s.prefixItems) ? s.prefixItems : Array.isArray(s.items) ? s.items : []
        ) as unknown[];
        return i < first.length ? [first[i]] : [Array.isArray(s.items) ? s.additionalItems : s.items];
      });
      return inOrder(root, { allOf: items.filter((s) => typeof s === "object") }, item, depth + 1);
    });
  }
  const object = value as Schema;
  for (const { enum: values, const: only } of parts) {
    const same = [...((values as unknown[] | undefined) ?? []), only].find((one) => equal(one, value));
    if (same !== undefined) return same;
  }
  const names = new Set<string>();
  for (const { properties } of parts)
    for (const name of Object.keys((properties as Schema | undefined) ?? {})) names.add(name);
  for (const { required } of parts) if (Array.isArray(required)) for (const name of required) names.add(name);
  for (const part of parts) {
    for (const word of ["dependentRequired", "dependencies"]) {
      for (const [name, others] of Object.entries((part[word] as Schema | undefined) ?? {})) {
        if (Array.isArray(others)) for (const other of [...others, name]) names.add(other);
      }
    }
  }
  const list = [...names];
  const place = (name: string): number => (list.includes(name) ? list.indexOf(name) : list.length);
  const sorted = Object.keys(object).sort((a, b) => place(a) - place(b));
  return Object.fromEntries(
    sorted.map((name) => {
      const schemas = parts.flatMap(({ properties, patternProperties, additionalProperties }) => [
        (properties as Schema | undefined)?.[name],
        ...Object.values((patternProperties as Schema | undefined) ?? {}),
        additionalProperties,
      ]);
      const given = schemas.filter((s) => typeof s === "object");
      return [name, inOrder(root, { allOf: given }, object[name], depth + 1)];
    }),
  );
}

function partsOf(root: unknown, schema: unknown, depth: number): Schema[] {
  if (typeof schema !== "object" || schema === null || depth > 20) return [];
  const s = schema as Schema;
  const referred = typeof s.$ref === "string" ? partsOf(root, resolve(root, s.$ref), depth + 1) : [];
  const listed = ["allOf", "anyOf", "oneOf"].flatMap((word) => (Array.isArray(s[word]) ? (s[word] as unknown[]) : []));
  const more = [...listed, s.if, s.then, s.else, ...Object.values((s.dependentSchemas as Schema | undefined) ?? {})];
  return [...referred, s, ...more.flatMap((part) => partsOf(root, part, depth + 1))];
}

function resolve(root: unknown, reference: string): unknown {
  if (!reference.startsWith("#")) return undefined;
  let at: unknown = root;
  for (const part of decodeURIComponent(reference).split("/").slice(1)) {
    at = (at as Schema | undefined)?.[part.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return at;
}

function equal(a: unknown, b: unknown): boolean {
  const sorted = (value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([x], [y]) => (x < y ? -1 : 1))
            .map(([k, v]) => [k, sorted(v)]),
        )
      : Array.isArray(value)
        ? value.map(sorted)
        : value;
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}
