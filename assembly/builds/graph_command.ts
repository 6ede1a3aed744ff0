/**
 * The exports of the command for graphs: `_start` and nothing else.
 */
import { main } from "../wasi/graph_main";

export function _start(): void {
  main();
}
