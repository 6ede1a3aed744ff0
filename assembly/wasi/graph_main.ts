/** The command for graphs: as main.ts, with nothing of language. */
import { createCore } from "../memory/arena";
import { Command, GO_ON, createCommand } from "./command";
import { graph } from "./graph";
import { GRAPH_COMMANDS, GRAPH_FLAGS, GRAPH_TITLE } from "./graph_commands";
import { begin, finish } from "./ends";
import { proc_exit } from "./imports";

export function main(): void {
  const core = createCore();
  const none = changetype<Command>(0);
  const c = changetype<usize>(core) != 0 ? createCommand(core, GRAPH_COMMANDS, GRAPH_FLAGS) : none;
  if (changetype<usize>(c) == 0) proc_exit(1);
  const status = begin(c, GRAPH_TITLE);
  finish(c, status == GO_ON ? graph(c) : status);
}
