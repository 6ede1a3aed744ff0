/**
 * MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), wider by a factor: what MnasNet-A1 is measured beside. Names are
 * those of timm's mobilenetv2_140.
 */
import { bottleneck, separable } from "./mnasnet.ts";
import { Network, type Value } from "./network.ts";

/** Repeats, stride, expansion, channels. */
const STAGES = [
  [1, 1, 1, 16],
  [2, 2, 6, 24],
  [3, 2, 6, 32],
  [4, 2, 6, 64],
  [3, 1, 6, 96],
  [3, 2, 6, 160],
  [1, 1, 6, 320],
] as const;

export function mobilenetV2(width: number, image: number, classes: number, seed = 1) {
  const n = new Network(seed, [1, image, image, 3]);
  const relu6 = (x: Value): Value => n.relu6(x);
  let x = relu6(n.conv("conv_stem", n.input, { out: channels(32 * width), size: 3, stride: 2, norm: "bn1" }));
  for (const [s, [repeat, stride, expansion, to]] of STAGES.entries()) {
    const out = channels(to * width);
    for (let i = 0; i < repeat; i++) {
      const name = `blocks.${s}.${i}`;
      const block = { size: 3, stride: i ? 1 : stride, expansion, out, squeeze: 0 };
      x = s === 0 ? separable(n, name, x, out, relu6) : bottleneck(n, name, x, block, relu6);
    }
  }
  const head = channels(1280 * Math.max(width, 1));
  x = relu6(n.conv("conv_head", x, { out: head, norm: "bn2" }));
  const pooled = n.reshape(n.mean(x, [1, 2]), [1, head]);
  return { network: n, output: n.linear("classifier", pooled, classes) };
}

/** The nearest multiple of eight. */
function channels(wish: number): number {
  return Math.floor((wish + 4) / 8) * 8;
}
