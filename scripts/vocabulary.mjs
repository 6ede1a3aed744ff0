/** Small byte-level vocabularies for the models that our scripts make: any text can be written in them. */

/** @typedef {readonly [string, import("./gguf-writer.mjs").ValueType, import("./gguf-writer.mjs").Value]} Entry */

export const END_OF_TEXT = "<|endoftext|>";

/** The printable character that stands for each byte in GPT-2's byte-level vocabularies. */
export function byteCharacters() {
  let next = 256;
  const printable = (/** @type {number} */ b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/**
 * Tokens and merges: the 256 bytes in order, then what merges build so that each of `words` becomes one token, then
 * filler words of ASCII letters up to `size`, the last token being the end of the text.
 * A word is built from its first character on; so its merges cannot meet inside another word.
 * @param {number} size @param {readonly string[]} words
 */
export function buildVocabulary(size, words) {
  const bytes = byteCharacters();
  const tokens = [...bytes];
  const ids = new Map(tokens.map((text, id) => [text, id]));
  const merges = /** @type {string[]} */ ([]);
  for (const word of words) {
    const characters = Array.from(new TextEncoder().encode(word), (byte) => bytes[byte]);
    let left = characters[0];
    for (const right of characters.slice(1)) {
      if (!ids.has(left + right)) {
        ids.set(left + right, tokens.length);
        tokens.push(left + right);
        merges.push(`${left} ${right}`);
      }
      left += right;
    }
  }
  if (tokens.length >= size)
    throw new Error(`a vocabulary of ${size} tokens is too small: ${tokens.length + 1} needed`);
  for (let n = 0; tokens.length < size - 1; n++) {
    const text = bytes[32] + fillerWord(n);
    if (ids.has(text)) continue;
    ids.set(text, tokens.length);
    tokens.push(text);
  }
  ids.set(END_OF_TEXT, tokens.length);
  tokens.push(END_OF_TEXT);
  return { tokens, merges, ids, bytes };
}

/** The n-th pronounceable word: syllables as digits of base 80. @param {number} n */
function fillerWord(n) {
  let word = "";
  for (let rest = n + 80; rest > 0; rest = Math.floor(rest / 80)) {
    word += "bdfghjklmnprstvz"[rest % 16] + "aeiou"[Math.floor((rest % 80) / 16)];
  }
  return word;
}

/**
 * The tokenizer's metadata.
 * @param {{ tokens: readonly string[], merges: readonly string[] }} vocabulary @param {string} pre
 * @returns {Entry[]}
 */
export function tokenizerMetadata({ tokens, merges }, pre) {
  const NORMAL = 1;
  const CONTROL = 3;
  const end = tokens.length - 1;
  return [
    ["tokenizer.ggml.model", "string", "gpt2"],
    ["tokenizer.ggml.pre", "string", pre],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.token_type", "i32[]", tokens.map((_, id) => (id === end ? CONTROL : NORMAL))],
    ["tokenizer.ggml.merges", "string[]", merges],
    ["tokenizer.ggml.bos_token_id", "u32", end],
    ["tokenizer.ggml.eos_token_id", "u32", end],
    ["tokenizer.ggml.add_bos_token", "bool", false],
  ];
}
