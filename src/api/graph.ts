/**
 * Graphs: a .tflite network with typed arrays in and out.
 *
 *     const graph = await Graph.load("person_detect.tflite");
 *     graph.inputs;                                  // [{ name, type: "int8", shape: [1, 96, 96, 1], scale, zeroPoint }]
 *     const { scores } = await graph.run({ image });
 */
import type { GraphExports, Pointer } from "../../bindings/exports.ts";
import { address } from "../../bindings/memory.ts";
import { Status } from "../../bindings/numbers.ts";
import { readOptions } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { fillFrom, type Part } from "../load/part.ts";
import { type ModelSource, openSource, settle } from "../load/source.ts";
import { graphCore } from "./graph-core.ts";
import {
  GRAPH_LOAD_OPTIONS,
  GRAPH_RUN_OPTIONS,
  type GraphLoadOptions,
  type GraphMemory,
  type GraphPlan,
  type GraphRunOptions,
} from "./graph-options.ts";
import { type GraphPicture, type GraphPictureOptions, pictureInput, pictureRecord } from "./graph-picture.ts";
import { checkedInputs, type GraphArray, type GraphTensor, KINDS, type Kind } from "./graph-tensors.ts";

/** A tensor, and where it lies. */
interface Slot {
  readonly tensor: GraphTensor;
  readonly kind: Kind;
  readonly bytes: number;
  /** Fewer of an input that is written part by part. */
  readonly room: number;
  readonly data: number;
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
    const settings = readOptions(options, GRAPH_LOAD_OPTIONS);
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
    const { signal } = readOptions(options, GRAPH_RUN_OPTIONS);
    const pointer = this.#alive();
    if (this.#runs) throw new LimpetError("WRONG_STATE", "the graph is running: wait for that run before the next");
    const pace = new Pace(signal);
    const values = this.#write(inputs);
    this.#runs = true;
    try {
      for (;;) {
        const status = this.#core.check(this.#exports.graph_run(this.#core.pointer, pointer));
        if (status === Status.DONE) break;
        if (status === Status.NEED_DATA) this.#feed(values);
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
        room: number(6),
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

  /** Checks all inputs before the first one is written; what is written part by part is kept, as it is now. */
  #write(inputs: Readonly<Record<string, GraphArray>>): readonly GraphArray[] {
    return checkedInputs(this.inputs, inputs).map((value, i) => {
      const { data, bytes, room } = this.#inputs[i];
      if (room === bytes) this.#core.memory.write(data, value);
      return this.#plan.patches > 1 ? value.slice() : value;
    });
  }

  /** Writes the parts of inputs that the patch under way wants. */
  #feed(values: readonly GraphArray[]): void {
    this.#inputs.forEach(({ tensor, bytes, data }, i) => {
      const at = this.#exports.graph_tensor(this.#pointer, INPUTS, i);
      const [top, bottom, left, right] = [0, 1, 2, 3].map((side) => this.#exports.graph_wanted(at, side));
      const [, height, width] = tensor.shape;
      const [row, pixel] = [bytes / height, bytes / height / width];
      const image = new Uint8Array(values[i].buffer, values[i].byteOffset, bytes);
      for (let y = top; y < bottom; y++) {
        const line = image.subarray(y * row + left * pixel, y * row + right * pixel);
        this.#core.memory.write(data + (y - top) * line.length, line);
      }
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
