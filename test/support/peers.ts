/** What tests and `npm run goldens` share of peers: the checkpoints that are asked of them, and how far logits are apart. */
import { kindsOf, tinyOf } from "../../scripts/architectures.mjs";
import { type CheckpointParts, checkpointOf } from "./checkpoint.ts";

export interface PeerCheckpoint {
  kind: string;
  /** What its config has besides, in words; empty where it has nothing. */
  special: string;
  parts: CheckpointParts;
}

export const LLAMA3_ROPE = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

/** What a config may say of RoPE; contexts so short that 48 tokens are far enough to see it. */
const ROPES: readonly (readonly [architecture: string, special: string, config: Record<string, unknown>])[] = [
  ["llama", "llama3 rope", { rope_scaling: { ...LLAMA3_ROPE, original_max_position_embeddings: 32 } }],
  [
    "llama",
    "yarn and a factor of attention",
    { rope_scaling: { rope_type: "yarn", factor: 8, original_max_position_embeddings: 32, attention_factor: 1.1 } },
  ],
  [
    "llama",
    "longrope",
    {
      original_max_position_embeddings: 32,
      rope_scaling: {
        rope_type: "longrope",
        long_factor: Array.from({ length: 16 }, (_, i) => 1 + i / 2),
        short_factor: Array.from({ length: 16 }, (_, i) => 1 + i / 16),
      },
    },
  ],
  [
    "gemma3",
    "linear rope, windows by list",
    {
      rope_scaling: { rope_type: "linear", factor: 8 },
      rope_local_base_freq: 500,
      layer_types: Array.from({ length: 7 }, (_, i) => (i % 3 === 2 ? "full_attention" : "sliding_attention")),
    },
  ],
];

/** A checkpoint of each architecture that transformers runs, and some with what is special of RoPE. */
export function peerCheckpoints(): PeerCheckpoint[] {
  const list = kindsOf("transformers").map(
    (kind): PeerCheckpoint => ({ kind, special: "", parts: checkpointOf(kind).parts }),
  );
  const scaled = ROPES.map(([architecture, special, config]): PeerCheckpoint => {
    const kind = tinyOf(architecture);
    const { parts } = checkpointOf(kind);
    Object.assign(parts.config, config);
    return { kind, special, parts };
  });
  return [...list, ...scaled];
}

/** Little-endian floats in base64. */
export const fromBase64 = (text: string): Float32Array =>
  new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer);

function logProbabilities(row: Float32Array): number[] {
  const largest = Math.max(...row);
  const logSum = Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest;
  return Array.from(row, (value) => value - logSum);
}

/** KL(expected || got) of two rows of logits. */
export function divergence(expected: Float32Array, got: Float32Array): number {
  const [p, q] = [logProbabilities(expected), logProbabilities(got)];
  return p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]), 0);
}
