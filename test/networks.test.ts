/**
 * Networks of papers on the operators of graphs: CCT, MnasNet-A1 and TinyViT with random weights give what PyTorch's modules
 * give in float64, and at the sizes of their papers they have the parameters and the multiply-adds that these tell of.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Graph } from "../src/graph.ts";
import golden from "./golden/networks.json" with { type: "json" };
import { inputOf, NETWORK_CASES, NETWORKS } from "./support/networks/cases.ts";

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
