/** `limpet graph`: what a .tflite network takes and gives; with inputs, what it answers. */
import { NO_FLAG } from "../../assembly/wasi/usage.ts";
import { Graph } from "../api/graph.ts";
import type { GraphPlan } from "../api/graph-options.ts";
import { bytesOf, type GraphArray, type GraphTensor, valuesOf } from "../api/graph-tensors.ts";
import { LimpetError } from "../host/errors.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { shortest, table } from "./columns.ts";
import { writeJson } from "./common.ts";
import type { Io } from "./io.ts";

export async function graph(args: Arguments, io: Io): Promise<void> {
  const [file, given, out] = [args.needed("FILE"), args.texts("input"), args.text("out")];
  if (out !== undefined && given.length === 0) throw new UsageError(NO_FLAG, "--input");
  const memory = args.numberOrNone("values-memory");
  const network = await Graph.load(file, { signal: io.signal, memory });
  if (given.length === 0) {
    if (args.has("json")) writeJson(io, describe(network));
    else io.write(asTables(network));
    return;
  }
  const files = filesOf(network.inputs, given);
  const raw = files.map((file) => io.readFile(file));
  const written: Uint8Array[] = [];
  for (let run = 0, runs = runsOf(network.inputs, raw, files); run < runs; run++) {
    const inputs = network.inputs.map((tensor, i) => {
      const bytes = bytesOf(tensor);
      return [tensor.name, valuesOf(tensor, raw[i].subarray(run * bytes, (run + 1) * bytes), files[i])];
    });
    const values = await network.run(Object.fromEntries(inputs), { signal: io.signal });
    if (out !== undefined) written.push(...network.outputs.map(({ name }) => new Uint8Array(values[name].buffer)));
    else if (args.has("json")) {
      const outputs = network.outputs.map((tensor) => ({ ...plain(tensor), values: numbersOf(values[tensor.name]) }));
      writeJson(io, outputs);
    } else {
      for (const { name, type, shape } of network.outputs) {
        io.write(`${JSON.stringify(name)} ${type} ${extent(shape)}: ${numbersOf(values[name]).join(" ")}\n`);
      }
    }
  }
  if (out !== undefined) io.saveFile(out, joined(written), [file, ...files]);
}

/** How often the network runs: a file may hold the values of several runs, one behind the other. */
function runsOf(inputs: readonly GraphTensor[], raw: readonly Uint8Array[], files: readonly string[]): number {
  const runs = inputs.map((tensor, i) => {
    const bytes = bytesOf(tensor);
    if (bytes > 0 && raw[i].length > 0 && raw[i].length % bytes === 0) return raw[i].length / bytes;
    valuesOf(tensor, raw[i], files[i]);
    return 1;
  });
  const other = runs.findIndex((count) => count !== runs[0]);
  if (other < 0) return runs[0] ?? 1;
  const words = `${files[other]} has values for ${runs[other]} runs, and ${files[0]} for ${runs[0]}`;
  throw new LimpetError("BAD_ARGUMENT", words);
}

/** The file of each input: NAME=FILE where NAME is one's name; the others go to the inputs that are left, in their order. */
function filesOf(inputs: readonly GraphTensor[], given: readonly string[]): string[] {
  const files = new Map<string, string>();
  const unnamed: string[] = [];
  for (const one of given) {
    const named = inputs.find(({ name }) => one.startsWith(`${name}=`));
    if (!named) unnamed.push(one);
    else if (files.has(named.name)) throw new LimpetError("BAD_ARGUMENT", `input ${named.name} was given twice`);
    else files.set(named.name, one.slice(named.name.length + 1));
  }
  for (const { name, type, shape } of inputs) {
    if (files.has(name)) continue;
    const file = unnamed.shift();
    if (file === undefined) {
      const words = `input ${name}, ${type} [${shape.join(", ")}], has no file: --input ${name}=FILE`;
      throw new LimpetError("BAD_ARGUMENT", words);
    }
    files.set(name, file);
  }
  if (unnamed.length > 0) {
    const names = inputs.map(({ name }) => name).join(", ");
    throw new LimpetError("BAD_ARGUMENT", `${unnamed[0]} is one input too many; the network has ${names}`);
  }
  return inputs.map(({ name }) => files.get(name)!);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** JSON has no bigint: those go as text. */
function numbersOf(values: GraphArray): (number | string)[] {
  const isWide = values instanceof BigInt64Array || values instanceof BigUint64Array;
  return isWide ? Array.from(values, String) : Array.from(values, shortest);
}

function plain({ name, type, shape, scale, zeroPoint }: GraphTensor): Record<string, unknown> {
  return { name, type, shape, scale: shortest(scale), zero_point: zeroPoint };
}

function describe({ inputs, outputs, memory, plan, macs }: Graph): unknown {
  const { patches, stageEnd, factor } = plan;
  return {
    inputs: inputs.map(plain),
    outputs: outputs.map(plain),
    memory,
    plan: { patches, stage_end: stageEnd, factor: shortest(Math.fround(factor)) },
    macs,
  };
}

function asTables({ inputs, outputs, memory, plan, macs }: Graph): string {
  const row = (word: string) => (tensor: GraphTensor) => {
    const { name, type, shape, scale, zeroPoint } = tensor;
    return [
      word,
      name,
      type,
      extent(shape),
      ...(scale === 0 ? ["", ""] : [String(shortest(scale)), String(zeroPoint)]),
    ];
  };
  const tensors = [...inputs.map(row("input")), ...outputs.map(row("output"))];
  const bytes = Object.entries(memory).map(([what, count]) => [what, String(count)]);
  return [
    table([["", "name", "type", "shape", "scale", "zero point"], ...tensors], [4, 5]),
    table([["memory", "bytes"], ...bytes], [1]),
    `${macs} multiply-adds a run${patched(plan)}\n`,
  ].join("\n");
}

function patched({ patches, stageEnd, factor }: GraphPlan): string {
  return stageEnd === null
    ? ""
    : `, x ${Number(factor.toPrecision(4))}: operators 0 to ${stageEnd} in ${patches} patches`;
}

/** A tensor without dimensions is one value. */
function extent(shape: readonly number[]): string {
  return shape.join(" × ") || "1";
}
