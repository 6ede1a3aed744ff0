/**
 * Texts of a pass: the tokens of one sequence that stand side by side in the batch. What an encoder attends to is a
 * text, and a text becomes a vector.
 */
import { Context } from "./context";
import { ErrorCode, fail } from "../memory/core";
import { setU32 } from "../memory/bytes";
import { Pooling } from "../program/program";
import { add, copy, scale } from "../kernels/float/vector";

/** The first of the active tokens of the text that active token `i` is of. */
export function textBegin(c: Context, i: u32): u32 {
  const sequence = c.sequence(c.token(i));
  while (i > 0 && c.sequence(c.token(i - 1)) == sequence) i -= 1;
  return i;
}

/** The one behind the last of them. */
export function textEnd(c: Context, i: u32): u32 {
  const sequence = c.sequence(c.token(i));
  do i += 1;
  while (i < c.active && c.sequence(c.token(i)) == sequence);
  return i;
}

/** Whether each sequence of the batch is a whole text: its tokens side by side, at positions 0, 1, 2 … */
export function checkTexts(c: Context, tokens: u32): i32 {
  for (let i: u32 = 0; i < tokens; i++) {
    const isFirst = i == 0 || c.sequence(i) != c.sequence(i - 1);
    const isRising = i == 0 || c.sequence(i) >= c.sequence(i - 1);
    if (isRising && c.position(i) == (isFirst ? 0 : c.position(i - 1) + 1)) continue;
    return fail(
      c.core, ErrorCode.BAD_ARGUMENT,
      "the tokens of a text stand side by side, texts by rising sequences, and their positions count from 0",
    );
  }
  return 0;
}

/** The rows of `value` of each text become one, their mean: from here on the pass has a row for each text. */
export function poolMeans(c: Context, value: u32): void {
  const width = c.program.value(value).width;
  const stride = c.stride(value);
  let texts: u32 = 0;
  for (let begin: u32 = 0; begin < c.active; ) {
    const end = textEnd(c, begin);
    const target = c.at(value) + <usize>texts * stride;
    if (texts != begin) copy(target, c.at(value) + <usize>begin * stride, width);
    for (let i = begin + 1; i < end; i++) add(target, c.at(value) + <usize>i * stride, width);
    scale(target, <f32>1.0 / <f32>(end - begin), width);
    setU32(c.activeToken, texts++, c.token(begin));
    begin = end;
  }
  c.active = texts;
}

/** Whether rows of tokens become one by their mean. */
export function isMean(c: Context): bool {
  return c.pooling == Pooling.MEAN;
}
