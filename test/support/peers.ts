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

/** A checkpoint of each architecture that transformers runs, and one with Llama 3's scaling of RoPE. */
export function peerCheckpoints(): PeerCheckpoint[] {
  const list = kindsOf("transformers").map(
    (kind): PeerCheckpoint => ({ kind, special: "", parts: checkpointOf(kind).parts }),
  );
  const scaled = checkpointOf(tinyOf("llama")).parts;
  // So that 48 tokens are far enough to see it.
  scaled.config["rope_scaling"] = { ...LLAMA3_ROPE, original_max_position_embeddings: 32 };
  return [...list, { kind: tinyOf("llama"), special: "llama3 rope", parts: scaled }];
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
