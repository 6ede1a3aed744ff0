/** `schemaFrom`: the JSON Schema that an object of zod or of Standard Schema gives. */

/** The schema of an object that can give one. */
export function schemaFrom(given: unknown): unknown {
  if ((typeof given !== "object" && typeof given !== "function") || given === null) return given;
  const { toJSONSchema } = given as { toJSONSchema?: () => unknown };
  if (typeof toJSONSchema === "function") return toJSONSchema.call(given);
  const standard = (given as { "~standard"?: { jsonSchema?: { output?: (o: object) => unknown } } })["~standard"];
  const { jsonSchema } = standard ?? {};
  if (typeof jsonSchema?.output === "function") return jsonSchema.output({ target: "draft-2020-12" });
  return given;
}
