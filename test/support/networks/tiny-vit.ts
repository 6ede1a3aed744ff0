/**
 * TinyViT (Wu et al. 2022, arXiv:2207.10666): inverted bottlenecks first, then attention in windows with a bias for each
 * distance, a depthwise convolution between attention and MLP. Names are those of timm's tiny_vit.
 */
import { Network, type Value } from "./network.ts";

export interface TinyVitShape {
  readonly image: number;
  readonly widths: readonly number[];
  readonly depths: readonly number[];
  readonly heads: readonly number[];
  readonly windows: readonly number[];
  readonly classes: number;
}

/** tiny_vit_5m_224: 5.39 million parameters. */
export const TINY_VIT_5M: TinyVitShape = {
  image: 224,
  widths: [64, 128, 160, 320],
  depths: [2, 2, 6, 2],
  heads: [2, 4, 5, 10],
  windows: [7, 7, 14, 7],
  classes: 1000,
};

export function tinyVit({ image, widths, depths, heads, windows, classes }: TinyVitShape, seed = 1) {
  const n = new Network(seed, [1, image, image, 3]);
  let x = norm(n, "patch_embed.conv1", n.input, { out: widths[0] / 2, size: 3, stride: 2 });
  x = norm(n, "patch_embed.conv2", n.gelu(x), { out: widths[0], size: 3, stride: 2 });
  for (let i = 0; i < depths[0]; i++) x = bottleneck(n, `stages.0.blocks.${i}`, x);
  for (let s = 1; s < depths.length; s++) {
    x = merged(n, `stages.${s}.downsample`, x, widths[s]);
    for (let i = 0; i < depths[s]; i++) x = block(n, `stages.${s}.blocks.${i}`, x, heads[s], windows[s]);
  }
  const pooled = n.layerNorm("head.norm", n.mean(x, [1, 2]), 1e-5);
  return { network: n, output: n.linear("head.fc", n.reshape(pooled, [1, widths.at(-1)!]), classes) };
}

/** A convolution with its batch norm. */
function norm(n: Network, name: string, x: Value, options: Parameters<Network["conv"]>[2]): Value {
  return n.conv(`${name}.conv`, x, { ...options, norm: `${name}.bn` });
}

function bottleneck(n: Network, name: string, x: Value): Value {
  const wide = n.gelu(norm(n, `${name}.conv1`, x, { out: 4 * x.shape[3] }));
  const mixed = n.gelu(norm(n, `${name}.conv2`, wide, { size: 3, depthwise: true }));
  return n.gelu(n.plus(norm(n, `${name}.conv3`, mixed, { out: x.shape[3] }), x));
}

function merged(n: Network, name: string, x: Value, out: number): Value {
  const first = n.gelu(norm(n, `${name}.conv1`, x, { out }));
  const second = n.gelu(norm(n, `${name}.conv2`, first, { size: 3, stride: 2, depthwise: true }));
  return norm(n, `${name}.conv3`, second, { out });
}

function block(n: Network, name: string, x: Value, heads: number, window: number): Value {
  const attended = n.plus(x, windowed(n, `${name}.attn`, x, heads, window));
  const local = norm(n, `${name}.local_conv`, attended, { size: 3, depthwise: true });
  const width = x.shape[3];
  const inner = n.gelu(n.linear(`${name}.mlp.fc1`, n.layerNorm(`${name}.mlp.norm`, local, 1e-5), 4 * width));
  return n.plus(local, n.linear(`${name}.mlp.fc2`, inner, width));
}

/** Attention within windows of side × side; an image that they do not fill has zeros at its end. */
function windowed(n: Network, name: string, x: Value, heads: number, side: number): Value {
  const [, height, width, depth] = x.shape;
  const [behind, right] = [height, width].map((size) => (side - (size % side)) % side);
  const padded = behind || right ? n.pad(x, 0, [behind, right]) : x;
  const [rows, columns] = [(height + behind) / side, (width + right) / side];
  const cut = n.transpose(n.reshape(padded, [rows, side, columns, side * depth]), [0, 2, 1, 3]);
  const inside = attention(n, name, n.reshape(cut, [rows * columns, side * side, depth]), heads, side);
  const back = n.transpose(n.reshape(inside, [rows, columns, side, side * depth]), [0, 2, 1, 3]);
  const whole = n.reshape(back, [1, rows * side, columns * side, depth]);
  return behind || right ? n.cropped(whole, height, width) : whole;
}

function attention(n: Network, name: string, x: Value, heads: number, side: number): Value {
  const [windows, tokens, depth] = x.shape;
  const size = depth / heads;
  const normal = n.layerNorm(`${name}.norm`, x, 1e-5);
  // Of each head q, k and v lie side by side.
  const joined = n.reshape(n.linear(`${name}.qkv`, normal, 3 * depth), [windows, tokens, heads, 3 * size]);
  const [q, k, v] = n.split(joined, 3).map((part) => n.transpose(part, [0, 2, 1, 3]));
  const biases = n.weight(`${name}.attention_biases`, [heads, side * side], 0.3);
  const scores = n.plus(
    n.product(n.scaled(q, size ** -0.5), k, true),
    n.constant([1, heads, tokens, tokens], spread(biases, heads, side)),
  );
  const mixed = n.transpose(n.product(n.softmax(scores), v), [0, 2, 1, 3]);
  return n.linear(`${name}.proj`, n.reshape(mixed, [windows, tokens, depth]), depth);
}

/** A bias for each pair of places: places that lie equally far from each other, in rows and in columns, share theirs. */
function spread(biases: Float32Array, heads: number, side: number): Float32Array {
  const tokens = side * side;
  // Distances get their number in the order in which pairs show them: (|dy|, |dx|) of the first place with each other one.
  const numberOf = (a: number, b: number): number =>
    Math.abs(Math.floor(a / side) - Math.floor(b / side)) * side + Math.abs((a % side) - (b % side));
  return Float32Array.from({ length: heads * tokens * tokens }, (_, i) => {
    const [head, a, b] = [Math.floor(i / tokens / tokens), Math.floor(i / tokens) % tokens, i % tokens];
    return biases[head * tokens + numberOf(a, b)];
  });
}
