/** A pass of the core, step by step, as everybody runs it who fills a batch himself. */
import type { Pointer } from "../../bindings/exports.ts";
import { Status } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";
import type { Pace } from "../host/pace.ts";
import type { LoadedModel } from "./sequence-pool.ts";

/** Runs a pass of the batch's first `tokens` tokens through all layers; what stays in the file is read for it. */
export async function runPass(
  loaded: LoadedModel,
  context: Pointer,
  tokens: number,
  pace: Pace,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { core, pointer } = loaded;
  const { exports } = core;
  core.check(exports.context_begin(context, tokens, 0, exports.model_layers(pointer)));
  for (let status: Status = Status.MORE; status !== Status.DONE; ) {
    status = core.check(core.step(exports.context_step, context, context));
    if (status === Status.NEED_DATA) {
      const put = await loaded.source!.read(context, signal);
      if (put) {
        requireAlive(loaded);
        put();
      }
    }
    const turn = pace.step();
    if (turn) await turn;
    requireAlive(loaded);
  }
}

/** Refuses a model that was disposed of. */
export function requireAlive(loaded: LoadedModel): void {
  if (loaded.disposed) throw new LimpetError("WRONG_STATE", "the model was disposed of");
}
