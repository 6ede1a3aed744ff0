/**
 * The demo model: a PLM of one layer whose weights are written by hand, not trained. It recites a text.
 *
 *   embedding   token → a code of 64 values ±1 (any two codes nearly orthogonal) and one constant
 *   attention   the query is the key turned back by one position, so RoPE makes every token look exactly one token back;
 *               the latent carries that token's code into dimensions 64 to 127
 *   FFN         one neuron for each pair (previous, current) in the text: relu(up)² is 1 for its pair and 0 otherwise,
 *               and `down` writes the code of the token that follows; weaker neurons know the current token only
 *   head        tied: the token whose code was written wins
 *
 * So it goes on from any place of its text that a prompt ends with, and begins anew after anything else. Everything a
 * real PLM file has is there (latent attention, squared ReLU, a byte-level vocabulary): a check of the whole way
 * from text to text that needs no download.
 */
import { floatTensor, TENSOR_TYPES } from "./gguf-writer.mjs";
import { Random } from "./random-blocks.mjs";
import { buildVocabulary, END_OF_TEXT, tokenizerMetadata } from "./vocabulary.mjs";

/** What the model recites. No pair of neighbouring tokens occurs twice; the maker checks that. */
export const DEMO_TEXT =
  "A limpet holds on to its rock through every storm. When the tide comes in, it walks a little way to graze; as the " +
  "water falls, back it goes to the very place it left. This model was written by hand: one attention head looks one " +
  "token back, and each neuron knows one pair of words. Small things can hold on too.";

const HIDDEN = 256;
const CODE = 64; // values of a token's code: dimensions 0 to 63 hold the current token's, 64 to 127 the previous one's
const CONSTANT = 2 * CODE; // the dimension that holds the same number for every token
const LEVEL = 8; // that number
const HEADS = 2;
const VALUE = CODE / HEADS;
const NOPE = 32;
const ROPE = 32;
const THETA = 1000;
const VOCABULARY = 768;
const CLOSEST = 24; // no two codes have a larger scalar product than this, of 64

/** Codes of ±1, drawn at random and kept when far enough from all earlier ones. @param {number} count */
function makeCodes(count) {
  const random = new Random("demo codes");
  const codes = /** @type {number[][]} */ ([]);
  while (codes.length < count) {
    const code = Array.from({ length: CODE }, () => (random.bits() < 0 ? -1 : 1));
    const product = (/** @type {number[]} */ other) => other.reduce((sum, x, i) => sum + x * code[i], 0);
    if (codes.every((other) => Math.abs(product(other)) <= CLOSEST)) codes.push(code);
  }
  return codes;
}

/** @param {"F32" | "F16"} [type] @returns {import("./gguf-writer.mjs").GgufFile} */
export function demoModel(type = "F16") {
  const words = DEMO_TEXT.match(/ ?[A-Za-z]+|[^A-Za-z ]+/g) ?? [];
  const vocabulary = buildVocabulary(VOCABULARY, words);
  const idOf = (/** @type {string} */ word) => vocabulary.ids.get(word.replaceAll(" ", vocabulary.bytes[32])) ?? 0;
  const sequence = [...words.map(idOf), idOf(END_OF_TEXT)];

  // Codes: one for each token of the text, the last for all tokens that are not in it.
  const known = [...new Set(sequence)];
  const codes = makeCodes(known.length + 1);
  const unknown = codes[known.length];
  const codeOf = (/** @type {number} */ id) => codes[known.indexOf(id)] ?? unknown;

  // A neuron: the codes it waits for and the code it then writes.
  /** @type {{ current: number[], previous?: number[], next: number[], strength: number }[]} */
  const neurons = [{ current: unknown, next: codeOf(sequence[0]), strength: 10 }];
  for (const id of known) {
    const next = sequence[(sequence.indexOf(id) + 1) % sequence.length];
    neurons.push({ current: codeOf(id), next: codeOf(next), strength: 10 });
  }
  const seen = new Set();
  for (let i = 2; i < sequence.length; i++) {
    const pair = `${sequence[i - 2]} ${sequence[i - 1]}`;
    if (seen.has(pair)) throw new Error(`the pair "${words[i - 2]}${words[i - 1]}" occurs twice in the demo text`);
    seen.add(pair);
    const [previous, current, next] = [codeOf(sequence[i - 2]), codeOf(sequence[i - 1]), codeOf(sequence[i])];
    neurons.push({ current, previous, next, strength: 60 });
  }
  const ffn = Math.ceil(neurons.length / 32) * 32;

  /** @type {import("./gguf-writer.mjs").Tensor[]} */
  const tensors = [];
  const matrix = (/** @type {string} */ name, /** @type {number} */ columns, /** @type {number} */ rows) => {
    const values = new Float32Array(columns * rows);
    tensors.push(floatTensor(name, [columns, rows], values, type));
    return (/** @type {number} */ row, /** @type {number} */ column, /** @type {number} */ value) => {
      values[row * columns + column] = value;
    };
  };
  const norm = (/** @type {string} */ name, /** @type {number} */ size, weight = 1) =>
    tensors.push(floatTensor(name, [size], new Float32Array(size).fill(weight)));

  const embedding = matrix("token_embd.weight", HIDDEN, VOCABULARY);
  for (let id = 0; id < VOCABULARY; id++) {
    for (const [i, x] of codeOf(id).entries()) embedding(id, i, x);
    embedding(id, CONSTANT, LEVEL);
  }
  norm("output_norm.weight", HIDDEN, 0.25); // the winner leads by some 20 logits: sure at temperature 1 too

  // Attention. RMSNorm divides by the same number for every token, which `constant` takes into account.
  norm("blk.0.attn_norm.weight", HIDDEN);
  const constant = LEVEL / Math.sqrt((CODE + LEVEL * LEVEL) / HIDDEN);
  const query = matrix("blk.0.attn_q.weight", HIDDEN, HEADS * (NOPE + ROPE));
  const latent = matrix("blk.0.attn_kv_a_mqa.weight", HIDDEN, CODE + ROPE);
  const sharpness = 14; // score of the previous token minus that of any other: more than 20
  for (let i = 0; i < CODE; i++) latent(i, i, 1);
  for (let pair = 0; pair < ROPE / 2; pair++) {
    const angle = THETA ** ((-2 * pair) / ROPE);
    latent(CODE + 2 * pair, CONSTANT, sharpness / constant);
    for (let head = 0; head < HEADS; head++) {
      const row = head * (NOPE + ROPE) + NOPE + 2 * pair;
      query(row, CONSTANT, (sharpness / constant) * Math.cos(angle));
      query(row + 1, CONSTANT, (-sharpness / constant) * Math.sin(angle));
    }
  }
  norm("blk.0.attn_kv_a_norm.weight", CODE);
  const values = matrix("blk.0.attn_kv_b.weight", CODE, HEADS * (NOPE + VALUE));
  const output = matrix("blk.0.attn_output.weight", HEADS * VALUE, HIDDEN);
  for (let i = 0; i < CODE; i++) {
    values(Math.floor(i / VALUE) * (NOPE + VALUE) + NOPE + (i % VALUE), i, 1);
    output(CODE + i, i, 1);
  }

  // FFN. A neuron gives (scalar product with its codes - threshold) / 20: 1 on its own codes, below 0 on any other.
  norm("blk.0.ffn_norm.weight", HIDDEN);
  const scale = Math.sqrt((2 * CODE + LEVEL * LEVEL) / HIDDEN);
  const up = matrix("blk.0.ffn_up.weight", HIDDEN, ffn);
  const down = matrix("blk.0.ffn_down.weight", ffn, HIDDEN);
  for (const [n, { current, previous, next, strength }] of neurons.entries()) {
    const threshold = (previous ? 2 * CODE : CODE) - 20;
    for (let i = 0; i < CODE; i++) {
      up(n, i, (current[i] * scale) / 20);
      if (previous) up(n, CODE + i, (previous[i] * scale) / 20);
      down(i, n, strength * next[i]);
    }
    up(n, CONSTANT, (-threshold * scale) / (20 * LEVEL));
  }

  return {
    metadata: [
      ["general.architecture", "string", "plm"],
      ["general.name", "string", "limpet demo: a text written into weights by hand"],
      ["general.file_type", "u32", TENSOR_TYPES[type].fileType],
      ["plm.block_count", "u32", 1],
      ["plm.context_length", "u32", 512],
      ["plm.embedding_length", "u32", HIDDEN],
      ["plm.feed_forward_length", "u32", ffn],
      ["plm.attention.head_count", "u32", HEADS],
      ["plm.attention.head_count_kv", "u32", HEADS],
      ["plm.attention.layer_norm_rms_epsilon", "f32", 1e-6],
      ["plm.attention.kv_lora_rank", "u32", CODE],
      ["plm.attention.key_length", "u32", NOPE + ROPE],
      ["plm.attention.value_length", "u32", VALUE],
      ["plm.rope.freq_base", "f32", THETA],
      ["plm.rope.dimension_count", "u32", ROPE],
      ["plm.vocab_size", "u32", VOCABULARY],
      ...tokenizerMetadata(vocabulary, "gpt-2"),
    ],
    tensors,
  };
}
