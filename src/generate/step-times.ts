/** What each step of a model's program takes: the core ends a slice behind each, and the host has the clock. */
import type { Pointer } from "../../bindings/exports.ts";
import { KvType, Status } from "../../bindings/numbers.ts";
import { Core, type CoreOptions } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { readProgram } from "../load/inspect.ts";
import { type LoadProgress, loadModel } from "../load/load.ts";
import type { ModelSource } from "../load/source.ts";

/** Tokens of the prompt that is timed. */
const PROMPT = 32;
/** Turns go on for so long, and at least one warms up: the quickest pass counts, which nothing disturbed. */
const MEASURE_MS = 500;
const LEAST_TURNS = 2;

/** A program and the milliseconds of its steps, by their numbers: those that run with another have none. */
export interface ProgramTimes {
  /** The page of the program. */
  readonly program: string;
  /** A prompt of 32 tokens, and one token behind it. */
  readonly prompt: Float64Array;
  readonly token: Float64Array;
}

/** Ids spread over a vocabulary, as the bench of native llama.cpp does it. */
export function spreadTokens(vocabulary: number, length: number): number[] {
  const range = Math.min(vocabulary, 30000) - 4;
  return Array.from({ length }, (_, i) => (range > 0 ? 3 + ((i * 7919) % range) : 0));
}

/** Loads a model and times its steps. */
export async function timeProgram(
  source: ModelSource,
  options: CoreOptions & Pick<LoadProgress, "onProgress" | "signal">,
): Promise<ProgramTimes> {
  const core = await Core.create({ ...options, threads: 1 });
  const { exports } = core;
  const { pointer: model } = await loadModel(core, source, options);
  const program = readProgram(core, model);
  const context = core.handle(exports.context_create(core.pointer, model, PROMPT + 1, PROMPT, 1, 1, KvType.F16));
  exports.context_set_traced(context, 1);
  const ids = Uint32Array.from(spreadTokens(exports.model_vocabulary(model), PROMPT + 1));
  const begin = performance.now();
  let prompt: Float64Array | null = null;
  let token: Float64Array | null = null;
  for (let turn = 1; turn <= LEAST_TURNS || performance.now() - begin < MEASURE_MS; turn++) {
    exports.context_reset(context);
    prompt = quicker(prompt, await timePass(core, model, context, ids, 0, PROMPT, options.signal));
    token = quicker(token, await timePass(core, model, context, ids, PROMPT, 1, options.signal));
  }
  return { program, prompt: prompt!, token: token! };
}

function quicker(best: Float64Array | null, times: Float64Array): Float64Array {
  return best && sum(best) <= sum(times) ? best : times;
}

/** The milliseconds of all steps together. */
export function sum(times: Float64Array): number {
  return times.reduce((all, ms) => all + ms, 0);
}

async function timePass(
  core: Core,
  model: Pointer,
  context: Pointer,
  ids: Uint32Array,
  from: number,
  tokens: number,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const { exports, memory } = core;
  memory.write(exports.context_ids(context), ids.subarray(from, from + tokens));
  memory.write(exports.context_sequences(context), new Uint32Array(tokens));
  memory.write(
    exports.context_positions(context),
    Int32Array.from({ length: tokens }, (_, i) => from + i),
  );
  memory.write(exports.context_wanted(context), new Uint8Array(tokens).fill(1, tokens - 1));
  core.check(exports.context_begin(context, tokens, 0, exports.model_layers(model)));
  const pace = new Pace(signal);
  const times: number[] = [];
  for (;;) {
    const at = exports.context_at(context);
    const begin = performance.now();
    const status = core.check(exports.context_step(context));
    times[at] = (times[at] ?? 0) + performance.now() - begin;
    if (status === Status.DONE) return Float64Array.from(times, (ms) => ms ?? 0);
    const turn = pace.step();
    if (turn) await turn;
  }
}
