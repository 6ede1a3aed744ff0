/**
 * What this build holds. builds.json names the parts of each build; for one that it leaves out, scripts/builds.mjs
 * hands asc a constant (`--use WITHOUT_Q4_K=1`). A condition on a constant here folds as asc compiles: what stands behind
 * it is not in the wasm, its words and tables neither. So a part is left out where it is entered, and only there.
 */

/** Architectures (models/registry.ts). */
export const HAS_LLAMA: bool = !isDefined(WITHOUT_LLAMA);
export const HAS_QWEN2: bool = !isDefined(WITHOUT_QWEN2);
export const HAS_QWEN3: bool = !isDefined(WITHOUT_QWEN3);
export const HAS_PLM: bool = !isDefined(WITHOUT_PLM);
export const HAS_MEMORYFORMER: bool = !isDefined(WITHOUT_MEMORYFORMER);
export const HAS_ALL_ARCHITECTURES: bool = HAS_LLAMA && HAS_QWEN2 && HAS_QWEN3 && HAS_PLM && HAS_MEMORYFORMER;

/** Tokenizers: byte-level BPE ("gpt2"), SentencePiece by scores ("llama"). */
export const HAS_BPE: bool = !isDefined(WITHOUT_BPE);
export const HAS_SPM: bool = !isDefined(WITHOUT_SPM);

/** Chat templates that are written in the core (text/chat.ts). */
export const HAS_CHAT_TEMPLATES: bool = !isDefined(WITHOUT_CHAT_TEMPLATES);
