/**
 * The weights of a checkpoint folder: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
 * Headers are read and checked at once, data when it is asked for.
 *
 * A file: u64 length of the header · JSON { name: { dtype, shape, data_offsets: [begin, end] } } · data, to which the
 * offsets are relative.
 */
import { decodeText } from "../../bindings/memory.ts";
import type { OpenFile } from "../../bindings/node.ts";
import { LimpetError } from "../host/errors.ts";
import type { Folder } from "./folder.ts";

/** Types of weights, and bytes of a value. */
const WIDTHS = { F32: 4, F16: 2, BF16: 2 } as const;

export type SourceType = keyof typeof WIDTHS;

export interface SourceTensor {
  readonly name: string;
  /** Or another type of the format, of which nothing is read by values (`valueBytes`). */
  readonly type: SourceType;
  /** As in the checkpoint: the last is along a row. */
  readonly shape: readonly number[];
  readonly bytes: number;
  read(offset: number, target: Uint8Array): void;
}

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";
/** As the format's own reader has it. */
const HEADER_LIMIT = 100_000_000;

export class Checkpoint {
  readonly tensors: ReadonlyMap<string, SourceTensor>;
  readonly #tensors = new Map<string, SourceTensor>();
  readonly #files: OpenFile[] = [];

  private constructor(folder: Folder, single: string) {
    const tensors = this.#tensors;
    this.tensors = tensors;
    try {
      const index = single !== SINGLE || folder.has(SINGLE) ? null : readIndex(folder);
      for (const name of index ? [...new Set(index.values())].sort() : [single]) {
        const file = folder.open(name);
        this.#files.push(file);
        for (const tensor of readHeader(folder.place(name), file)) {
          if (tensors.has(tensor.name)) throw broken(folder.place(name), `${tensor.name} is in another shard too`);
          if (index && index.get(tensor.name) !== name) {
            throw broken(folder.place(name), `${tensor.name} is in it, and ${INDEX} does not say so`);
          }
          tensors.set(tensor.name, tensor);
        }
      }
      for (const [tensor, name] of index ?? []) {
        if (!tensors.has(tensor)) throw broken(folder.place(INDEX), `${tensor} is not in ${name}, as it says`);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The weights of a folder, or one file of it. */
  static open(folder: Folder, single: string = SINGLE): Checkpoint {
    return new Checkpoint(folder, single);
  }

  /** Adds the tensors of another file of the folder, `prefix` before their names. */
  add(folder: Folder, name: string, prefix: string): void {
    const file = folder.open(name);
    this.#files.push(file);
    for (const tensor of readHeader(folder.place(name), file)) {
      const renamed = { ...tensor, name: `${prefix}${tensor.name}` };
      this.#tensors.set(renamed.name, renamed);
    }
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

/** Which file each tensor is in. */
function readIndex(folder: Folder): Map<string, string> {
  if (!folder.has(INDEX)) {
    throw new LimpetError("HOST", `${folder.path} has no ${SINGLE} and no ${INDEX}: weights are read from safetensors`);
  }
  const map = folder.json(INDEX)["weight_map"];
  const entries = typeof map === "object" && map !== null ? Object.entries(map) : [];
  if (!entries.length) throw broken(folder.place(INDEX), "its weight_map names no file");
  for (const [, name] of entries) {
    if (typeof name === "string" && /^[^/\\]+\.safetensors$/.test(name)) continue;
    throw broken(
      folder.place(INDEX),
      `its weight_map names ${JSON.stringify(name)}, no safetensors file of the folder`,
    );
  }
  return new Map(entries as [string, string][]);
}

function readHeader(place: string, file: OpenFile): PlacedTensor[] {
  const head = new Uint8Array(8);
  if (file.read(0, head) < 8) throw broken(place, "it ends within its first eight bytes");
  const length = Number(new DataView(head.buffer).getBigUint64(0, true));
  if (length > HEADER_LIMIT || length > file.size - 8) {
    throw broken(place, `its header claims ${length} bytes, and the file has ${file.size}`);
  }
  const bytes = new Uint8Array(length);
  file.read(8, bytes);
  let header: unknown;
  try {
    header = JSON.parse(decodeText(bytes));
  } catch (error) {
    throw broken(place, "its header is no JSON", error);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) {
    throw broken(place, "its header is no table of tensors");
  }
  const start = 8 + length;
  const tensors = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => readEntry(place, file, start, name, entry));
  requireApart(place, tensors);
  return tensors;
}

/** No byte belongs to two tensors. */
function requireApart(place: string, tensors: readonly PlacedTensor[]): void {
  const filled = tensors.filter(({ bytes }) => bytes > 0).sort((a, b) => a.begin - b.begin);
  filled.forEach(({ name, begin }, i) => {
    const before = filled[i - 1];
    if (before && begin < before.begin + before.bytes) {
      throw broken(place, `${name} and ${before.name} share bytes: their data_offsets overlap`);
    }
  });
}

type PlacedTensor = SourceTensor & { readonly begin: number };

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function readEntry(place: string, file: OpenFile, start: number, name: string, entry: unknown): PlacedTensor {
  const { dtype, shape, data_offsets: range } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== "string") throw broken(place, `${name} has no sound dtype`);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw broken(place, `${name} has no sound shape`);
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isSize) || range[1] < range[0]) {
    throw broken(place, `${name} has no sound data_offsets`);
  }
  const [begin, end] = range as number[];
  if (end > file.size - start) {
    throw broken(place, `${name} ends at byte ${start + end}, and the file has ${file.size}: download it again`);
  }
  const width = Object.hasOwn(WIDTHS, dtype) ? WIDTHS[dtype as SourceType] : undefined;
  const values = shape.reduce((product, n) => product * n, 1);
  // Of a type without a width nothing is read; whoever asks for it is told.
  if (width !== undefined && values * width !== end - begin) {
    throw broken(place, `${name} is ${dtype} of ${shape.join(" × ")}, which does not take its ${end - begin} bytes`);
  }
  return {
    name,
    type: dtype as SourceType,
    shape,
    bytes: end - begin,
    begin,
    read(offset, target) {
      if (file.read(start + begin + offset, target) < target.length) throw broken(place, `${name} is cut short`);
    },
  };
}

/** Bytes of a value; a type that is no weight's is an error. */
export function valueBytes({ name, type }: SourceTensor): number {
  if (Object.hasOwn(WIDTHS, type)) return WIDTHS[type];
  throw new LimpetError(
    "UNSUPPORTED",
    `${name} is of type ${type}: take the checkpoint in one of ${Object.keys(WIDTHS).join(", ")}`,
  );
}

/** Whether a tensor holds bytes. */
export function isBytes({ type }: { type: string }): boolean {
  return type === "U8";
}

/** A tensor is not of the shape that the config makes it: BAD_FILE. */
export function requireShape({ name, type, shape, bytes }: SourceTensor, wanted: readonly number[]): void {
  const values = shape.reduce((product, n) => product * n, 1);
  if (wanted.length !== shape.length || !wanted.every((size, i) => size === shape[i])) {
    const words = `${name} is ${shape.join(" × ")}, and config.json makes it ${wanted.join(" × ")}`;
    throw new LimpetError("BAD_FILE", words);
  }
  // Of types without a width nobody has counted them yet.
  if (isBytes({ type }) && bytes !== values)
    throw new LimpetError("BAD_FILE", `${name} has ${bytes} bytes for ${values} values`);
}

function broken(place: string, words: string, cause?: unknown): LimpetError {
  return new LimpetError("BAD_FILE", `${place}: ${words}`, { cause });
}
