/** The command line in Node: `limpet COMMAND …`. Exit status 0, 1 for a failure, 2 for a wrong command line. */
import { HINT, NO_COMMAND, UNKNOWN_COMMAND, VERSION } from "../../assembly/wasi/usage.ts";
import { messageOf } from "../host/errors.ts";
import { Arguments, UsageError, wants } from "./arguments.ts";
import { bench } from "./bench.ts";
import { chat } from "./chat.ts";
import { convert } from "./convert.ts";
import { doctor } from "./doctor.ts";
import { embed, rerank } from "./embed.ts";
import { generate } from "./generate.ts";
import { grammar } from "./grammar.ts";
import { graph } from "./graph.ts";
import { commandHelp, help } from "./help.ts";
import { inspect } from "./inspect.ts";
import { type Io, nodeIo } from "./io.ts";
import { logits } from "./logits.ts";
import { perplexity } from "./perplexity.ts";
import { list, pull, remove } from "./pull.ts";
import { quantize } from "./quantize.ts";
import { serve } from "./serve.ts";
import { slim } from "./slim.ts";
import { type Command, findCommand } from "./table.ts";
import { tokenize } from "./tokenize.ts";

const COMMANDS: Record<string, (args: Arguments, io: Io) => Promise<void>> = {
  generate,
  chat,
  serve,
  tokenize,
  embed,
  rerank,
  logits,
  perplexity,
  bench,
  inspect,
  graph,
  quantize,
  convert,
  slim,
  pull,
  list,
  rm: remove,
  grammar,
  doctor,
};

const INTERRUPTED = 130;

/** Runs a command line, without the program's name; gives its exit status. */
export async function main(words: string[]): Promise<number> {
  const io = nodeIo();
  try {
    return await run(io, words);
  } finally {
    io.close();
  }
}

async function run(io: Io, words: string[]): Promise<number> {
  try {
    const [name, ...rest] = words;
    if (name === undefined) throw new UsageError(NO_COMMAND);
    if (["-V", "--version", "version"].includes(name)) {
      io.write(`limpet ${VERSION}\n`);
      return 0;
    }
    if (["-h", "--help", "help"].includes(name)) {
      const [about] = rest;
      io.write(about === undefined || about.startsWith("-") ? help() : commandHelp(commandNamed(about)));
      return 0;
    }
    const command = commandNamed(name);
    if (wants(rest, ["-h", "--help"])) {
      io.write(commandHelp(command));
      return 0;
    }
    await COMMANDS[name](new Arguments(command, rest), io);
    return 0;
  } catch (error) {
    io.endProgress();
    if (io.signal.aborted) {
      io.endLine();
      return INTERRUPTED;
    }
    io.endLine();
    io.note(`limpet: ${messageOf(error)}`);
    if (!(error instanceof UsageError)) return 1;
    io.note(HINT);
    return 2;
  }
}

function commandNamed(name: string): Command {
  const command = findCommand(name);
  if (!command || !Object.hasOwn(COMMANDS, name)) throw new UsageError(UNKNOWN_COMMAND, name);
  return command;
}
