/** Small models with adapters of random pairs, which llama.cpp has seen too (test/golden/adapters.json). */
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { type AdapterShape, MATRICES, randomAdapter } from "../../scripts/random-adapter.mjs";

/** Models, and what each adapter of the set has beside its weight there. */
export const ADAPTED: readonly { kind: string; adapters: readonly (AdapterShape & { weight: number })[] }[] = [
  {
    kind: "llama-tiny",
    adapters: [
      { weight: 0.7, seed: 1, rank: (i) => [4, 8, 16, 3][i % 4], matrices: [...MATRICES, "output"] },
      { weight: -0.3, seed: 2, rank: 5, alpha: 0, matrices: ["attn_q", "attn_v", "token_embd"] },
    ],
  },
  { kind: "qwen2-tiny", adapters: [{ weight: 1, type: "F16", rank: 16, alpha: 8 }] },
  { kind: "qwen3-tiny", adapters: [{ weight: 1.5 }] },
  { kind: "phi3-tiny", adapters: [{ weight: 1, matrices: ["attn_qkv", "attn_output", "ffn_up", "ffn_down"] }] },
  // Some of its pairs are whole blocks, of others A alone. llama.cpp rounds what meets blocks to bytes: it is asked with
  // the values that they stand for, and `own` of the golden is how far it comes from that with the file itself.
  { kind: "llama-tiny", adapters: [{ weight: 1, type: "Q8_0", rank: (i) => [8, 32][i % 2] }] },
  // For plm llama.cpp leaves out, without a word, what an adapter has of attn_q and attn_kv_a_mqa.
  { kind: "plm-1m", adapters: [{ weight: 1, matrices: ["attn_output", "ffn_up", "ffn_down"] }] },
];

/** The file of an adapter for a small model. */
export function adapterBytes(kind: string, shape: AdapterShape = {}, type: string = "F32"): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encodeGguf(randomAdapter(makeModel(kind, type), shape)));
}
