/** Sound files of every architecture, so small that a thousand of them are read in a second. */

import { BLOCKS, BlockFormat } from "../../bindings/numbers.ts";
import { NAMES } from "../../scripts/architectures.mjs";
import { PAIRS, randomPair } from "../../scripts/encoder-decoders.mjs";
import { ODD } from "../../scripts/encoder-parts.mjs";
import { encodeGguf, type GgufFile, tensorBytes } from "../../scripts/gguf-writer.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import type { EntrySpec, TensorSpec } from "../support/gguf-writer.ts";

type Shape = Parameters<typeof randomModel>[0];
type TensorType = Parameters<typeof randomModel>[1];

/** What the smallest models have in common: one token a byte, some words, and an end. */
const SMALL = {
  layers: 1,
  hidden: 32,
  heads: 2,
  kvHeads: 1,
  ffn: 32,
  vocabulary: 300,
  context: 256,
  theta: 1e4,
  epsilon: 1e-5,
  pre: "gpt-2",
};

const OWN: Record<string, Partial<Shape>> = {
  llama: { headSize: 16, layers: 2 },
  qwen2: { headSize: 16, tied: true },
  qwen3: { headSize: 32, tied: true },
  plm: { nope: 16, rope: 8, value: 16, rank: 32, tied: true },
  memoryformer: { chunks: 8, bits: 4, rope: 8, ffn: 8 * 6 },
  phi2: { rope: 8 },
  gemma3: { window: 5, tied: true },
  qwen3moe: { experts: 4, used: 2, expertWidth: 32 },
  smollm3: {},
};

const TYPES: readonly TensorType[] = ["F32", "Q8_0", "F16", "Q4_0", "IQ4_NL", "Q5_1", "MXFP4"];
/** Formats whose blocks hold 256 values want wider rows. */
const WIDE: readonly TensorType[] = ["Q4_K", "Q6_K", "TQ2_0", "IQ4_XS"];

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly entries: readonly (readonly [string, string, EntryValue])[];
  readonly tensors: readonly TensorSpec[];
  /** Where the tensors' data begins. */
  readonly header: number;
}

type EntryValue = Exclude<EntrySpec, Uint8Array>[2];

/** The sound file of a shape. */
export function seedOfShape(shape: Shape, type: TensorType): Seed {
  return seedOf(`${shape.architecture} ${type}`, randomModel(shape, type));
}

function seedOf(name: string, file: GgufFile): Seed {
  const metadata = [...file.metadata, ["tokenizer.chat_template", "string", CHATML] as const];
  const bytes = new Uint8Array(encodeGguf({ ...file, metadata }));
  let data = 0;
  const tensors = file.tensors.map(({ name, type: of, shape: ne }): TensorSpec => {
    const offset = data;
    data += Math.ceil(tensorBytes(of, ne) / 32) * 32;
    return { name, type: idOf(of), ne, offset };
  });
  return { name, bytes, entries: metadata, tensors, header: bytes.length - data };
}

const I8 = 24;
const idOf = (type: string): number => (type === "I8" ? I8 : BlockFormat[type as keyof typeof BlockFormat]);

/** Blocks by the numbers of their formats. */
export const BLOCK_IDS: readonly number[] = Object.keys(BLOCKS).map(idOf);

/** A small shape of each architecture whose parts differ from those of the others. */
export const SEED_SHAPES: readonly Shape[] = NAMES.filter((name) => OWN[name]).map((architecture) => ({
  ...SMALL,
  ...OWN[architecture],
  architecture,
}));

/** One file of each architecture and of some formats each. */
export function makeSeeds(): Seed[] {
  const seeds: Seed[] = [];
  for (const [i, shape] of SEED_SHAPES.entries()) {
    const { architecture } = shape;
    const isMemory = architecture === "memoryformer";
    const types = isMemory ? (["F32", "Q8_0", "Q4_0"] as const) : [TYPES[0], TYPES[1], TYPES[2 + (i % 5)]];
    for (const type of types) seeds.push(seedOfShape(shape, type));
    if (!isMemory) seeds.push(seedOfShape({ ...shape, hidden: 256, heads: 4, headSize: 64, ffn: 256 }, WIDE[i % 4]));
  }
  return seeds;
}

/** Layers that keep a state, each kind of them. */
const STATE = { heads: 0, ffn: 0, kvHeadsOf: [0], taps: 4, inner: 64, stateSize: 16, tied: true };
const RECURRENT: Record<string, Partial<Shape>> = {
  mamba: { ...STATE, timeRank: 4 },
  mamba2: { ...STATE, timeRank: 4, groups: 2 },
  rwkv6: { heads: 0, headSize: 16, ffn: 64, kvHeadsOf: [0] },
  rwkv7: { heads: 0, headSize: 16, ffn: 64, kvHeadsOf: [0] },
  lfm2: { layers: 2, headSize: 16, taps: 3, kvHeadsOf: [0, 1], tied: true },
  qwen35: {
    ...{ layers: 4, headSize: 16, rope: 8, taps: 4, inner: 64, stateSize: 32, timeRank: 2, groups: 1 },
    ...{ kvHeadsOf: [0, 0, 0, 1], tied: true },
  },
};

/** Encoders by what they have alone: learned positions, a bias by distance, windows, experts. */
const ENCODERS: Record<string, Partial<Shape>> = {
  bert: { parts: 2 },
  "jina-bert-v2": { parts: 2, feedForward: "gated", most: 8 },
  "modern-bert": { layers: 3, window: 5, theta: 160000 },
  "nomic-bert-moe": { layers: 2, parts: 1, fused: true, every: 2, experts: 4, used: 2, theta: 10000 },
};

/** Models that are no decoders of rows alone: with states, encoders, encoder-decoders. */
export function makeOtherSeeds(): Seed[] {
  const small = { ...SMALL, hidden: 32, vocabulary: 300 };
  const types = ["F32", "Q8_0"] as const;
  return types.flatMap((type) => [
    ...Object.entries(RECURRENT).map(([architecture, own]) => seedOfShape({ ...small, ...own, architecture }, type)),
    ...Object.entries(ENCODERS).map(([architecture, own]) => {
      const shape = { ...ODD, ...small, kvHeads: undefined, epsilon: 1e-12, context: 64, ...own, architecture };
      return seedOfShape(shape, type);
    }),
    ...["t5-few", "mu-one", "t5encoder-tiny"].map((kind) => seedOf(`${kind} ${type}`, randomPair(PAIRS[kind], type))),
  ]);
}
