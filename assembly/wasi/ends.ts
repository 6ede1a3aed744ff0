/** How every command begins, with its command line, and ends: 0 done, 1 failed, 2 wrong command line. */
import { Command, FAILURE, GO_ON, HELP, SAY_VERSION, SUCCESS, checkArguments, parseArguments } from "./command";
import { VERSION } from "./usage";
import { lengthOf } from "./bytes";
import { printCommandHelp, printHelp } from "./help";
import { Errno, proc_exit } from "./imports";
import { flush, putNumber, putText } from "./output";

/** Reads the command line, and answers what needs no more: a status, or GO_ON where a command is to run. */
export function begin(c: Command, title: string): i32 {
  const status = parseArguments(c);
  if (status == HELP) {
    if (lengthOf(c.name) > 0) printCommandHelp(c, c.out);
    else printHelp(c, c.out, title);
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
  return lacks != SUCCESS ? lacks : GO_ON;
}

/** Writes what is still to be written, and ends the process unless all went well. */
export function finish(c: Command, status: i32): void {
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
