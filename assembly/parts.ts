/**
 * What this build holds. builds.json names the parts of each build; for one that it leaves out, scripts/builds.mjs
 * hands asc a constant (`--use WITHOUT_Q4_K=1`). A condition on a constant here folds as asc compiles: what stands
 * behind it is not in the wasm, nor are its words and tables. So a part is left out where it is entered, nowhere else.
 */

/** Block formats (kernels/quant/formats/); F32, F16 and Q8_0 are in every build. TQ1_0 is kept as TQ2_0. */
export const HAS_Q4_0: bool = !isDefined(WITHOUT_Q4_0);
export const HAS_Q4_1: bool = !isDefined(WITHOUT_Q4_1);
export const HAS_Q5_0: bool = !isDefined(WITHOUT_Q5_0);
export const HAS_Q5_1: bool = !isDefined(WITHOUT_Q5_1);
export const HAS_Q2_K: bool = !isDefined(WITHOUT_Q2_K);
export const HAS_Q3_K: bool = !isDefined(WITHOUT_Q3_K);
export const HAS_Q4_K: bool = !isDefined(WITHOUT_Q4_K);
export const HAS_Q5_K: bool = !isDefined(WITHOUT_Q5_K);
export const HAS_Q6_K: bool = !isDefined(WITHOUT_Q6_K);
export const HAS_IQ4_NL: bool = !isDefined(WITHOUT_IQ4_NL);
export const HAS_IQ4_XS: bool = !isDefined(WITHOUT_IQ4_XS);
export const HAS_BF16: bool = !isDefined(WITHOUT_BF16);
export const HAS_TQ1_0: bool = !isDefined(WITHOUT_TQ1_0);
export const HAS_TQ2_0: bool = !isDefined(WITHOUT_TQ2_0) || HAS_TQ1_0;
export const HAS_MXFP4: bool = !isDefined(WITHOUT_MXFP4);
export const HAS_ALL_FORMATS: bool =
  HAS_Q4_0 &&
  HAS_Q4_1 &&
  HAS_Q5_0 &&
  HAS_Q5_1 &&
  HAS_Q2_K &&
  HAS_Q3_K &&
  HAS_Q4_K &&
  HAS_Q5_K &&
  HAS_Q6_K &&
  HAS_IQ4_NL &&
  HAS_IQ4_XS &&
  HAS_BF16 &&
  HAS_TQ1_0 &&
  HAS_TQ2_0 &&
  HAS_MXFP4;

/** Architectures (models/registry.ts). */
export const HAS_LLAMA: bool = !isDefined(WITHOUT_LLAMA);
export const HAS_QWEN2: bool = !isDefined(WITHOUT_QWEN2);
export const HAS_QWEN3: bool = !isDefined(WITHOUT_QWEN3);
export const HAS_PLM: bool = !isDefined(WITHOUT_PLM);
export const HAS_MEMORYFORMER: bool = !isDefined(WITHOUT_MEMORYFORMER);
export const HAS_PHI2: bool = !isDefined(WITHOUT_PHI2);

/** Ops (ops/ops.ts): one is in a build when an architecture of the build writes it. */
export const HAS_ATTENTION: bool = HAS_LLAMA || HAS_QWEN2 || HAS_QWEN3 || HAS_MEMORYFORMER || HAS_PHI2;
export const HAS_LAYER_NORM: bool = HAS_MEMORYFORMER || HAS_PHI2;
export const HAS_SWIGLU: bool = HAS_LLAMA || HAS_QWEN2 || HAS_QWEN3;
export const HAS_GELU: bool = HAS_PHI2;
export const HAS_SQUARED_RELU: bool = HAS_PLM;
export const HAS_LATENT_ATTENTION: bool = HAS_PLM;
export const HAS_LOOK_UP: bool = HAS_MEMORYFORMER;

/** Tokenizers: byte-level BPE ("gpt2"), SentencePiece by scores ("llama"). */
export const HAS_BPE: bool = !isDefined(WITHOUT_BPE);
export const HAS_SPM: bool = !isDefined(WITHOUT_SPM);

/** Kernels by themselves (`kernel_…`): what only they reach. */
export const HAS_KERNELS: bool = !isDefined(WITHOUT_KERNELS);

/** Programs as text (program/print.ts). */
export const HAS_PRINT: bool = !isDefined(WITHOUT_PRINT);

/** Chat templates that are written in the core (text/chat.ts). */
export const HAS_CHAT_TEMPLATES: bool = !isDefined(WITHOUT_CHAT_TEMPLATES);

/** Guard bytes around blocks of memory (memory/guards.ts): builds for fuzzers, of which none ships. */
export const HAS_GUARDS: bool = isDefined(WITH_GUARDS);
