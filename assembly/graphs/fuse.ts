/**
 * PAD of rows and columns goes into the convolution behind it: what it would fill up with is what lies outside there.
 */
import { Sliding } from "../kernels/conv/sliding";
import { Filters } from "./convolution";
import { knownInteger } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep } from "./records";

export function fusePads(g: Graph): void {
  for (let i: u32 = 0; i < g.stepCount; i++) {
    const pad = g.step(i);
    if (!pad.runs || pad.op != Operator.PAD) continue;
    const padded = load<u32>(pad.outputs);
    const conv = onlyReader(g, padded);
    if (conv != null && mayTake(g, pad, conv)) take(g, pad, conv);
  }
}

/** The one step that reads a tensor, and nothing but it; null where there are others, or the graph gives it out. */
function onlyReader(g: Graph, tensor: u32): GraphStep {
  let found = changetype<GraphStep>(0);
  for (let i: u32 = 0; i < g.stepCount; i++) {
    const step = g.step(i);
    for (let k: u32 = 0; k < step.inputCount; k++) {
      if (load<u32>(step.inputs + ((<usize>k) << 2)) != tensor) continue;
      if (found != null) return changetype<GraphStep>(0);
      found = step;
    }
  }
  for (let s: u32 = 0; s < g.subgraphCount; s++) {
    const outputs = g.subgraph(s);
    for (let k: u32 = 0; k < outputs.outputCount; k++) {
      if (load<u32>(outputs.outputs + ((<usize>k) << 2)) == tensor) return changetype<GraphStep>(0);
    }
  }
  return found;
}

function mayTake(g: Graph, pad: GraphStep, conv: GraphStep): bool {
  if (!conv.runs || (conv.op != Operator.CONV_2D && conv.op != Operator.DEPTHWISE_CONV_2D)) return false;
  const x = g.input(pad, 0), paddings = g.input(pad, 1);
  if (x.rank != 4 || load<u32>(conv.inputs) != load<u32>(pad.outputs)) return false;
  const isChannels = knownInteger(paddings, 6) | knownInteger(paddings, 7);
  const isBatch = knownInteger(paddings, 0) | knownInteger(paddings, 1);
  return (isChannels | isBatch) == 0 && x.zero == g.output(pad).zero;
}

function take(g: Graph, pad: GraphStep, conv: GraphStep): void {
  const x = g.input(pad, 0), paddings = g.input(pad, 1);
  const s: Sliding = changetype<Filters>(conv.parameters).sliding;
  s.padTop += knownInteger(paddings, 2);
  s.padLeft += knownInteger(paddings, 4);
  s.height = x.dim(1);
  s.width = x.dim(2);
  s.columns = s.width;
  store<u32>(conv.inputs, load<u32>(pad.inputs));
  pad.runs = 0;
}
