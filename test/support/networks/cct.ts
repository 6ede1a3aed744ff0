/**
 * CCT (Hassani et al. 2021, arXiv:2104.05704): an image becomes tokens by small convolutions; blocks whose second residual
 * begins at the normalised value, as the authors' code has it; a weighted sum of tokens in place of a class token.
 */
import { attention } from "./attention.ts";
import { Network, type Value } from "./network.ts";

export interface CctShape {
  readonly image: number;
  readonly convolutions: number;
  readonly width: number;
  readonly blocks: number;
  readonly heads: number;
  /** Of the MLP, in widths. */
  readonly ratio: number;
  readonly classes: number;
}

/** cct_2_3x2_32 of the authors' code: 283,723 parameters. */
export const CCT_2: CctShape = { image: 32, convolutions: 2, width: 128, blocks: 2, heads: 2, ratio: 1, classes: 10 };

export function cct({ image, convolutions, width, blocks, heads, ratio, classes }: CctShape, seed = 1) {
  const n = new Network(seed, [1, image, image, 3]);
  let x = n.input;
  for (let i = 0; i < convolutions; i++) {
    const out = i === convolutions - 1 ? width : 64;
    x = n.maxPool(n.relu(n.conv(`tokenizer.conv_layers.${i}.0`, x, { out, size: 3 })), 3, 2, 1);
  }
  const tokens = x.shape[1] * x.shape[2];
  x = n.reshape(x, [1, tokens, width]);
  const places = n.weight("classifier.positional_emb", [1, tokens, width], 0.2);
  x = n.plus(x, n.constant([1, tokens, width], places));
  for (let i = 0; i < blocks; i++) x = block(n, `classifier.blocks.${i}`, x, heads, ratio);
  x = n.layerNorm("classifier.norm", x, 1e-5);
  // Each token says how much it counts.
  const weights = n.softmax(n.reshape(n.linear("classifier.attention_pool", x, 1), [1, 1, tokens]));
  const pooled = n.reshape(n.product(weights, x), [1, width]);
  return { network: n, output: n.linear("classifier.fc", pooled, classes) };
}

function block(n: Network, name: string, x: Value, heads: number, ratio: number): Value {
  const width = x.shape[2];
  const attended = n.plus(x, attention(n, `${name}.self_attn`, n.layerNorm(`${name}.pre_norm`, x, 1e-5), heads, false));
  const normal = n.layerNorm(`${name}.norm1`, attended, 1e-5);
  const inner = n.gelu(n.linear(`${name}.linear1`, normal, width * ratio));
  return n.plus(normal, n.linear(`${name}.linear2`, inner, width));
}
