/**
 * Loading: the core asks for ranges of a model's files, and they are read straight to where it wants them. Nothing is
 * held twice.
 */
import { address } from "../../bindings/memory.ts";
import { ModelState, Status } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import type { HubOptions } from "../store/by-name.ts";
import { type ExpertOptions, leaveExperts } from "./experts.ts";
import { changed, fillFrom, type Part } from "./part.ts";
import { type ModelSource, openForRanges, openSource, settle } from "./source.ts";
import { BrokenOff } from "./stream.ts";
import { leaveTables, type TableOptions } from "./tables.ts";
import type { WeightSource } from "./weight-source.ts";

/** What loading is at: the core, which is fetched and compiled; the header of the file; its weights. */
export type LoadPhase = "wasm" | "header" | "weights";

/** How a model is loaded, and who is told. */
export interface LoadProgress extends TableOptions, ExpertOptions, HubOptions {
  /** Leave the weights in the file: enough for the tokenizer and the metadata. */
  vocabularyOnly?: boolean;
  /**
   * Bytes of weights in memory, and of all; called as they come. A download that has to begin anew counts from 0 again,
   * and so does what follows the one of a hub's model.
   */
  onProgress?: (loaded: number, total: number) => void;
  /** Called as each part of the loading begins; what begins anew does so with its header. */
  onPhase?: (phase: LoadPhase) => void;
  /** Ends the loading: the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** The size that a stream of unknown length is given: what lacks shows when it ends. */
const UNKNOWN_SIZE = 2 ** 52;

/** How often a download is begun anew that broke off, and that a server does not let go on. */
const BEGINNINGS = 3;

/** The handle of a model, and the files that its tables or experts stay in; null where nothing does. */
export interface Loaded {
  readonly pointer: number;
  readonly source: WeightSource | null;
}

/** Loads a model (or with `planOnly` so much of it that its sizes are known), or an adapter for the model `base`. */
export async function loadModel(
  core: Core,
  source: ModelSource,
  options: LoadProgress,
  planOnly: boolean = false,
  base: number = 0,
): Promise<Loaded> {
  for (let beginnings = 1; ; beginnings++) {
    try {
      return await loadOnce(core, source, options, planOnly, base);
    } catch (error) {
      if (!(error instanceof BrokenOff && error.anew) || beginnings === BEGINNINGS) throw error;
    }
  }
}

async function loadOnce(
  core: Core,
  from: ModelSource,
  options: LoadProgress,
  planOnly: boolean,
  base: number,
): Promise<Loaded> {
  options.signal?.throwIfAborted();
  const open = options.tables === "stream" || options.experts === "stream" ? openForRanges : openSource;
  const parts = await open(from, options.signal, options);
  let source: WeightSource | null = null;
  try {
    for (;;) {
      const pointer = await run(core, parts, options, planOnly, base);
      if (pointer === null) continue;
      if (!planOnly && core.exports.model_streamed_bytes(pointer) > 0n) {
        source = new (await import("./weight-source.ts")).WeightSource(core, parts);
      }
      return { pointer, source };
    }
  } finally {
    if (!source) for (const part of parts) part.close();
  }
}

/** null: a stream turned out to end within the header; its part is exchanged for one of known size, to begin anew. */
async function run(
  core: Core,
  parts: Part[],
  options: LoadProgress,
  planOnly: boolean,
  base: number,
): Promise<number | null> {
  const { exports } = core;
  if (base !== 0 && !core.has("adapter_create")) {
    throw new LimpetError("UNSUPPORTED", "this wasm has no adapters: load the model without the option wasm");
  }
  if (base !== 0 && parts.length > 1) {
    throw new LimpetError("BAD_ARGUMENT", "an adapter is one file, and this is a model in several parts");
  }
  const model = core.handle(
    base === 0
      ? exports.model_create(core.pointer, parts.length, options.vocabularyOnly ? 1 : 0)
      : exports.adapter_create(core.pointer, base),
  );
  try {
    parts.forEach((part, i) => {
      core.check(exports.model_set_file_size(model, i, BigInt(part.size ?? UNKNOWN_SIZE)));
    });
    if (base === 0) {
      leaveTables(core, model, options);
      leaveExperts(core, model, options);
    }
    const pace = new Pace(options.signal);
    options.onPhase?.("header");
    let header = true;
    let reported = -1;
    for (;;) {
      const status = core.check(exports.model_step(model));
      if (header && exports.model_state(model) >= ModelState.PLANNED) {
        header = false;
        for (const part of parts) part.headerDone?.();
        if (planOnly) return model;
        options.onPhase?.("weights");
      }
      const loaded = Number(exports.model_loaded_bytes(model));
      if (!header && loaded !== reported) {
        options.onProgress?.(loaded, Number(exports.model_file_bytes(model)));
        reported = loaded;
      }
      if (status === Status.DONE) {
        const other = parts.find((part) => part.changed?.());
        if (other) throw changed(other.place ?? "the model's file");
        return model;
      }
      if (status === Status.NEED_DATA && !(await fill(core, model, parts, options.signal))) {
        const index = exports.model_request_file(model);
        if (!header || parts[index].size !== null) throw endsEarly(core, model);
        parts[index] = await settle(parts[index]);
        exports.model_release(model);
        return null;
      }
      const turn = pace.step();
      if (turn) await turn;
    }
  } catch (error) {
    exports.model_release(model);
    throw error;
  }
}

/** Reads what the core asks for, to where it asks for it. False: the file has less. */
async function fill(core: Core, model: number, parts: Part[], signal?: AbortSignal): Promise<boolean> {
  const { exports } = core;
  const length = exports.model_request_length(model) >>> 0;
  const target = core.memory.u8(address(exports.model_request_destination(model)), length);
  const offset = Number(exports.model_request_offset(model));
  return (await fillFrom(parts[exports.model_request_file(model)], offset, target, signal)) === length;
}

function endsEarly(core: Core, model: number): LimpetError {
  const offset = core.exports.model_request_offset(model);
  const length = core.exports.model_request_length(model) >>> 0;
  return new LimpetError(
    "BAD_FILE",
    `the file ends before byte ${offset + BigInt(length)}, which its header promises; download it again`,
  );
}
