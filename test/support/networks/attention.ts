/** Attention of all tokens to all, as PyTorch's modules hold it: q, k and v are thirds of one product. */
import type { Network, Value } from "./network.ts";

/** `bias`: whether the product of q, k and v has one. */
export function attention(n: Network, name: string, x: Value, heads: number, bias: boolean): Value {
  const [, tokens, width] = x.shape;
  const of = (part: Value): Value => n.transpose(n.reshape(part, [1, tokens, heads, width / heads]), [0, 2, 1, 3]);
  const [q, k, v] = n.split(n.linear(`${name}.qkv`, x, 3 * width, bias), 3).map(of);
  const scores = n.softmax(n.product(n.scaled(q, (width / heads) ** -0.5), k, true));
  const mixed = n.reshape(n.transpose(n.product(scores, v), [0, 2, 1, 3]), [1, tokens, width]);
  return n.linear(`${name}.proj`, mixed, width);
}
