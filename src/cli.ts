#!/usr/bin/env node
/** The command line in Node: `limpet COMMAND …`. Exit status 0, 1 for a failure, 2 for a wrong command line. */
import { HINT, NO_COMMAND, UNKNOWN_COMMAND } from "../assembly/wasi/commands.ts";
import { Arguments, UsageError, wants } from "./cli/arguments.ts";
import { bench } from "./cli/bench.ts";
import { chat } from "./cli/chat.ts";
import { convert } from "./cli/convert.ts";
import { doctor } from "./cli/doctor.ts";
import { generate } from "./cli/generate.ts";
import { commandHelp, help } from "./cli/help.ts";
import { inspect } from "./cli/inspect.ts";
import { type Io, nodeIo } from "./cli/io.ts";
import { logits } from "./cli/logits.ts";
import { perplexity } from "./cli/perplexity.ts";
import { quantize } from "./cli/quantize.ts";
import { findCommand } from "./cli/table.ts";
import { tokenize } from "./cli/tokenize.ts";
import { messageOf } from "./errors.ts";

const COMMANDS: Record<string, (args: Arguments, io: Io) => Promise<void>> = {
  generate,
  chat,
  tokenize,
  logits,
  perplexity,
  bench,
  inspect,
  quantize,
  convert,
  doctor,
};

const INTERRUPTED = 130;

async function main(io: Io, words: string[]): Promise<number> {
  try {
    const [name, ...rest] = words;
    if (name === undefined) throw new UsageError(NO_COMMAND);
    if (["-h", "--help", "help"].includes(name)) {
      io.write(help());
      return 0;
    }
    const command = findCommand(name);
    if (!command || !(name in COMMANDS)) throw new UsageError(UNKNOWN_COMMAND, name);
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

const io = nodeIo();
process.exitCode = await main(io, process.argv.slice(2));
io.close();
