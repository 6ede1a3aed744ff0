/**
 * Graphs: a .tflite network with typed arrays in and out.
 *
 *     const graph = await Graph.load("person_detect.tflite");
 *     graph.inputs;                                  // [{ name, type: "int8", shape: [1, 96, 96, 1], scale, zeroPoint }]
 *     const { scores } = await graph.run({ image });
 */
import type { GraphExports, Pointer } from "../../bindings/exports.ts";
import { address } from "../../bindings/memory.ts";
import { Status, TensorType } from "../../bindings/numbers.ts";
import { type OptionTable, printable, readOptions, signal } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { CORE_OPTIONS, type Core } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { fillFrom, type Part } from "../load/part.ts";
import { type ModelSource, openSource, settle } from "../load/source.ts";
import { GRAPH_CORE_OPTIONS, type GraphCoreOptions, graphCore } from "./graph-core.ts";
import { type GraphPicture, type GraphPictureOptions, pictureInput, pictureRecord } from "./graph-picture.ts";

/** What values of a tensor are. `float16` comes and goes as the bits of its halves. */
export type GraphTensorType =
  | "float32"
  | "float16"
  | "int32"
  | "uint8"
  | "int64"
  | "bool"
  | "int16"
  | "int8"
  | "uint32"
  | "uint64"
  | "uint16";

/** The values of a tensor, row after row: the array of its type; of `bool` u8, of `float16` u16. */
export type GraphArray =
  | Float32Array
  | Int32Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array;

/** An input or an output of a graph. */
export interface GraphTensor {
  /** Its name in the file; where a file gives none, one twice, or one of this form, `input 0`, `output 1`. */
  readonly name: string;
  /** What its values are. */
  readonly type: GraphTensorType;
  /** Its dimensions; an image is [batch, height, width, depth]. */
  readonly shape: readonly number[];
  /** A quantised value q stands for scale · (q − zeroPoint); 0 where it is not quantised. */
  readonly scale: number;
  /** The quantised value that stands for 0. */
  readonly zeroPoint: number;
}

/** What a graph takes of memory, which is known before it runs and never grows [bytes]. */
export interface GraphMemory {
  /** The file. */
  readonly file: number;
  /** What is made of its constants: packed filters, tables, factors of channels. */
  readonly constants: number;
  /** Values between operators, planned by how long they live. */
  readonly values: number;
  /** What is kept from run to run. */
  readonly state: number;
  /** What the operator that needs most needs for itself. */
  readonly scratch: number;
  /** Inputs that lie beside the values: of a graph that is computed patch by patch its image, else 0. */
  readonly inputs: number;
}

/**
 * How a graph is computed within `memory`: whole, or its first operators, whose images are large, patch by patch, each for
 * one rectangle of the last image of theirs after the other (MCUNetV2, arXiv:2110.15352).
 */
export interface GraphPlan {
  /** What values between operators take, at most `memory` [bytes]. */
  readonly values: number;
  /** n × n rectangles; 1: all is whole. */
  readonly patches: number;
  /** The operator, by its place in the file, that writes the image that is cut into patches; null: none does. */
  readonly stageEnd: number | null;
  /** Multiply-adds of a run. */
  readonly macs: number;
  /** How many times those of a run without patches that is: what patches share is computed for each. */
  readonly factor: number;
}

/** How a graph is loaded: which wasm computes, and what it may take, the file included. */
export interface GraphLoadOptions extends GraphCoreOptions {
  /**
   * Bytes that values between operators may take at most. Where they take more, the graph is computed patch by patch, as
   * the plan of the least work that fits says; its outputs are the same to the bit. What no plan fits is refused as
   * `OUT_OF_MEMORY`, with the least that one takes. Default: no limit.
   */
  memory?: number;
}

/** How a graph is run. */
export interface GraphRunOptions {
  /** Ends the run: it throws the signal's reason then, and state is as far as the run came. */
  signal?: AbortSignal;
}

const LOAD_OPTIONS: OptionTable<GraphLoadOptions> = { ...GRAPH_CORE_OPTIONS, memory: CORE_OPTIONS.memoryLimit };
const RUN_OPTIONS: OptionTable<GraphRunOptions> = { signal };

interface Kind {
  readonly name: GraphTensorType;
  readonly array: {
    readonly name: string;
    readonly BYTES_PER_ELEMENT: number;
    new (buffer: ArrayBuffer): GraphArray;
  };
}

const KINDS = new Map<number, Kind>([
  [TensorType.F32, { name: "float32", array: Float32Array }],
  [TensorType.F16, { name: "float16", array: Uint16Array }],
  [TensorType.I32, { name: "int32", array: Int32Array }],
  [TensorType.U8, { name: "uint8", array: Uint8Array }],
  [TensorType.I64, { name: "int64", array: BigInt64Array }],
  [TensorType.BOOL, { name: "bool", array: Uint8Array }],
  [TensorType.I16, { name: "int16", array: Int16Array }],
  [TensorType.I8, { name: "int8", array: Int8Array }],
  [TensorType.U32, { name: "uint32", array: Uint32Array }],
  [TensorType.U64, { name: "uint64", array: BigUint64Array }],
  [TensorType.U16, { name: "uint16", array: Uint16Array }],
]);

/** A tensor, and where it lies. */
interface Slot {
  readonly tensor: GraphTensor;
  readonly kind: Kind;
  readonly bytes: number;
  readonly data: number;
}

function arrayOf({ type }: GraphTensor): Kind["array"] {
  return [...KINDS.values()].find((kind) => kind.name === type)!.array;
}

/** The bytes of a tensor's values. */
export function bytesOf(tensor: GraphTensor): number {
  return tensor.shape.reduce((product, n) => product * n, arrayOf(tensor).BYTES_PER_ELEMENT);
}

/** Raw bytes as the values of a tensor; `place` is what has them. */
export function valuesOf(tensor: GraphTensor, bytes: Uint8Array, place: string): GraphArray {
  const wanted = bytesOf(tensor);
  if (bytes.length !== wanted) {
    const words = `input ${tensor.name}, ${tensor.type} [${tensor.shape.join(", ")}]`;
    throw new LimpetError("BAD_ARGUMENT", `${place} has ${bytes.length} bytes, and ${words}, has ${wanted}`);
  }
  return new (arrayOf(tensor))(bytes.slice().buffer);
}

/** What `graph_bytes` and `graph_count` are asked for. */
const BYTES = { file: 0, constants: 1, values: 2, state: 3, scratch: 4, inputs: 6 } as const;
const MACS = 5;
const WHOLE_MACS = 7;
const PATCHES_A_SIDE = 8;
const STAGE = 9;
const INPUTS = 0;
const OUTPUTS = 1;

/** A network, loaded: made by `Graph.load`. Its memory is its own, and goes with it. */
export class Graph {
  readonly #core: Core;
  readonly #exports: GraphExports;
  readonly #inputs: readonly Slot[];
  readonly #outputs: readonly Slot[];
  readonly #memory: GraphMemory;
  readonly #plan: GraphPlan;
  #pointer: Pointer;
  #runs = false;

  private constructor(core: Core, exports: GraphExports, pointer: Pointer) {
    this.#core = core;
    this.#exports = exports;
    this.#pointer = pointer;
    this.#inputs = this.#slots(INPUTS, "input");
    this.#outputs = this.#slots(OUTPUTS, "output");
    const of = (kind: number): number => exports.graph_bytes(pointer, kind);
    this.#memory = {
      file: of(BYTES.file),
      constants: of(BYTES.constants),
      values: of(BYTES.values),
      state: of(BYTES.state),
      scratch: of(BYTES.scratch),
      inputs: of(BYTES.inputs),
    };
    const [macs, whole, side, stage] = [MACS, WHOLE_MACS, PATCHES_A_SIDE, STAGE].map(of);
    this.#plan = {
      values: this.#memory.values,
      patches: Math.max(side, 1) ** 2,
      stageEnd: stage > 0 ? stage - 1 : null,
      macs,
      factor: whole > 0 ? macs / whole : 1,
    };
  }

  /**
   * Loads a .tflite file: its path or URL, its bytes, a Blob, a Response or a stream. A broken file is a BAD_FILE, an
   * operator that limpet does not run is UNSUPPORTED, by its place and name.
   */
  static async load(source: ModelSource, options: GraphLoadOptions = {}): Promise<Graph> {
    const settings = readOptions(options, LOAD_OPTIONS);
    const { signal, memory } = settings;
    signal?.throwIfAborted();
    const parts = await openSource(source, signal);
    try {
      if (parts.length !== 1) throw new LimpetError("BAD_ARGUMENT", "a graph is one file, not several");
      const part = parts[0].size === null ? await settle(parts[0]) : parts[0];
      const core = await graphCore(settings);
      const exports = core.exports as GraphExports;
      return new Graph(core, exports, await load(core, exports, part, memory, signal));
    } finally {
      for (const part of parts) part.close();
    }
  }

  /** The inputs, in the file's order. */
  get inputs(): readonly GraphTensor[] {
    return this.#inputs.map(({ tensor }) => tensor);
  }

  /** The outputs, in the file's order. */
  get outputs(): readonly GraphTensor[] {
    return this.#outputs.map(({ tensor }) => tensor);
  }

  /** What it takes of memory. */
  get memory(): GraphMemory {
    return this.#memory;
  }

  /** How it is computed within the memory that it was given. */
  get plan(): GraphPlan {
    return this.#plan;
  }

  /** Multiply-adds of a run. */
  get macs(): number {
    return this.#plan.macs;
  }

  /**
   * Runs the graph with a value for each input, by name, and gives one for each output, as copies. One run at a time.
   */
  async run(
    inputs: Readonly<Record<string, GraphArray>>,
    options: GraphRunOptions = {},
  ): Promise<Record<string, GraphArray>> {
    const { signal } = readOptions(options, RUN_OPTIONS);
    const pointer = this.#alive();
    if (this.#runs) throw new LimpetError("WRONG_STATE", "the graph is running: wait for that run before the next");
    const pace = new Pace(signal);
    this.#write(inputs);
    this.#runs = true;
    try {
      while (this.#core.check(this.#exports.graph_run(this.#core.pointer, pointer)) === Status.MORE) {
        const turn = pace.step();
        if (turn) await turn;
        this.#alive();
      }
    } catch (error) {
      if (this.#pointer !== 0) this.#exports.graph_stop(pointer);
      throw error;
    } finally {
      this.#runs = false;
    }
    return Object.fromEntries(this.#outputs.map((slot) => [slot.tensor.name, this.#read(slot)]));
  }

  /**
   * A picture as the values of an input [1, height, width, 1 or 3], for `run`: a rectangle of it, made as large as the
   * input, grey where the depth is 1, (pixel − mean) / deviation, and quantised where the input is of 8 bits.
   */
  picture(picture: GraphPicture, options: GraphPictureOptions = {}): GraphArray {
    this.#alive();
    const index = pictureInput(this.inputs, options);
    const { kind, bytes } = this.#inputs[index];
    const { pixels, record } = pictureRecord(picture, options);
    return this.#core.scoped((arena) => {
      const target = arena.allocate(bytes);
      const tensor = this.#exports.graph_tensor(this.#pointer, INPUTS, index);
      const [from, about] = [arena.put(pixels), arena.put(record)];
      this.#core.check(this.#exports.front_end_picture(this.#core.pointer, tensor, from, about, target));
      return new kind.array(this.#core.memory.read(target, bytes).buffer);
    });
  }

  /** Forgets what it kept from earlier runs, as before the first one. */
  reset(): void {
    const pointer = this.#alive();
    if (this.#runs) throw new LimpetError("WRONG_STATE", "the graph is running: wait for that run before a reset");
    this.#exports.graph_reset(pointer);
  }

  /** Gives its memory back. It must not be used after it. */
  dispose(): void {
    if (this.#pointer === 0) return;
    this.#exports.graph_release(this.#core.pointer, this.#pointer);
    this.#pointer = 0;
    this.#core.dispose();
  }

  /** As `dispose`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): Pointer {
    if (this.#pointer !== 0) return this.#pointer;
    throw new LimpetError("WRONG_STATE", "the graph was disposed of: load it anew");
  }

  #slots(which: number, word: string): Slot[] {
    const { exports, core, pointer } = { exports: this.#exports, core: this.#core, pointer: this.#pointer };
    const count = exports.graph_count(pointer, which);
    const names = Array.from({ length: count }, (_, i) => {
      const tensor = exports.graph_tensor(pointer, which, i);
      return core.text(exports.graph_tensor_name(tensor), exports.graph_tensor_name_length(tensor));
    });
    // A file's own `input 1` might be another one's number.
    const numbered = new RegExp(`^${word} \\d+$`);
    return names.map((name, i) => {
      const tensor = exports.graph_tensor(pointer, which, i);
      const number = (number: number): number => exports.graph_tensor_number(tensor, number);
      const kind = KINDS.get(number(0))!;
      const isOnly = name !== "" && names.indexOf(name) === names.lastIndexOf(name) && !numbered.test(name);
      return {
        kind,
        bytes: number(2),
        data: address(exports.graph_tensor_data(tensor)),
        tensor: {
          name: isOnly ? name : `${word} ${i}`,
          type: kind.name,
          shape: Array.from({ length: number(1) }, (_, d) => number(8 + d)),
          scale: number(3),
          zeroPoint: number(4),
        },
      };
    });
  }

  /** Checks all inputs before the first one is written. */
  #write(inputs: Readonly<Record<string, GraphArray>>): void {
    if (typeof inputs !== "object" || inputs === null) {
      throw new LimpetError("BAD_ARGUMENT", `inputs is an object of arrays by name, not ${printable(inputs)}`);
    }
    const names = this.#inputs.map(({ tensor }) => tensor.name);
    const unknown = Object.keys(inputs).find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw new LimpetError("BAD_ARGUMENT", `the graph has no input ${printable(unknown)}; it has ${names.join(", ")}`);
    }
    const values = this.#inputs.map(({ tensor, kind, bytes }) => {
      const value = Object.hasOwn(inputs, tensor.name) ? inputs[tensor.name] : undefined;
      const length = bytes / kind.array.BYTES_PER_ELEMENT;
      const tag = Object.prototype.toString.call(value).slice(8, -1);
      if (tag !== kind.array.name || (value as GraphArray).length !== length) {
        const found = tag === kind.array.name ? `one of ${(value as GraphArray).length}` : printable(value);
        throw new LimpetError(
          "BAD_ARGUMENT",
          `input ${tensor.name} [${tensor.shape.join(", ")}] wants a ${kind.array.name} of ${length} values, not ${found}`,
        );
      }
      return value as GraphArray;
    });
    this.#inputs.forEach(({ data }, i) => {
      this.#core.memory.write(data, values[i]);
    });
  }

  #read({ kind, data, bytes }: Slot): GraphArray {
    return new kind.array(this.#core.memory.read(data, bytes).buffer);
  }
}

/** A graph of a file that lies in a part: its handle. */
async function load(
  core: Core,
  exports: GraphExports,
  part: Part,
  memory: number = 0,
  signal?: AbortSignal,
): Promise<Pointer> {
  const size = part.size ?? 0;
  const pointer = core.handle(exports.graph_create(core.pointer, BigInt(size), 0));
  try {
    exports.graph_set_budget(pointer, BigInt(Math.min(memory, Number.MAX_SAFE_INTEGER)));
    const at = exports.graph_file(pointer);
    const count = await fillFrom(part, 0, core.memory.u8(at, size), signal);
    if (count !== size) {
      throw new LimpetError(
        "BAD_FILE",
        `${part.place ?? "the file"} ends after ${count} of its ${size} bytes: get it anew`,
      );
    }
    const pace = new Pace(signal);
    while (core.check(exports.graph_step(core.pointer, pointer)) === Status.MORE) {
      const turn = pace.step();
      if (turn) await turn;
    }
    return pointer;
  } catch (error) {
    exports.graph_release(core.pointer, pointer);
    throw error;
  }
}
