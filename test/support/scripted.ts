/** Models whose logits are written by hand, so that a test says what comes next. */
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { buildVocabulary, tokenizerMetadata } from "../../scripts/vocabulary.mjs";

/** Tokens, and the width, of a scripted model; bytes are the tokens 0 to 255, and the last token ends a text. */
export const SCRIPT_VOCABULARY = 320;
export const END = SCRIPT_VOCABULARY - 1;

/**
 * A model whose logits are a table: behind token t those of `table(t)`, whatever came before. Embeddings are unit vectors,
 * attention and FFN add nothing, and the head holds the table's columns.
 *
 * A weight is a finite number, and a logit of token 0 need not be: where the table says infinity or NaN, the products of
 * two faint elements of its embedding, which the norm makes strong, run over: to +∞, to −∞, or to both, which is NaN.
 * `words` are tokens of their own.
 */
export function scriptedModel(table: (token: number) => ArrayLike<number>, words: readonly string[] = []): Uint8Array {
  const size = SCRIPT_VOCABULARY;
  const file = randomModel(
    {
      architecture: "llama",
      layers: 1,
      hidden: size,
      heads: 10,
      kvHeads: 1,
      headSize: 32,
      ffn: 32,
      vocabulary: size,
      context: 1024,
      theta: 1e4,
      epsilon: 0,
      pre: "gpt-2",
    },
    "F32",
    1,
    words.length > 0 ? tokenizerMetadata(buildVocabulary(size, words), "gpt-2") : undefined,
  );
  const embedding = new Float32Array(size * size);
  const head = new Float32Array(size * size);
  const norm = new Float32Array(size).fill(1 / Math.sqrt(size));
  const [up, down] = [size - 2, size - 1];
  for (let token = 0; token < size; token++) {
    embedding[token * size + token] = 1;
    const logits = table(token);
    for (let row = 0; row < size; row++) {
      const logit = logits[row];
      if (Number.isFinite(logit) && logit !== 0) head[row * size + token] = logit;
      if (Number.isNaN(logit) || logit === Infinity) head[row * size + up] = 3e38;
      if (Number.isNaN(logit) || logit === -Infinity) head[row * size + down] = -3e38;
    }
    if (token !== 0 || Array.from(logits).every(Number.isFinite)) continue;
    for (const faint of [up, down]) {
      embedding[faint] = 1e-20;
      norm[faint] = 1e20;
    }
  }
  const values: Record<string, Float32Array> = {
    "token_embd.weight": embedding,
    "output_norm.weight": norm,
    "output.weight": head,
    "blk.0.attn_output.weight": new Float32Array(size * size),
    "blk.0.ffn_down.weight": new Float32Array(size * 32),
  };
  for (const tensor of file.tensors) {
    const own = values[tensor.name];
    if (own) tensor.fill = streamOf(new Uint8Array(own.buffer));
  }
  return encodeGguf(file);
}

/** Gives bytes chunk by chunk. */
function streamOf(bytes: Uint8Array): (chunk: Uint8Array) => void {
  let at = 0;
  return (chunk) => {
    chunk.set(bytes.subarray(at, at + chunk.length));
    at += chunk.length;
  };
}

/** A scripted model that says the tokens of a chain one after the other: behind each comes the next, with logit 8. */
export function chainModel(tokens: readonly number[]): Uint8Array {
  const next = new Map(tokens.map((token, i) => [token, tokens[(i + 1) % tokens.length]]));
  return scriptedModel((token) => {
    const logits = new Float32Array(SCRIPT_VOCABULARY);
    logits[next.get(token) ?? tokens[0]] = 8;
    return logits;
  });
}
