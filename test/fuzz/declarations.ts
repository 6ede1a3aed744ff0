/**
 * The declarations that the build writes (build/types), as far as a caller has to know them: functions, methods with their
 * parameters, and what a type's values look like.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Parameter {
  readonly name: string;
  readonly type: string;
}

export interface Callable {
  /** The class that has it, or null; and whether it is called on the class itself. */
  readonly owner: string | null;
  readonly isStatic: boolean;
  readonly name: string;
  readonly parameters: readonly Parameter[];
}

export interface Field {
  readonly name: string;
  readonly type: string;
  readonly isOptional: boolean;
}

export interface Declarations {
  readonly callables: readonly Callable[];
  /** Fields of interfaces, those that they inherit included. */
  fieldsOf(name: string): readonly Field[] | null;
  /** What a type's name stands for. */
  aliasOf(name: string): string | null;
}

const TYPES = fileURLToPath(new URL("../../build/types/src/", import.meta.url));
/** Files of what users import. */
const PUBLIC = /^(api|generate|load|store|quantize|convert|host)\//;

export function readDeclarations(): Declarations {
  const interfaces = new Map<string, { parents: string[]; fields: Field[] }>();
  const aliases = new Map<string, string>();
  const callables: Callable[] = [];
  for (const file of readdirSync(TYPES, { recursive: true }).map(String)) {
    if (!file.endsWith(".d.ts") || !PUBLIC.test(file.replaceAll("\\", "/"))) continue;
    const source = readFileSync(`${TYPES}${file}`, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    const heads =
      /^export (?:declare )?(?:abstract )?(interface|class|type|function) (\w+)(?:<\w+(?:[^>(]*)>)?\s*(?:extends ([^{=]+?)\s*|implements [^{]+)?([{=(])/gm;
    for (const match of source.matchAll(heads)) {
      const [whole, kind, name, parents = "", opening] = match;
      const from = match.index + whole.length;
      if (kind === "interface") {
        const names = splitAt(parents, ",").map((one) => one.replace(/<.*/s, "").trim());
        interfaces.set(name, { parents: names.filter(Boolean), fields: fieldsIn(bodyFrom(source, from)) });
      } else if (kind === "type" && opening === "=") aliases.set(name, untilDepth0(source, from, ";").trim());
      else if (kind === "class") callables.push(...methodsIn(name, bodyFrom(source, from)));
      else if (kind === "function") {
        const parameters = parametersIn(untilDepth0(source, from, ")"));
        callables.push({ owner: null, isStatic: false, name, parameters });
      }
    }
  }
  const fieldsOf = (name: string): readonly Field[] | null => {
    const found = interfaces.get(name);
    return found ? [...found.parents.flatMap((parent) => fieldsOf(parent) ?? []), ...found.fields] : null;
  };
  return { callables, fieldsOf, aliasOf: (name) => aliases.get(name) ?? null };
}

/** Members of an object's type between its braces. */
export function fieldsIn(body: string): Field[] {
  return splitAt(body, ";").flatMap((member): Field[] => {
    const match = member.trim().match(/^(?:readonly )?(\w+)(\?)?:\s*([\s\S]+)$/);
    return match ? [{ name: match[1], isOptional: match[2] === "?", type: match[3].trim() }] : [];
  });
}

function methodsIn(owner: string, body: string): Callable[] {
  return splitAt(body, ";").flatMap((member): Callable[] => {
    const match = member.trim().match(/^(static )?(\w+)(?:<\w+>)?\(([\s\S]*)$/);
    if (!match || match[2] === "constructor" || /^(private|protected|get|set)\b/.test(member.trim())) return [];
    const parameters = parametersIn(untilDepth0(match[3], 0, ")"));
    return [{ owner, isStatic: match[1] !== undefined, name: match[2], parameters }];
  });
}

function parametersIn(list: string): Parameter[] {
  return splitAt(list, ",").flatMap((one): Parameter[] => {
    const match = one.trim().match(/^(?:\.\.\.)?([\w]+)\??:\s*([\s\S]+)$/);
    return match ? [{ name: match[1], type: match[2].trim() }] : [];
  });
}

function bodyFrom(source: string, from: number): string {
  return untilDepth0(source, from, "}");
}

/** The text from an offset to a closing letter that no bracket holds. */
function untilDepth0(source: string, from: number, end: string): string {
  let depth = 0;
  for (let at = from; at < source.length; at++) {
    const letter = source[at];
    if (depth === 0 && letter === end) return source.slice(from, at);
    if ("{[(<".includes(letter)) depth++;
    else if ("}])".includes(letter) || (letter === ">" && source[at - 1] !== "=")) depth--;
  }
  return source.slice(from);
}

/** The pieces between separators that no bracket or quote holds. */
export function splitAt(source: string, separator: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  let depth = 0;
  let isQuoted = false;
  for (let at = 0; at < source.length; at++) {
    const letter = source[at];
    if (letter === '"') isQuoted = !isQuoted;
    if (isQuoted) continue;
    if ("{[(<".includes(letter)) depth++;
    else if ("}])".includes(letter) || (letter === ">" && source[at - 1] !== "=")) depth--;
    else if (depth === 0 && letter === separator) {
      pieces.push(source.slice(from, at));
      from = at + 1;
    }
  }
  if (source.slice(from).trim()) pieces.push(source.slice(from));
  return pieces;
}
