/** What an answer has to be: the grammar of a generation, compiled and given to its session. */
import type { Pointer } from "../../bindings/exports.ts";
import type { Grammar } from "../grammar/compile.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";

/** What an answer has to be: at most one of these. */
export interface ConstraintOptions {
  /** JSON that this JSON Schema allows; what zod and Standard Schema make is taken as it is. */
  schema?: unknown;
  /** A text that this regular expression matches as a whole. */
  regex?: RegExp | string;
  /** A text of this grammar, in llama.cpp's GBNF. */
  grammar?: string;
  /** One of these texts. */
  choice?: readonly string[];
  /** A text of the grammar whose table this is: what `compile` of `limpet/grammar` makes, or `limpet grammar` writes. */
  table?: Uint8Array;
}

/** The grammars that were compiled last, by what they were compiled of. */
const compiled = new Map<string, Grammar>();
const KEPT = 16;

/** Options whose schema, expression, grammar or choice is compiled; a page downloads the compiler when it asks for one. */
export async function withTable<Options extends ConstraintOptions>(options: Options): Promise<Options> {
  const { schema, regex, grammar, choice, table, ...rest } = options;
  const given = [schema, regex, grammar, choice, table].filter((one) => one !== undefined).length;
  if (given > 1) {
    throw new LimpetError("BAD_ARGUMENT", "an answer obeys one of schema, regex, grammar, choice and table");
  }
  return { ...rest, table: table ?? (await tableOf(options)) } as Options;
}

/** Whether an answer has to be compiled for. */
export function constrains({ schema, regex, grammar, choice }: ConstraintOptions): boolean {
  return [schema, regex, grammar, choice].some((one) => one !== undefined);
}

/** Gives a session the grammar that its answer obeys; none where there is none. */
export function takeTable(core: Core, session: Pointer, table?: Uint8Array): void {
  core.scoped((arena) => {
    // Empty bytes are no table, and not none: the core says so of a byte.
    const bytes = table?.length === 0 ? Uint8Array.of(0) : table;
    core.check(core.exports.session_set_grammar(session, bytes ? arena.put(bytes) : 0, bytes?.length ?? 0));
  });
}

async function tableOf({ schema, regex, grammar, choice }: ConstraintOptions): Promise<Uint8Array> {
  const key = JSON.stringify([schema, regex instanceof RegExp ? [regex.source, regex.flags] : regex, grammar, choice]);
  let made = compiled.get(key);
  if (!made) {
    const { compile } = await import("../grammar/compile.ts");
    made = compile({ schema, regex, grammar, choice });
    const [oldest] = compiled.keys();
    if (compiled.size >= KEPT) compiled.delete(oldest);
    compiled.set(key, made);
  }
  return made.table;
}
