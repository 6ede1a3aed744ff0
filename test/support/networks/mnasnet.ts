/**
 * MnasNet-A1 (Tan et al. 2018, arXiv:1807.11626): inverted bottlenecks of the sizes that a search has found, some with
 * squeeze and excitation. Names are those of timm's semnasnet_100.
 */
import { Network, type Value } from "./network.ts";

interface Stage {
  readonly repeat: number;
  readonly size: number;
  readonly stride: number;
  readonly expansion: number;
  readonly out: number;
  /** Channels of the squeeze, as a share of the block's input; 0: none. */
  readonly squeeze: number;
}

const STAGES: readonly Stage[] = [
  { repeat: 1, size: 3, stride: 1, expansion: 1, out: 16, squeeze: 0 },
  { repeat: 2, size: 3, stride: 2, expansion: 6, out: 24, squeeze: 0 },
  { repeat: 3, size: 5, stride: 2, expansion: 3, out: 40, squeeze: 0.25 },
  { repeat: 4, size: 3, stride: 2, expansion: 6, out: 80, squeeze: 0 },
  { repeat: 2, size: 3, stride: 1, expansion: 6, out: 112, squeeze: 0.25 },
  { repeat: 3, size: 5, stride: 2, expansion: 6, out: 160, squeeze: 0.25 },
  { repeat: 1, size: 3, stride: 1, expansion: 6, out: 320, squeeze: 0 },
];

export function mnasnet(image: number, classes: number, seed = 1) {
  const n = new Network(seed, [1, image, image, 3]);
  let x = n.relu(n.conv("conv_stem", n.input, { out: 32, size: 3, stride: 2, norm: "bn1" }));
  for (const [s, { repeat, ...stage }] of STAGES.entries()) {
    for (let i = 0; i < repeat; i++) {
      const name = `blocks.${s}.${i}`;
      x =
        s === 0 ? separable(n, name, x, stage.out) : bottleneck(n, name, x, { ...stage, stride: i ? 1 : stage.stride });
    }
  }
  x = n.relu(n.conv("conv_head", x, { out: 1280, norm: "bn2" }));
  const pooled = n.reshape(n.mean(x, [1, 2]), [1, 1280]);
  return { network: n, output: n.linear("classifier", pooled, classes) };
}

type Activation = (x: Value) => Value;

export function separable(n: Network, name: string, x: Value, out: number, act: Activation = (x) => n.relu(x)): Value {
  const wide = act(n.conv(`${name}.conv_dw`, x, { size: 3, depthwise: true, norm: `${name}.bn1` }));
  return n.conv(`${name}.conv_pw`, wide, { out, norm: `${name}.bn2` });
}

export function bottleneck(
  n: Network,
  name: string,
  x: Value,
  stage: Omit<Stage, "repeat">,
  act: Activation = (x) => n.relu(x),
): Value {
  const { size, stride, expansion, out, squeeze } = stage;
  const channels = x.shape[3];
  let wide = act(n.conv(`${name}.conv_pw`, x, { out: channels * expansion, norm: `${name}.bn1` }));
  wide = act(n.conv(`${name}.conv_dw`, wide, { size, stride, depthwise: true, norm: `${name}.bn2` }));
  if (squeeze > 0) wide = excited(n, `${name}.se`, wide, channels * squeeze);
  const narrow = n.conv(`${name}.conv_pwl`, wide, { out, norm: `${name}.bn3` });
  return stride === 1 && out === channels ? n.plus(narrow, x) : narrow;
}

/** Squeeze and excitation: each channel by what the means of all say of it. */
function excited(n: Network, name: string, x: Value, squeezed: number): Value {
  const few = n.relu(n.conv(`${name}.conv_reduce`, n.mean(x, [1, 2]), { out: squeezed, bias: true }));
  return n.times(x, n.sigmoid(n.conv(`${name}.conv_expand`, few, { out: x.shape[3], bias: true })));
}
