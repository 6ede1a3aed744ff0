/**
 * `inspect --program`: the page of a model's program; with --time what each of its steps takes, in milliseconds and as
 * a share of the pass, before each line.
 *
 *        32 tokens           1 token
 *           ms      %         ms      %     #  value   step      …
 *        0.101    3.9      0.004    3.1     2  v1[256]  rms_norm  …
 */
import { allocate, allocateRaw } from "../memory/arena";
import { Status } from "../memory/core";
import { Context } from "../pass/context";
import { resetContext } from "../pass/batch";
import { stepPass } from "../run/run";
import { writePage } from "../engine/page";
import { Command, FAILURE, SUCCESS, argument, failure, given } from "./command";
import { loadModel, makeContext, now, planModel } from "./load";
import { beginTokens, makeTokens } from "./measure";
import { Output, digitsOf, putByte, putBytes, putNumber, putSpaces, putText } from "./output";

/** Tokens of the prompt that is timed. */
const PROMPT: u32 = 32;
/** Letters before a line. */
const MARGIN: u32 = 36;
/** Turns go on for so long, and at least one warms up: the quickest pass counts, which nothing disturbed. */
const MEASURE_MS: f64 = 500;
const LEAST_TURNS: u32 = 2;
const LINE_FEED: u32 = 0x0a;

export function printModel(c: Command): i32 {
  const isTimed = given(c, "time");
  const model = isTimed ? loadModel(c, argument(c, 0), false) : planModel(c, argument(c, 0));
  if (changetype<usize>(model) == 0) return FAILURE;
  const length = writePage(model, 0, 0);
  const page = length > 0 ? allocateRaw(c.core, length, "a page") : 0;
  if (page == 0) return failure(c);
  writePage(model, page, length);
  if (!isTimed) {
    putBytes(c.out, page, length);
    return SUCCESS;
  }
  const steps = model.program.stepCount;
  const times = allocate(c.core, 24 * <u64>steps, "the times of steps");
  const ids = allocateRaw(c.core, 4 * (PROMPT + 1), "the tokens");
  if (times == 0 || ids == 0) return failure(c);
  makeTokens(model, ids, PROMPT + 1);
  const context = makeContext(c, model, PROMPT + 1, PROMPT, 1);
  if (changetype<usize>(context) == 0) return FAILURE;
  context.traced = 1;
  const bytes = (<usize>steps) << 3;
  const prompt = times + bytes;
  const one = prompt + bytes;
  const begin = now(c);
  for (let turn: u32 = 0; turn < LEAST_TURNS || now(c) - begin < MEASURE_MS; turn++) {
    resetContext(context);
    if (timePass(c, context, ids, 0, PROMPT, times, steps) < 0) return failure(c);
    if (turn == 0 || sum(times, steps) < sum(prompt, steps)) memory.copy(prompt, times, bytes);
    if (timePass(c, context, ids, PROMPT, 1, times, steps) < 0) return failure(c);
    if (turn == 0 || sum(times, steps) < sum(one, steps)) memory.copy(one, times, bytes);
  }
  putTimed(c.out, page, page + length, prompt, one, steps);
  return SUCCESS;
}

/** Runs a pass step by step: f64[steps] ← what each takes [ms]; members run with their leader. */
function timePass(c: Command, context: Context, ids: usize, from: u32, tokens: u32, times: usize, steps: u32): i32 {
  memory.fill(times, 0, 8 * <usize>steps);
  let status = beginTokens(context, ids, from, tokens, from + tokens - 1);
  while (status >= 0) {
    const at = times + 8 * <usize>context.step;
    const begin = now(c);
    status = stepPass(context);
    store<f64>(at, load<f64>(at) + now(c) - begin);
    if (status == Status.DONE) break;
  }
  return status;
}

/** The page with times before the lines of steps, and the sums behind it. */
function putTimed(o: Output, page: usize, end: usize, prompt: usize, one: usize, steps: u32): void {
  const all = sum(prompt, steps);
  const allOfOne = sum(one, steps);
  let step: u32 = 0;
  for (let line: u32 = 0; page < end; line++) {
    let next = page;
    while (load<u8>(next) != LINE_FEED) next += 1;
    if (line == 0) putText(o, "        32 tokens          1 token  ");
    else if (line == 2) putText(o, "        ms      %        ms      %  ");
    else if (step < steps && isStep(page)) {
      putTime(o, load<f64>(prompt + 8 * <usize>step), all);
      putTime(o, load<f64>(one + 8 * <usize>step), allOfOne);
      putSpaces(o, 2);
      step += 1;
    } else if (next > page) putSpaces(o, MARGIN);
    putBytes(o, page, <u32>(next - page) + 1);
    page = next + 1;
  }
  putTime(o, all, all);
  putTime(o, allOfOne, allOfOne);
  putText(o, "  in all\n");
}

/** Whether a line begins with the number of a step. */
function isStep(line: usize): bool {
  if (load<u8>(line) != 0x20) return false;
  while (load<u8>(line) == 0x20) line += 1;
  return load<u8>(line) - 48 < 10;
}

function sum(times: usize, steps: u32): f64 {
  let all: f64 = 0;
  for (let i: u32 = 0; i < steps; i++) all += load<f64>(times + 8 * <usize>i);
  return all;
}

/** Milliseconds and their share; nothing for a step that runs with another. */
function putTime(o: Output, ms: f64, all: f64): void {
  if (ms == 0) return putSpaces(o, MARGIN / 2 - 1);
  putFixed(o, ms, 1000, 10);
  putFixed(o, (ms * 100) / all, 10, 7);
}

/** A number in units of 1 / `unit`, that ends behind `width` letters. */
function putFixed(o: Output, value: f64, unit: u32, width: i32): void {
  const whole = <u64>nearest(value * <f64>unit);
  putSpaces(o, width - <i32>digitsOf(whole / unit) - <i32>digitsOf(unit));
  putNumber(o, whole / unit);
  putByte(o, 0x2e);
  for (let digit = unit / 10; digit > 0; digit /= 10) putByte(o, 48 + <u8>((whole / digit) % 10));
}
