/**
 * ElasticViT (Tang et al. 2023, arXiv:2303.09730) at the sizes that its search has found: inverted bottlenecks, then attention
 * whose values go through a convolution. Its layer norm is one of all tokens together, as the authors' code has it
 * (github.com/microsoft/Moonlit, ElasticViT/models).
 */
import { Network, type Value } from "./network.ts";

export interface ElasticVitShape {
  readonly image: number;
  /** Of the stem and of the six stages, the first two of convolutions. */
  readonly channels: readonly number[];
  readonly depths: readonly number[];
  /** Of the four stages with attention: the MLP in widths. */
  readonly ratios: readonly number[];
  readonly classes: number;
}

/** elastic_T1 of the authors' configuration. */
export const ELASTIC_T1: ElasticVitShape = {
  image: 128,
  channels: [16, 24, 32, 64, 96, 176, 272],
  depths: [1, 2, 3, 1, 1, 1, 1],
  ratios: [2, 2, 3, 4],
  classes: 1000,
};

const STRIDES = [2, 2, 2, 1, 2, 2];
const [CONVOLUTIONS, EXPANSION, HEAD, VALUES, EPSILON] = [2, 3, 16, 2, 1e-5];

export function elasticVit({ image, channels, depths, ratios, classes }: ElasticVitShape, seed = 1) {
  const n = new Network(seed, [1, image, image, 3]);
  let x = n.conv("first_conv", n.input, { out: channels[0], size: 3, stride: 2, norm: "first_conv_bn" });
  x = n.hardSwish(x);
  for (let i = 0; i < depths[0]; i++)
    x = mobile(n, `stem.${i}`, x, { out: channels[0], expansion: 1, stride: 1, se: false });
  for (const [s, stride] of STRIDES.entries()) {
    const out = channels[s + 1];
    for (let i = 0; i < depths[s + 1]; i++) {
      const name = `stages.${s}.${i}`;
      if (s < CONVOLUTIONS) x = mobile(n, name, x, { out, expansion: EXPANSION, stride: i ? 1 : stride, se: s > 0 });
      else {
        if (i === 0) x = mobile(n, `${name}.reduction`, x, { out, expansion: 6, stride, se: true });
        x = block(n, name, x, ratios[s - CONVOLUTIONS]);
      }
    }
  }
  const [, height, width, depth] = x.shape;
  const tokens = n.reshape(x, [1, height * width, depth]);
  const wide = n.hardSwish(n.batchNorm("head_norm", n.linear("head_0", tokens, 6 * depth), EPSILON));
  const pooled = n.reshape(n.mean(wide, [1]), [1, 6 * depth]);
  return { network: n, output: n.linear("classifier", n.hardSwish(n.linear("head_1", pooled, 1984)), classes) };
}

interface Mobile {
  readonly out: number;
  readonly expansion: number;
  readonly stride: number;
  readonly se: boolean;
}

function mobile(n: Network, name: string, x: Value, { out, expansion, stride, se }: Mobile): Value {
  const channels = x.shape[3];
  let wide = x;
  if (expansion > 1) wide = n.hardSwish(n.conv(`${name}.pw`, x, { out: channels * expansion, norm: `${name}.pw_bn` }));
  wide = n.hardSwish(n.conv(`${name}.dw`, wide, { size: 3, stride, depthwise: true, norm: `${name}.dw_bn` }));
  if (se) {
    const few = n.relu(n.conv(`${name}.se1`, n.mean(wide, [1, 2]), { out: Math.floor(wide.shape[3] / 4), bias: true }));
    wide = n.times(wide, n.hardSigmoid(n.conv(`${name}.se2`, few, { out: wide.shape[3], bias: true })));
  }
  const narrow = n.conv(`${name}.pwl`, wide, { out, norm: `${name}.pwl_bn` });
  const shortcut = stride === 2 ? n.averagePool(x, 2) : x;
  return n.plus(narrow, out === channels ? shortcut : n.conv(`${name}.shortcut`, shortcut, { out }));
}

function block(n: Network, name: string, x: Value, ratio: number): Value {
  const [, height, width, depth] = x.shape;
  const tokens = n.reshape(x, [1, height * width, depth]);
  const attended = n.plus(tokens, attention(n, name, n.layerNorm(`${name}.norm1`, tokens, EPSILON, [1, 2]), height));
  const inner = n.linear(`${name}.fc1`, n.layerNorm(`${name}.norm2`, attended, EPSILON, [1, 2]), depth * ratio);
  return n.reshape(n.plus(attended, n.linear(`${name}.fc2`, n.hardSwish(inner), depth)), [1, height, width, depth]);
}

/** Each head has 16 of q, 16 of k and 32 of v, side by side. */
function attention(n: Network, name: string, x: Value, side: number): Value {
  const [, tokens, depth] = x.shape;
  const heads = depth / HEAD;
  const size = HEAD * VALUES;
  const joined = n.linear(`${name}.qkv`, x, heads * (2 * HEAD + size), false);
  const [q, k, low, high] = n.split(n.reshape(joined, [1, tokens, heads, 2 * HEAD + size]), 2 + VALUES);
  const v = n.conv(`${name}.dw_v`, n.reshape(n.joined(low, high), [1, side, side, heads * size]), {
    size: 3,
    depthwise: true,
  });
  const of = (part: Value): Value => n.transpose(part, [0, 2, 1, 3]);
  const table = n.weight(`${name}.bias_table`, [(2 * side - 1) ** 2, heads], 0.3);
  const biases = n.constant([1, heads, tokens, tokens], spread(table, heads, side));
  const scores = n.softmax(n.plus(n.product(n.scaled(of(q), HEAD ** -0.5), of(k), true), biases));
  const mixed = n.product(scores, of(n.reshape(v, [1, tokens, heads, size])));
  return n.linear(`${name}.proj`, n.hardSwish(n.reshape(of(mixed), [1, tokens, heads * size])), depth);
}

/** The bias of each pair of places, by how far they lie apart in rows and in columns. */
function spread(table: Float32Array, heads: number, side: number): Float32Array {
  const tokens = side * side;
  return Float32Array.from({ length: heads * tokens * tokens }, (_, i) => {
    const [head, a, b] = [Math.floor(i / tokens / tokens), Math.floor(i / tokens) % tokens, i % tokens];
    const rows = Math.floor(a / side) - Math.floor(b / side) + side - 1;
    return table[(rows * (2 * side - 1) + (a % side) - (b % side) + side - 1) * heads + head];
  });
}
