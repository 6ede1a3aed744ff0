/**
 * What a token costs, counted from the shapes in a model's file: parameters, multiply-adds, bytes of weights.
 *
 *     matrix [columns, rows]        columns · rows multiply-adds, all its bytes
 *     table of K · 2^τ rows         K · columns multiply-adds, K rows (and their scales): one row a chunk
 *     attention at s cached tokens  heads · (key + value) · s a layer; of latents, absorbed: heads · (rank + rope + rank) · s
 *     embedding                     one row; all of it where it is the head too
 *
 * Norms, RoPE, activations, softmax and the hash are a few operations a value of the width and are not counted, in none
 * of the architectures. The cache is not in the bytes.
 */

/** @typedef {{ name: string, shape: readonly number[], bytes: number }} Tensor */
/**
 * @typedef {object} Costs
 * @property {number} parameters
 * @property {number} tableParameters those in look-up tables
 * @property {number} tableBytes with the scales of rows
 * @property {{ layers: number, attention: number, head: number }} multiplyAdds of a token
 * @property {number} bytesRead weights that a token touches
 */

const SCALE_BYTES = 4;

/**
 * @param {string} architecture
 * @param {(key: string) => number | undefined} metadata a number by the end of its key, "block_count"
 * @param {readonly Tensor[]} tensors
 * @param {number} context tokens in the cache
 * @returns {Costs}
 */
export function costs(architecture, metadata, tensors, context) {
  const need = (/** @type {string} */ key) => {
    const value = metadata(key);
    if (value === undefined) throw new Error(`the file has no ${architecture}.${key}`);
    return value;
  };
  const names = new Set(tensors.map(({ name }) => name));
  const total = { parameters: 0, tableParameters: 0, tableBytes: 0, layers: 0, head: 0, bytesRead: 0 };
  for (const { name, shape, bytes } of tensors) {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (name.endsWith(".scale")) {
      total.tableBytes += bytes;
      continue;
    }
    if (name.endsWith(".table")) {
      const columns = tableColumns(name, metadata, need);
      const rows = shape[1];
      const chunks = need("memory.table_count");
      const scaled = names.has(name.replace(/table$/, "scale"));
      total.tableParameters += columns * rows;
      total.tableBytes += bytes;
      total.parameters += columns * rows;
      total.layers += columns * chunks;
      total.bytesRead += chunks * (bytes / rows + (scaled ? SCALE_BYTES : 0));
      continue;
    }
    total.parameters += elements;
    if (name === "token_embd.weight" && names.has("output.weight")) {
      total.bytesRead += bytes / shape[1];
      continue;
    }
    total.bytesRead += bytes;
    if (name === "output.weight" || name === "token_embd.weight") total.head += elements;
    else if (shape.length > 1) total.layers += elements;
  }
  const { parameters, tableParameters, tableBytes, layers, head, bytesRead } = total;
  const attention = need("block_count") * attended(metadata, need) * context;
  return { parameters, tableParameters, tableBytes, multiplyAdds: { layers, attention, head }, bytesRead };
}

/** @typedef {(key: string) => number} Need */

/** Multiply-adds of one layer's attention a cached token. @param {(key: string) => number | undefined} metadata @param {Need} need */
function attended(metadata, need) {
  const heads = need("attention.head_count");
  const rank = metadata("attention.kv_lora_rank");
  if (rank !== undefined) return heads * (rank + need("rope.dimension_count") + rank);
  const { key, value } = headSizes(metadata, need);
  return heads * (key + value);
}

/** @param {(key: string) => number | undefined} metadata @param {Need} need */
function headSizes(metadata, need) {
  const size = need("embedding_length") / need("attention.head_count");
  return { key: metadata("attention.key_length") ?? size, value: metadata("attention.value_length") ?? size };
}

/**
 * Values of a table's row: its tensor does not say, where two of them share a byte.
 * @param {string} name @param {(key: string) => number | undefined} metadata @param {Need} need
 */
function tableColumns(name, metadata, need) {
  const { key, value } = headSizes(metadata, need);
  const heads = need("attention.head_count");
  const kvHeads = metadata("attention.head_count_kv") ?? heads;
  const chunks = need("memory.table_count");
  const codeBits = metadata("memory.ffn_code_length") ?? need("memory.code_length") + 2;
  const columns = {
    attn_q: heads * key,
    attn_k: kvHeads * key,
    attn_v: kvHeads * value,
    ffn_up: chunks * codeBits,
    ffn_down: need("embedding_length"),
  }[/** @type {string} */ (name.split(".").at(-2))];
  if (columns === undefined) throw new Error(`${name} is no table that is known here`);
  return columns;
}
