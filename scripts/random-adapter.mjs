/**
 * Adapters of random pairs for models of scripts/make-model.mjs, as llama.cpp writes them: some of the model's matrices
 * get an A and a B whose product changes the answers.
 */
import { floatTensor, toHalf } from "./gguf-writer.mjs";
import { Random } from "./random-blocks.mjs";

/** @typedef {import("./gguf-writer.mjs").GgufFile} GgufFile */

/**
 * What an adapter has: `matrices` are names without layer and ".weight" (attn_q …), `rank` that of the pairs or of each
 * by its number, `size` how large what it adds is beside the model's own. Of type Q8_0 are, as llama.cpp's converter has it,
 * tensors whose rows are whole blocks of 32, and the others F16; with `floats` the same values stand there as F32.
 * @typedef {{
 *   matrices?: readonly string[], rank?: number | ((i: number) => number), alpha?: number, seed?: number, size?: number,
 *   type?: "F32" | "F16" | "Q8_0", floats?: boolean, invocation?: readonly number[], metadata?: GgufFile["metadata"]
 * }} AdapterShape
 */

/** The matrices of a llama-like layer. */
export const MATRICES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];

/** The description of an adapter's file, for `writeGguf` or `encodeGguf`. @param {GgufFile} base @param {AdapterShape} [shape] */
export function randomAdapter(base, shape = {}) {
  const { matrices = MATRICES, rank = 8, alpha = 16, seed = 1, size = 0.3, type = "F32", floats, invocation } = shape;
  const architecture = /** @type {string} */ (base.metadata.find(([key]) => key === "general.architecture")?.[2]);
  const random = new Random(`adapter/${seed}`);
  const values = (/** @type {number} */ count, /** @type {number} */ deviation) =>
    Float32Array.from({ length: count }, () => random.signed() * deviation * 1.73);
  const named = base.tensors.filter(({ name, shape }) => shape.length === 2 && matrices.includes(plainName(name)));
  const tensors = named.flatMap(({ name, shape: [columns, rows] }, i) => {
    const r = typeof rank === "number" ? rank : rank(i);
    // A x is of unit size where x is; then s B is to be so large that the product is `size`.
    const b = (size * (alpha === 0 ? 1 : r / alpha)) / Math.sqrt(r) / (name.includes("down") ? 1 : 2);
    const isRows = name === "token_embd.weight";
    const [a, out] = isRows ? [[r, rows], columns] : [[columns, r], rows];
    const unit = 1 / Math.sqrt(columns);
    return [
      tensorOf(`${name}.lora_a`, a, values(a[0] * a[1], unit), type, floats),
      tensorOf(`${name}.lora_b`, [r, out], values(r * out, b), type, floats),
    ];
  });
  const metadata = /** @type {GgufFile["metadata"]} */ ([
    ["general.type", "string", "adapter"],
    ["general.architecture", "string", architecture],
    ["adapter.type", "string", "lora"],
    ["adapter.lora.alpha", "f32", alpha],
    ...(invocation ? [["adapter.alora.invocation_tokens", "u32[]", invocation]] : []),
    ...(shape.metadata ?? []),
  ]);
  return { metadata, tensors };
}

/**
 * @param {string} name @param {readonly number[]} shape @param {Float32Array} values
 * @param {"F32" | "F16" | "Q8_0"} type @param {boolean} [floats]
 */
function tensorOf(name, shape, values, type, floats) {
  if (type !== "Q8_0") return floatTensor(name, shape, values, type);
  if (shape[0] % 32) return floatTensor(name, shape, values, "F16");
  const blocks = new Uint8Array((values.length / 32) * 34);
  const view = new DataView(blocks.buffer);
  const exact = new Float32Array(values.length);
  for (let block = 0; block < values.length / 32; block++) {
    const own = values.subarray(block * 32, block * 32 + 32);
    // A power of two is a half of the same value.
    const scale = 2 ** Math.ceil(Math.log2(Math.max(...own.map(Math.abs)) / 127));
    view.setUint16(block * 34, toHalf(scale), true);
    own.forEach((value, i) => {
      const code = Math.round(value / scale);
      view.setInt8(block * 34 + 2 + i, code);
      exact[block * 32 + i] = scale * code;
    });
  }
  if (floats) return floatTensor(name, shape, exact);
  let at = 0;
  const fill = (/** @type {Uint8Array} */ chunk) => void chunk.set(blocks.subarray(at, (at += chunk.length)));
  return /** @type {GgufFile["tensors"][number]} */ ({ name, type, shape, fill });
}

/** A tensor's name without its layer and ".weight". @param {string} name */
function plainName(name) {
  return name.replace(/^blk\.\d+\./, "").replace(/\.weight$/, "");
}
