/**
 * The command: it reads its arguments, does what the first says, and ends with a status (0 done, 1 failed, 2 wrong
 * command line).
 */
import { suitableByteDots } from "../kernels/quant/byte_dots";
import { createCore } from "../memory/arena";
import { Bytes, equals } from "./bytes";
import { Command, FAILURE, GO_ON, SUCCESS, createCommand, usageError } from "./command";
import { COMMANDS, FLAGS, GRAPHS_ELSEWHERE, NOT_HERE, TITLE } from "./commands";
import { doctor } from "./doctor";
import { embed, rerank } from "./embed";
import { begin, finish } from "./ends";
import { chat, generate } from "./generate";
import { proc_exit } from "./imports";
import { inspect } from "./inspect";
import { checkBuild } from "./load";
import { bench, logits, perplexity } from "./measure";
import { tokenizeText } from "./tokenize";

export function main(): void {
  const core = createCore();
  if (ASC_FEATURE_RELAXED_SIMD && core != null) core.byteDots = suitableByteDots();
  const c = changetype<usize>(core) != 0 ? createCommand(core, COMMANDS, FLAGS) : changetype<Command>(0);
  if (changetype<usize>(c) == 0) proc_exit(FAILURE);
  const status = begin(c, TITLE);
  finish(c, status == GO_ON ? run(c) : status);
}

function run(c: Command): i32 {
  if (equals(c.name, "graph")) return usageError(c, GRAPHS_ELSEWHERE, 0);
  if (isElsewhere(c.name)) return usageError(c, NOT_HERE, c.name);
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
