/** What tests assert of calls: that they are refused with a code and words, that rows have the same bits. */
import * as assert from "uvu/assert";
import { sameBits, type TestCore } from "./core.ts";

/** What a step takes far less of: more are a hang. */
export const MOST_STEPS = 100_000;

export class EngineError extends Error {
  readonly code: number;

  constructor(core: TestCore) {
    super(core.message);
    this.code = core.errorCode;
  }
}

/** Asserts that a call is refused with this code and words like these. */
export function refuses(what: () => unknown, code: number, words: RegExp): void {
  try {
    what();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    assert.is(error.code, code, error.message);
    assert.match(error.message, words);
    return;
  }
  assert.unreachable(`should be refused: ${words}`);
}

/** Asserts that rows of logits are the same bit for bit. */
export function assertBits(got: readonly Float32Array[], want: readonly Float32Array[], what: string): void {
  assert.is(got.length, want.length, `${what}: as many rows`);
  for (const [i, row] of got.entries()) assert.ok(sameBits(row, want[i]), `${what}: row ${i} has other bits`);
}
