/** What no build exports, read all the same: programs and their plans, record by record; a kernel by itself. */
import { BUILDS } from "../../scripts/builds.mjs";
import { compile } from "../../scripts/slim.mjs";
import { type Build, loadCore, type TestCore } from "./core.ts";
import { temporaryFile } from "./models.ts";

/** Flags and ops of assembly/program/program.ts that the tests of plans ask for. */
export const OP = {
  RMS_NORM: 3,
  LAYER_NORM: 4,
  LINEAR: 5,
  ROPE: 6,
  ADD: 7,
  SQUARED_RELU: 9,
  SCALE: 16,
  SOFTCAP: 17,
  GATE: 18,
  SPARSIFY: 23,
  MIX_STREAMS: 24,
};
export const FLAG = { RESIDUAL: 8, IN_PLACE: 16, INPUT: 32 };

const NOTHING = 0xffffffff;

/** A core like the build's, with what a file of assembly/builds/ exports: compiled anew. */
export async function probeCore(
  entry: "probe" | "probe_within",
  build: Build & keyof typeof BUILDS,
): Promise<TestCore> {
  const out = temporaryFile(`${entry}-${build}.wasm`);
  await compile({ ...BUILDS[build], entry }, out);
  return loadCore(build, { file: new URL(`file://${out}`).href });
}

export interface ProbedStep {
  index: number;
  op: number;
  flags: number;
  /** Bases of what it and its members write and read. */
  writes: number[];
  reads: number[];
  scratch: Extent;
}

export interface Extent {
  offset: number;
  bytes: number;
}

export interface Probed {
  bytes: number;
  layers: number;
  stream: number;
  logits: number;
  /** Where bases lie. */
  places: Map<number, Extent>;
  /** The steps of the input, of each layer, and of the output, as a pass runs them. */
  segments: ProbedStep[][];
}

/** The program at `pointer`, planned for passes of this shape. */
export function probe(core: TestCore, pointer: number, rows: number, batch: number, logitRows: number): Probed {
  const bytes = core.call("probe_plan", pointer, rows, batch, logitRows);
  const number = (field: number) => core.call("probe_number", pointer, field) >>> 0;
  const base = (id: number) => core.call("probe_value", pointer, id, 0);
  const [layers, inputSteps, outputStep, stepCount, valueCount, stream, logits] = [0, 1, 2, 3, 4, 5, 6].map(number);
  const places = new Map<number, Extent>();
  for (let id = 0; id < valueCount; id++) {
    if (base(id) !== id) continue;
    const [offset, size] = [1, 2].map((field) => core.call("probe_value", pointer, id, field));
    places.set(id, { offset, bytes: size });
  }
  const field = (index: number, name: number) => core.call("probe_step", pointer, index, name);
  const steps = (first: number, end: number) => {
    const made: ProbedStep[] = [];
    for (let index = first; index < end; index += 1 + field(index, 2)) {
      const members = Array.from({ length: 1 + field(index, 2) }, (_, m) => index + m);
      const bases = (...names: number[]) =>
        members.flatMap((m) => names.map((name) => field(m, name)).filter((id) => id !== NOTHING)).map(base);
      made.push({
        index,
        op: field(index, 0),
        flags: field(index, 1),
        writes: bases(3, 4),
        reads: bases(5, 6),
        scratch: { offset: field(index, 7), bytes: field(index, 8) },
      });
    }
    return made;
  };
  const segments = [steps(0, inputSteps)];
  for (let layer = 0; layer < layers; layer++) {
    const [first, count] = [0, 1].map((name) => core.call("probe_layer", pointer, layer, name));
    segments.push(steps(first, first + count));
  }
  segments.push(steps(outputStep, stepCount));
  return { bytes, layers, stream: base(stream), logits: base(logits), places, segments };
}
