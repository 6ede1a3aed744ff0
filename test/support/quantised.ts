/**
 * A small quantised model of each architecture that llama.cpp runs and whose layers keep rows. Packing takes rows in groups of eight, so widths are
 * such that views begin within a group: queries, keys and values are one matrix of 160, 20 and 20 rows, a gate has 164
 * rows before those of `up`, experts have 100 or 68, heads of latents 68 or 28.
 */
import { kindsOf, SHAPES, type Shape, TINY_OF_ROWS } from "../../scripts/architectures.mjs";
import { encodeGguf, type TensorType } from "../../scripts/gguf-writer.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { type File, joined } from "./changes.ts";

/** Formats take turns. */
const TYPES = ["Q4_0", "Q8_0", "Q5_0", "Q4_1", "Q5_1", "IQ4_NL", "Q1_0"] as const;

/** Those of super-blocks want rows of 256 columns. */
const SUPER: Record<string, TensorType> = {
  "llama-tiny": "Q3_K",
  "qwen3-tiny": "Q6_K",
  "gemma3-tiny": "Q2_K",
  "granitemoe-tiny": "Q6_K",
  "plm-1m": "Q3_K",
};

const WIDTHS = { hidden: 160, heads: 8, kvHeads: 1, headSize: 20 };
const LATENT = { hidden: 128, heads: 4, nope: 28 };

/** Widths of an architecture's own, beside those of all or instead of them. */
const OWN: Record<string, Partial<Shape>> = {
  "plm-1m": LATENT,
  "phi2-tiny": { rope: 12 },
  "qwen3moe-tiny": { expertWidth: 100 },
  "phi3-tiny": { rope: 16, ffn: 164 },
  "granitemoe-tiny": { ffn: 100, expertWidth: 100, sharedWidth: 68 },
  "glm4-tiny": { rope: 12 },
  "deepseek2-tiny": { ...LATENT, kvHeads: 4, expertWidth: 68, sharedWidth: 136 },
  "minicpm3-tiny": LATENT,
  "deci-tiny": { headsOf: [8, 0, 0, 8, 8], kvHeadsOf: [1, 0, 0, 0, 1] },
  "chatglm-tiny": { rope: 12, ffn: 164 },
  "nemotron-tiny": { rope: 12 },
  "openelm-tiny": { headsOf: [8, 8, 4], kvHeadsOf: [1, 1, 1] },
  "ernie4_5-moe-tiny": { expertWidth: 68 },
  "hunyuan-moe-tiny": { ffn: 100, expertWidth: 100, sharedWidth: 68 },
  "bailingmoe-tiny": { expertWidth: 68, sharedWidth: 136 },
  "deepseek-tiny": { expertWidth: 68, sharedWidth: 136 },
  "bailingmoe2-tiny": { rope: 12, expertWidth: 68, sharedWidth: 68 },
  "afmoe-tiny": { expertWidth: 68, sharedWidth: 68 },
  "mellum-tiny": { expertWidth: 68 },
  "llama4-tiny": { expertWidth: 68, sharedWidth: 68 },
  "cohere2moe-tiny": { expertWidth: 68, sharedWidth: 68 },
  "smallthinker-tiny": { expertWidth: 68 },
  "gemma4-tiny": { localSize: 12 },
  "gemma4-experts": { localSize: 12, expertWidth: 100 },
};

export interface Quantised {
  kind: string;
  /** What the file is mostly of. One of NVFP4 has a scale for each matrix. */
  type: TensorType;
}

/** Formats that are for reading, with super-blocks too. */
const CODEBOOKS = ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"] as const;

/** A model in each of them. */
export const WITH_CODEBOOKS: readonly Quantised[] = CODEBOOKS.map((type) => ({ kind: "llama-tiny", type }));

/** The last ones have views that their architecture's first model has not, and scales behind products. */
export const QUANTISED: readonly Quantised[] = [
  ...[...kindsOf("llama.cpp").filter((kind) => TINY_OF_ROWS.includes(kind)), "gemma4-experts"].map((kind, i) => ({
    kind,
    type: SUPER[kind] ?? TYPES[i % TYPES.length],
  })),
  ...["qwen2-tiny", "qwen3-tiny", "phi3-tiny", "qwen3moe-tiny", "gemma4-experts"].map((kind) => ({
    kind,
    type: "NVFP4" as const,
  })),
  ...WITH_CODEBOOKS,
];

/** The bytes of the file of one of them. */
export function quantisedFile({ kind, type }: Quantised): Uint8Array {
  const base = SHAPES[kind];
  const { headSize, kvHeads, ...widths } = WIDTHS;
  const shape = {
    ...{ ...base, ...widths, ...(base.headSize && { headSize }), ...(base.kvHeads && { kvHeads }) },
    ...OWN[kind],
  };
  const isWide = CODEBOOKS.some((own) => own === type);
  if (type === SUPER[kind] || isWide) shape.hidden = 256;
  // Blocks of 256 in every matrix.
  if (isWide) shape.ffn = 256;
  const file = randomModel(shape, type);
  for (let layer = 0; layer < shape.layers; layer++) {
    // llama.cpp's bitnet knows matrices of their own alone.
    for (const what of kind === "bitnet-tiny" ? [] : ["weight", "bias"]) {
      const parts = ["q", "k", "v"].map((part) => `attn_${part}.${what}`);
      const has = (name: string) => file.tensors.some((tensor) => tensor.name === `blk.${layer}.${name}`);
      if (parts.every(has)) joined(file, parts, `attn_qkv.${what}`, layer);
    }
  }
  if (type === "NVFP4") addScales(file, kind === "qwen2-tiny" ? /^blk.*attn_/ : /^blk/);
  return encodeGguf(file);
}

/**
 * Each matrix of NVFP4 that is named so has a scale, or one for each expert, and one of its input, which nobody uses. Of
 * qwen2 llama.cpp passes over those of feed-forward networks.
 */
function addScales(file: File, which: RegExp): void {
  const vector = (name: string, values: Float32Array) => ({
    ...{ name, type: "F32" as const, shape: [values.length] },
    fill: (bytes: Uint8Array) => bytes.set(new Uint8Array(values.buffer)),
  });
  const names = new Set(file.tensors.map(({ name }) => name));
  const scales = file.tensors.flatMap(({ name, type, shape }, index) => {
    const own = name.replace(/weight$/, "");
    if (type !== "NVFP4" || !which.test(name)) return [];
    const values = Float32Array.from({ length: shape[2] ?? 1 }, (_, i) => 0.6 + ((7 * index + 3 * i) % 10) / 10);
    return [vector(`${own}scale`, values), vector(`${own}input_scale`, Float32Array.of(3))];
  });
  // gemma4's experts have such numbers in any case.
  file.tensors = [...file.tensors, ...scales.filter(({ name }) => !names.has(name))];
}
