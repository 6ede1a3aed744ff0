/**
 * The architectures: the only file that the runtime knows of this room. To add one, write its file and a line in each
 * function here (docs/architecture.md).
 */
import { ErrorCode, fail, say, sayBytes } from "../memory/core";
import { Context } from "../pass/context";
import { Model } from "../engine/model";
import { sameWords } from "../files/gguf";
import { LLAMA_INTERLEAVED, LLAMA_STAGES, declareLlama, stageLlama } from "./llama";
import { MEMORYFORMER_INTERLEAVED, MEMORYFORMER_STAGES, declareMemoryformer, stageMemoryformer } from "./memoryformer";
import { PLM_INTERLEAVED, PLM_STAGES, declarePlm, stagePlm } from "./plm";
import { QWEN2_INTERLEAVED, QWEN2_STAGES, declareQwen2, stageQwen2 } from "./qwen2";
import { QWEN3_INTERLEAVED, QWEN3_STAGES, declareQwen3, stageQwen3 } from "./qwen3";

export namespace Architecture {
  export const NONE: u32 = 0;
  export const LLAMA: u32 = 1;
  export const QWEN2: u32 = 2;
  export const QWEN3: u32 = 3;
  export const PLM: u32 = 4;
  export const MEMORYFORMER: u32 = 5;
}

const NAMES: string = "llama, qwen2, qwen3, plm, memoryformer";

/** The architecture that `general.architecture` names: its id, or 0 with the error set. */
export function findArchitecture(model: Model): u32 {
  const name = model.gguf.architecture;
  const length = model.gguf.architectureLength;
  if (sameWords(name, length, "llama")) return Architecture.LLAMA;
  if (sameWords(name, length, "qwen2")) return Architecture.QWEN2;
  if (sameWords(name, length, "qwen3")) return Architecture.QWEN3;
  if (sameWords(name, length, "plm")) return Architecture.PLM;
  if (sameWords(name, length, "memoryformer")) return Architecture.MEMORYFORMER;
  const core = model.core;
  if (name == 0) {
    fail(core, ErrorCode.BAD_FILE, "the file has no key general.architecture; convert the model anew");
    return Architecture.NONE;
  }
  fail(core, ErrorCode.UNSUPPORTED, "the architecture ");
  sayBytes(core, name, length);
  say(core, " is not supported; limpet runs ");
  say(core, NAMES);
  return Architecture.NONE;
}

/** Reads the hyper-parameters and declares the tensors. Status 0 or the error. */
export function declareModel(model: Model): i32 {
  switch (model.architecture) {
    case Architecture.LLAMA: return declareLlama(model);
    case Architecture.QWEN2: return declareQwen2(model);
    case Architecture.QWEN3: return declareQwen3(model);
    case Architecture.PLM: return declarePlm(model);
    default: return declareMemoryformer(model);
  }
}

/** Stages of a layer. */
export function stageCount(model: Model): u32 {
  switch (model.architecture) {
    case Architecture.LLAMA: return LLAMA_STAGES;
    case Architecture.QWEN2: return QWEN2_STAGES;
    case Architecture.QWEN3: return QWEN3_STAGES;
    case Architecture.PLM: return PLM_STAGES;
    default: return MEMORYFORMER_STAGES;
  }
}

/** Runs the stage that the pass is in: DONE, MORE (enter it again), NEED_DATA or an error. */
export function runStage(c: Context): i32 {
  switch (c.model.architecture) {
    case Architecture.LLAMA: return stageLlama(c);
    case Architecture.QWEN2: return stageQwen2(c);
    case Architecture.QWEN3: return stageQwen3(c);
    case Architecture.PLM: return stagePlm(c);
    default: return stageMemoryformer(c);
  }
}

/** Whether RoPE turns the pairs (2i, 2i+1), not the halves. */
export function isInterleaved(model: Model): bool {
  switch (model.architecture) {
    case Architecture.LLAMA: return LLAMA_INTERLEAVED;
    case Architecture.QWEN2: return QWEN2_INTERLEAVED;
    case Architecture.QWEN3: return QWEN3_INTERLEAVED;
    case Architecture.PLM: return PLM_INTERLEAVED;
    default: return MEMORYFORMER_INTERLEAVED;
  }
}
