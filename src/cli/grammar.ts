/** `limpet grammar`: a JSON schema as a table; and the flags by which `generate` and `chat` are given a grammar. */
import { decodeText } from "../../bindings/memory.ts";
import type { ConstraintOptions } from "../generate/constraint.ts";
import { compile } from "../grammar/compile.ts";
import { LimpetError } from "../host/errors.ts";
import type { Arguments } from "./arguments.ts";
import type { Io } from "./io.ts";

export async function grammar(args: Arguments, io: Io): Promise<void> {
  const [path, out] = [args.needed("SCHEMA"), args.required("out")];
  const { table } = compile({ schema: readJson(path, io) });
  io.saveFile(out, table, [path]);
}

/** What the answer of a command has to be; a table where one is given, which the core verifies. */
export function constraintOf(args: Arguments, io: Io): ConstraintOptions {
  const [schema, file, table] = ["schema", "grammar", "grammar-table"].map((id) => args.text(id));
  return {
    schema: schema === undefined ? undefined : readJson(schema, io),
    regex: args.text("regex"),
    grammar: file === undefined ? undefined : decodeText(io.readFile(file)),
    table: table === undefined ? undefined : io.readFile(table),
  };
}

function readJson(path: string, io: Io): unknown {
  try {
    return JSON.parse(decodeText(io.readFile(path)));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new LimpetError("BAD_FILE", `${path} is no JSON: ${error.message}`, { cause: error });
  }
}
