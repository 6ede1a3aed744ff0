/** `limpet grammar`: a JSON schema as a table; and the flags by which `generate` and `chat` are given a grammar. */
import { readFileSync, writeFileSync } from "node:fs";
import type { ConstraintOptions } from "../generate/constraint.ts";
import { compile } from "../grammar/compile.ts";
import { LimpetError } from "../host/errors.ts";
import type { Arguments } from "./arguments.ts";
import type { Io } from "./io.ts";

export async function grammar(args: Arguments, _: Io): Promise<void> {
  const { table } = compile({ schema: readJson(args.needed("SCHEMA")) });
  writeFileSync(args.required("out"), table);
}

/** What the answer of a command has to be; a table where one is given, which the core verifies. */
export function constraintOf(args: Arguments): ConstraintOptions {
  const [schema, file, table] = ["schema", "grammar", "grammar-table"].map((id) => args.text(id));
  return {
    schema: schema === undefined ? undefined : readJson(schema),
    regex: args.text("regex"),
    grammar: file === undefined ? undefined : readFileSync(file, "utf8"),
    table: table === undefined ? undefined : new Uint8Array(readFileSync(table)),
  };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LimpetError("BAD_FILE", `${path} is no JSON: ${error.message}`, { cause: error });
  }
}
