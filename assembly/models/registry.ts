/**
 * The architectures: the only file that the runtime knows of this room. To add one, write its file and a line in each
 * function here (docs/architecture.md).
 */
import {
  HAS_ALL_ARCHITECTURES, HAS_LLAMA, HAS_MEMORYFORMER, HAS_PLM, HAS_QWEN2, HAS_QWEN3,
} from "../parts";
import { Core, ErrorCode, fail, say, sayBytes } from "../memory/core";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
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
  if (HAS_LLAMA && sameWords(name, length, "llama")) return Architecture.LLAMA;
  if (HAS_QWEN2 && sameWords(name, length, "qwen2")) return Architecture.QWEN2;
  if (HAS_QWEN3 && sameWords(name, length, "qwen3")) return Architecture.QWEN3;
  if (HAS_PLM && sameWords(name, length, "plm")) return Architecture.PLM;
  if (HAS_MEMORYFORMER && sameWords(name, length, "memoryformer")) return Architecture.MEMORYFORMER;
  const core = model.core;
  if (name == 0) {
    fail(core, ErrorCode.BAD_FILE, "the file has no key general.architecture; convert the model anew");
    return Architecture.NONE;
  }
  if (!HAS_ALL_ARCHITECTURES && isLeftOut(name, length)) {
    failWithoutArchitecture(core, name, length);
    return Architecture.NONE;
  }
  fail(core, ErrorCode.UNSUPPORTED, "the architecture ");
  sayBytes(core, name, length);
  say(core, " is not supported; limpet runs ");
  say(core, NAMES);
  return Architecture.NONE;
}

/** Whether limpet runs the architecture, and this build does not. */
function isLeftOut(name: usize, length: u32): bool {
  return (
    (!HAS_LLAMA && sameWords(name, length, "llama")) ||
    (!HAS_QWEN2 && sameWords(name, length, "qwen2")) ||
    (!HAS_QWEN3 && sameWords(name, length, "qwen3")) ||
    (!HAS_PLM && sameWords(name, length, "plm")) ||
    (!HAS_MEMORYFORMER && sameWords(name, length, "memoryformer"))
  );
}

function failWithoutArchitecture(core: Core, name: usize, length: u32): void {
  beginLeftOut(core);
  sayBytes(core, name, length);
  beginHeld(core);
  if (HAS_LLAMA) say(core, " llama");
  if (HAS_QWEN2) say(core, " qwen2");
  if (HAS_QWEN3) say(core, " qwen3");
  if (HAS_PLM) say(core, " plm");
  if (HAS_MEMORYFORMER) say(core, " memoryformer");
  endLeftOut(core);
}

/** Reads the hyper-parameters and declares the tensors. Status 0 or the error. */
export function declareModel(model: Model): i32 {
  switch (model.architecture) {
    case Architecture.LLAMA: if (HAS_LLAMA) return declareLlama(model); break;
    case Architecture.QWEN2: if (HAS_QWEN2) return declareQwen2(model); break;
    case Architecture.QWEN3: if (HAS_QWEN3) return declareQwen3(model); break;
    case Architecture.PLM: if (HAS_PLM) return declarePlm(model); break;
    case Architecture.MEMORYFORMER: if (HAS_MEMORYFORMER) return declareMemoryformer(model); break;
  }
  return ErrorCode.UNSUPPORTED;
}

/** Stages of a layer. */
export function stageCount(model: Model): u32 {
  switch (model.architecture) {
    case Architecture.LLAMA: if (HAS_LLAMA) return LLAMA_STAGES; break;
    case Architecture.QWEN2: if (HAS_QWEN2) return QWEN2_STAGES; break;
    case Architecture.QWEN3: if (HAS_QWEN3) return QWEN3_STAGES; break;
    case Architecture.PLM: if (HAS_PLM) return PLM_STAGES; break;
    case Architecture.MEMORYFORMER: if (HAS_MEMORYFORMER) return MEMORYFORMER_STAGES; break;
  }
  return 0;
}

/** Runs the stage that the pass is in: DONE, MORE (enter it again), NEED_DATA or an error. */
export function runStage(c: Context): i32 {
  switch (c.model.architecture) {
    case Architecture.LLAMA: if (HAS_LLAMA) return stageLlama(c); break;
    case Architecture.QWEN2: if (HAS_QWEN2) return stageQwen2(c); break;
    case Architecture.QWEN3: if (HAS_QWEN3) return stageQwen3(c); break;
    case Architecture.PLM: if (HAS_PLM) return stagePlm(c); break;
    case Architecture.MEMORYFORMER: if (HAS_MEMORYFORMER) return stageMemoryformer(c); break;
  }
  return ErrorCode.UNSUPPORTED;
}

/** Whether RoPE turns the pairs (2i, 2i+1), not the halves. */
export function isInterleaved(model: Model): bool {
  switch (model.architecture) {
    case Architecture.LLAMA: if (HAS_LLAMA) return LLAMA_INTERLEAVED; break;
    case Architecture.QWEN2: if (HAS_QWEN2) return QWEN2_INTERLEAVED; break;
    case Architecture.QWEN3: if (HAS_QWEN3) return QWEN3_INTERLEAVED; break;
    case Architecture.PLM: if (HAS_PLM) return PLM_INTERLEAVED; break;
    case Architecture.MEMORYFORMER: if (HAS_MEMORYFORMER) return MEMORYFORMER_INTERLEAVED; break;
  }
  return false;
}
