/** A schema and an expression as they are given: as JSON, also that of an object of zod or of Standard Schema. */
import { printable } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";

/** The schema of an object that can give one. */
function schemaFrom(given: unknown): unknown {
  if ((typeof given !== "object" && typeof given !== "function") || given === null) return given;
  const { toJSONSchema } = given as { toJSONSchema?: () => unknown };
  if (typeof toJSONSchema === "function") return toJSONSchema.call(given);
  const standard = (given as { "~standard"?: { jsonSchema?: { output?: (o: object) => unknown } } })["~standard"];
  const { jsonSchema } = standard ?? {};
  if (typeof jsonSchema?.output === "function") return jsonSchema.output({ target: "draft-2020-12" });
  return given;
}

/** A schema as JSON: objects of zod and the like are asked for theirs. */
export function plainSchema(value: unknown): unknown {
  const schema = schemaFrom(value);
  let text: string | undefined;
  try {
    text = JSON.stringify(schema);
  } catch (error) {
    throw new LimpetError("BAD_ARGUMENT", "schema is no JSON", { cause: error });
  }
  if (text === undefined) throw new LimpetError("BAD_ARGUMENT", `schema is a JSON Schema, not ${printable(value)}`);
  return JSON.parse(text);
}

/** A regular expression, or the source of one. */
export function expression(name: string, value: unknown): RegExp | string {
  if (typeof value === "string" || value instanceof RegExp) return value;
  throw new LimpetError("BAD_ARGUMENT", `${name} is a regular expression, not ${printable(value)}`);
}
