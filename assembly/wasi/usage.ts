/**
 * What every command line says, that for language and that for graphs: its version, and what is wrong with it. As
 * commands.ts, this is TypeScript and AssemblyScript.
 */

/** As package.json has it. */
export const VERSION: string = "0.1.0";

export const USAGE: string = "usage: limpet COMMAND [ARGUMENTS] [FLAGS] | help [COMMAND] | --version";

/** Below the list of commands. */
export const HINT: string = "limpet COMMAND --help shows the flags of a command.";

/** What is wrong with a command line; {} stands for the word at fault. Printed as `limpet: …`, then HINT; status 2. */
export const NO_COMMAND: string = "a command is missing";
export const UNKNOWN_COMMAND: string = "there is no command {}";
export const UNKNOWN_FLAG: string = "there is no flag {} here";
export const NO_VALUE: string = "{} wants a value";
export const SURPLUS_VALUE: string = "{} takes no value";
export const BAD_NUMBER: string = "{} wants a number";
export const BAD_WHOLE_NUMBER: string = "{} wants a whole number, 0 or more";
export const NO_WHOLE_ABOVE: string = "{} wants a whole number, 1 or more";
export const BAD_CHOICE: string = "{} wants one of: ";
export const NO_ARGUMENT: string = "{} is missing";
export const SURPLUS_ARGUMENT: string = "{} is one argument too many";
export const NO_FLAG: string = "the flag {} is missing";
export const NO_JSON: string = "{} is not printed as JSON";
