/**
 * The command's exports: `_start` and nothing else.
 */
export function _start(): void {}
