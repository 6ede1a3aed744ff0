/** The networks that PyTorch's own modules are asked about (test/oracle/networks.py), small where the paper's are large. */
import { lcg } from "../graph.ts";
import { CCT_2, cct } from "./cct.ts";
import { ELASTIC_T1, elasticVit } from "./elastic-vit.ts";
import { mnasnet } from "./mnasnet.ts";
import { mobilenetV2 } from "./mobilenet-v2.ts";
import type { Network, Value } from "./network.ts";
import { TINY_VIT_5M, type TinyVitShape, tinyVit } from "./tiny-vit.ts";

/** Windows that their images do not fill are among its stages. */
const TINY_VIT: TinyVitShape = {
  image: 96,
  widths: [16, 32, 48, 64],
  depths: [1, 1, 2, 1],
  heads: [1, 2, 3, 4],
  windows: [7, 7, 4, 3],
  classes: 10,
};

/** T1 with ten classes. */
const ELASTIC_VIT = { ...ELASTIC_T1, classes: 10 };

export interface NetworkCase {
  readonly name: string;
  /** What the oracle makes its module of. */
  readonly shape: object;
  readonly make: () => { network: Network; output: Value };
}

export const NETWORK_CASES: readonly NetworkCase[] = [
  { name: "cct", shape: CCT_2, make: () => cct(CCT_2) },
  { name: "mnasnet", shape: { classes: 10 }, make: () => mnasnet(64, 10) },
  { name: "tiny-vit", shape: TINY_VIT, make: () => tinyVit(TINY_VIT) },
  { name: "elastic-vit", shape: ELASTIC_VIT, make: () => elasticVit(ELASTIC_VIT) },
];

/** The networks at the sizes of their papers, with what these say of them: parameters and multiply-adds. */
export const NETWORKS: readonly (NetworkCase & { readonly parameters: number; readonly macs: number })[] = [
  { name: "CCT-2/3×2, 32²", shape: CCT_2, make: () => cct(CCT_2), parameters: 283_723, macs: 35.3e6 },
  { name: "MnasNet-A1, 224²", shape: {}, make: () => mnasnet(224, 1000), parameters: 3_887_038, macs: 311.6e6 },
  {
    name: "MobileNetV2-1.4, 224²",
    shape: {},
    make: () => mobilenetV2(1.4, 224, 1000),
    parameters: 6.11e6,
    macs: 582.2e6,
  },
  { name: "TinyViT-5M, 224²", shape: {}, make: () => tinyVit(TINY_VIT_5M), parameters: 5.39e6, macs: 1.255e9 },
  // Counted here.
  { name: "ElasticViT-T1, 128²", shape: {}, make: () => elasticVit(ELASTIC_T1), parameters: 8_905_832, macs: 64.9e6 },
];

/** An input of −1 … 1. */
export function inputOf({ shape }: Value): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from(lcg(count, 1), (byte) => (byte - 128) / 128);
}
