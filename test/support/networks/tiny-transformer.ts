/**
 * A Tiny Transformer for sound, of the size that "Tiny Transformers for Environmental Sound Classification at the Edge"
 * (Elliott et al. 2021, arXiv:2103.12157) speaks of, some thousands of parameters; its exact layers are not published, these
 * are ours: means over 7 frames are tokens, two blocks of two heads.
 */
import type { Weights } from "../checkpoint.ts";
import { attention } from "./attention.ts";
import { Network } from "./network.ts";
import { CHANNELS, FRAMES, NAMES } from "./sounds.ts";

const [SPAN, WIDTH, HEADS, BLOCKS, INNER] = [7, 16, 2, 2, 32];
const EPSILON = 1e-5;

/** With the weights that training/tiny_transformer.py has learnt, or random ones. */
export function tinyTransformer(given?: Weights) {
  const n = new Network(1, [1, FRAMES, CHANNELS], given);
  const tokens = FRAMES / SPAN;
  const means = n.reshape(n.mean(n.reshape(n.input, [1, tokens, SPAN, CHANNELS]), [2]), [1, tokens, CHANNELS]);
  const places = n.constant([1, tokens, WIDTH], n.weight("places", [1, tokens, WIDTH], 0.2));
  let x = n.plus(n.linear("embed", means, WIDTH), places);
  for (let i = 0; i < BLOCKS; i++) {
    x = n.plus(x, attention(n, `blocks.${i}`, n.layerNorm(`blocks.${i}.norm1`, x, EPSILON), HEADS, true));
    const inner = n.gelu(n.linear(`blocks.${i}.up`, n.layerNorm(`blocks.${i}.norm2`, x, EPSILON), INNER));
    x = n.plus(x, n.linear(`blocks.${i}.down`, inner, WIDTH));
  }
  const pooled = n.reshape(n.mean(x, [1]), [1, WIDTH]);
  return { network: n, output: n.linear("head", pooled, NAMES.length) };
}
