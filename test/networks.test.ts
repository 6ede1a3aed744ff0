/**
 * Networks of papers on the operators of graphs: CCT, MnasNet-A1, TinyViT and ElasticViT with random weights give what
 * PyTorch's modules give in float64, and at the sizes of their papers they have the parameters and the multiply-adds that
 * these tell of.
 */
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Graph } from "../src/graph.ts";
import golden from "./golden/networks.json" with { type: "json" };
import { inputOf, NETWORK_CASES, NETWORKS } from "./support/networks/cases.ts";
import { soundSet } from "./support/networks/sounds.ts";

/** … of the largest output. */
const NEAR = 1e-4;

for (const { name, make } of NETWORK_CASES) {
  test(`${name}: the outputs are PyTorch's`, async () => {
    const { network, output } = make();
    const graph = await Graph.load(network.file(output));
    const outputs = await graph.run({ [graph.inputs[0].name]: inputOf(network.input) });
    const [ours] = Object.values(outputs);
    const wanted: number[] = (golden as Record<string, number[]>)[name];
    assert.is(ours.length, wanted.length);
    const apart = Math.max(...wanted.map((value, i) => Math.abs(value - Number(ours[i]))));
    const size = Math.max(...wanted.map(Math.abs));
    assert.ok(apart < NEAR * size, `${apart / size} of the largest off`);
    graph.dispose();
  });
}

test("the Tiny Transformer that ships tells ten kinds of sounds apart that it has never heard", async () => {
  const graph = await Graph.load(fileURLToPath(new URL("./fixtures/sounds-tiny-transformer.tflite", import.meta.url)));
  const count = 300;
  const { features, kinds } = await soundSet(count, 3);
  const size = features.length / count;
  let right = 0;
  for (const [i, kind] of kinds.entries()) {
    const outputs = await graph.run({ [graph.inputs[0].name]: features.subarray(i * size, (i + 1) * size) });
    const scores = Object.values(outputs)[0] as Float32Array;
    if (scores.indexOf(Math.max(...scores)) === kind) right++;
  }
  assert.ok(right > 0.95 * count, `${right} of ${count} right`);
  graph.dispose();
});

for (const { name, parameters, macs, make } of NETWORKS) {
  test(`${name}: as many parameters and multiply-adds as its paper has`, async () => {
    const { network, output } = make();
    assert.ok(Math.abs(network.parameters / parameters - 1) < 0.001, `${network.parameters} parameters`);
    const graph = await Graph.load(network.file(output));
    assert.ok(Math.abs(graph.macs / macs - 1) < 0.005, `${graph.macs} multiply-adds`);
    graph.dispose();
  });
}

test.run();
