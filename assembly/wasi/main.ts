/**
 * The command: it reads its arguments, does what the first says, and ends with a status (0 done, 1 failed, 2 wrong
 * command line).
 */
import { suitableByteDots } from "../kernels/quant/byte_dots";
import { createCore } from "../memory/arena";
import {
  Command, HELP, SAY_VERSION, SUCCESS, checkArguments, createCommand, parseArguments, usageError,
} from "./command";
import { NOT_HERE, VERSION } from "./commands";
import { doctor } from "./doctor";
import { checkBuild } from "./load";
import { chat, generate } from "./generate";
import { printCommandHelp, printHelp } from "./help";
import { Errno, proc_exit } from "./imports";
import { inspect } from "./inspect";
import { bench, logits, perplexity } from "./measure";
import { flush, putNumber, putText } from "./output";
import { Bytes, equals, lengthOf } from "./bytes";
import { embed, rerank } from "./embed";
import { tokenizeText } from "./tokenize";

const FAILURE: i32 = 1;

export function main(): void {
  const core = createCore();
  if (ASC_FEATURE_RELAXED_SIMD && core != null) core.byteDots = suitableByteDots();
  const c = changetype<usize>(core) != 0 ? createCommand(core) : changetype<Command>(0);
  if (changetype<usize>(c) == 0) proc_exit(FAILURE);
  let status = run(c);
  flush(c.out);
  // A reader that has closed its end has seen enough.
  if (c.out.failed != 0 && c.out.failed != Errno.PIPE) {
    putText(c.err, "limpet: the output cannot be written: ");
    putText(c.err, c.out.failed == Errno.NOSPC ? "the disk is full\n" : "the host's error ");
    if (c.out.failed != Errno.NOSPC) {
      putNumber(c.err, c.out.failed);
      putText(c.err, "\n");
    }
    status = FAILURE;
  }
  flush(c.err);
  if (status != SUCCESS) proc_exit(status);
}

function run(c: Command): i32 {
  const status = parseArguments(c);
  if (status == HELP) {
    if (lengthOf(c.name) > 0) printCommandHelp(c, c.out);
    else printHelp(c, c.out);
    return SUCCESS;
  }
  if (status == SAY_VERSION) {
    putText(c.out, "limpet ");
    putText(c.out, VERSION);
    putText(c.out, "\n");
    return SUCCESS;
  }
  if (status != SUCCESS) return status;
  const lacks = checkArguments(c);
  if (lacks != SUCCESS) return lacks;
  if (isElsewhere(c.name)) {
    return usageError(c, NOT_HERE, c.name);
  }
  const unfit = checkBuild(c);
  if (unfit != SUCCESS) return unfit;
  if (equals(c.name, "generate")) return generate(c);
  if (equals(c.name, "chat")) return chat(c);
  if (equals(c.name, "tokenize")) return tokenizeText(c);
  if (equals(c.name, "embed")) return embed(c);
  if (equals(c.name, "rerank")) return rerank(c);
  if (equals(c.name, "logits")) return logits(c);
  if (equals(c.name, "perplexity")) return perplexity(c);
  if (equals(c.name, "bench")) return bench(c);
  if (equals(c.name, "inspect")) return inspect(c);
  return doctor(c);
}

/** Whether a command needs a host's own files or network. */
function isElsewhere(name: Bytes): bool {
  return (
    equals(name, "graph") ||
    equals(name, "convert") ||
    equals(name, "quantize") ||
    equals(name, "slim") ||
    equals(name, "grammar") ||
    equals(name, "serve") ||
    equals(name, "pull") ||
    equals(name, "list") ||
    equals(name, "rm")
  );
}
