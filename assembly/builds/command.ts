/**
 * The command's exports: `_start` and nothing else.
 */
import { main } from "../wasi/main";

export function _start(): void {
  main();
}
