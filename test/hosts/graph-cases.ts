/**
 * What every host is asked of graphs: networks of data/graphs of ../shared with inputs for one or more runs, in a folder.
 * What each has to give was held against the oracles' answers here, in this process; a host gives checksums.
 */
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  away,
  checksum,
  type GoldenCase,
  Goldens,
  graphCore,
  kept,
  TestGraph,
  type TestTensor,
} from "../support/graph.ts";
import { shared } from "../support/shared.ts";
import { workFolder } from "./tools.ts";

export const FOLDER = workFolder("graphs");

export interface GraphCase {
  /** The network and its input; files of FOLDER are `model` and `input`. */
  readonly name: string;
  readonly model: string;
  readonly input: string;
  /** Multiply-adds of all runs. */
  readonly macs: number;
  /** The values between are known: CRC-32 of each operator's first output, by its index. */
  readonly rows: ReadonlyMap<number, string>;
  /** CRC-32 of all outputs, run after run. */
  readonly sum: string;
}

const STREAMS = /^mww/;
/** A front end as a graph: frames of 480 samples, 320 apart. */
const FRAMES = /^audio_preprocessor/;
const WINDOW = 128;

/** All cases, made once; null where ../shared is missing. */
export function graphCases(): readonly GraphCase[] | null {
  const folder = shared("data/graphs");
  if (folder === null) return null;
  const goldens = new Goldens(folder);
  const core = graphCore("limpet.graph.wasm");
  return goldens.cases().map((golden) => {
    const graph = new TestGraph(core, goldens.model(golden.model));
    const tensor = graph.tensor(0, 0);
    const input = inputOf(goldens, golden, tensor);
    const outputs: Uint8Array[][] = [];
    for (let at = 0; at < input.length; at += tensor.bytes) {
      graph.write(0, input.subarray(at, at + tensor.bytes));
      graph.run();
      outputs.push(Array.from({ length: graph.count(1) }, (_, i) => graph.output(i)));
    }
    const macs = graph.bytes(5) * outputs.length;
    graph.release();
    checkGolden(goldens, golden, outputs);
    const name = `${golden.model}.${golden.case.replaceAll(" ", "-")}`;
    writeFileSync(join(FOLDER, `${name}.raw`), input);
    const model = `${golden.model}.tflite`;
    if (!existsSync(join(FOLDER, model))) copyFileSync(join(folder, "models", model), join(FOLDER, model));
    const trace = `traces/${name}.json`;
    const rows = goldens.has(trace) ? goldens.json<{ rows: unknown[][] }>(trace).rows : [];
    return {
      name,
      model,
      input: `${name}.raw`,
      macs,
      rows: new Map(rows.map(([operator, , , , sum]) => [operator as number, sum as string])),
      sum: checksum(new Uint8Array(Buffer.concat(outputs.flat()))),
    };
  });
}

/** The bytes of an input for all runs of a case. */
function inputOf(goldens: Goldens, golden: GoldenCase, tensor: TestTensor): Uint8Array {
  const quantised = (value: number): number => kept(away(value / tensor.scale) + tensor.zero);
  if (STREAMS.test(golden.model)) {
    const features = new Uint16Array(goldens.read(`inputs/${golden.features}`).buffer);
    const whole = features.length - (features.length % tensor.bytes);
    return Uint8Array.from(features.subarray(0, whole), (value) => quantised(value * 0.0390625));
  }
  if (golden.case === "196 windows") {
    const frames = new Float32Array(goldens.read(`inputs/${golden.input}`).buffer);
    const windows = Array.from({ length: 196 }, (_, j) => frames.subarray(j * WINDOW, j * WINDOW + 640));
    return new Uint8Array(
      Buffer.concat(
        windows.map((window) =>
          Uint8Array.from(window, (value) => kept(away(Math.fround(value / tensor.scale)) + tensor.zero)),
        ),
      ),
    );
  }
  if (FRAMES.test(golden.model)) {
    const samples = goldens.read(`inputs/${golden.input}`);
    const frames = Array.from({ length: 49 }, (_, i) => samples.subarray(640 * i, 640 * i + 960));
    return new Uint8Array(Buffer.concat(frames));
  }
  if (golden.case === "all 256") return Uint8Array.from({ length: 256 }, (_, i) => i - 128);
  return goldens.input(golden, tensor);
}

/** Holds what the core gave here against the oracle: integers to the byte, floats within 1e-5 of the largest. */
function checkGolden(goldens: Goldens, golden: GoldenCase, runs: readonly Uint8Array[][]): void {
  const name = `${golden.model}, ${golden.case}`;
  const all = new Uint8Array(Buffer.concat(runs.flat()));
  const [first] = golden.outputs;
  if (golden.crc32) same(checksum(all), golden.crc32, name);
  else if (STREAMS.test(golden.model)) same([...all].join(), first.values!.join(), name);
  else if (golden.case === "all 256") same([...new Int8Array(all.buffer)].join(), first.values!.join(), name);
  else {
    golden.outputs.forEach(({ crc32, file }, i) => {
      if (FRAMES.test(golden.model)) same(checksum(all), crc32!, name);
      else if (crc32) same(checksum(runs[0][i]), crc32, name);
      else checkFloats(new Float32Array(goldens.read(`inputs/${file}`).buffer), runs[0], name);
    });
  }
}

/** Names of outputs are not in the file: it is the one that is nearest. */
function checkFloats(wanted: Float32Array, outputs: readonly Uint8Array[], name: string): void {
  const most = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  const errors = outputs.map((output) => {
    const found = new Float32Array(output.buffer);
    if (found.length < wanted.length) return Number.POSITIVE_INFINITY;
    return wanted.reduce((error, value, k) => Math.max(error, Math.abs(value - found[k])), 0) / most;
  });
  if (!(Math.min(...errors) <= 1e-5)) throw new Error(`${name}: ${errors}`);
}

function same(found: string, wanted: string, name: string): void {
  if (found !== wanted) throw new Error(`${name}: ${found}, not ${wanted}`);
}
