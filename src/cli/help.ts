/** The words of `--help`, from the table. */
import { TITLE } from "../../assembly/wasi/commands.ts";
import { HINT, USAGE } from "../../assembly/wasi/usage.ts";
import { type Command, type Flag, readCommands } from "./table.ts";

export function help(): string {
  const commands = readCommands().map((command): [string, string] => [call(command), command.text]);
  return `${TITLE}\n\n${USAGE}\n\n${columns(commands)}\n${HINT}\n`;
}

export function commandHelp(command: Command): string {
  const flags = command.flags.map((flag): [string, string] => [flagCall(flag), flag.text + defaultOf(flag)]);
  const list = flags.length ? `\n${columns(flags)}` : "";
  return `usage: limpet ${call(command)}${flags.length ? " [FLAGS]" : ""}\n\n  ${command.text}\n${list}`;
}

function call({ name, arguments: named }: Command): string {
  return [name, ...named.map((argument) => (argument.optional ? `[${argument.name}]` : argument.name))].join(" ");
}

function flagCall({ short, long, value }: Flag): string {
  const names = short ? `${short}, ${long}` : `    ${long}`;
  return value ? `${names} ${value.replace("+", "").replace(/^P$/, "N").replaceAll(",", "|")}` : names;
}

function defaultOf({ default: value }: Flag): string {
  return value === "" ? "" : ` (default ${value})`;
}

function columns(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}
