/**
 * GGUF files, written as a stream: the head (metadata and tensor table) at once, then the data of one tensor after the
 * other in pieces of any size. No tensor need ever be whole in memory, and a file may be larger than 4 GiB.
 *
 *     const writer = GgufWriter.create("out.gguf", { metadata, tensors });
 *     for (const tensor of tensors) writer.write(dataOf(tensor));
 *     writer.finish();                                              // discard() where something went wrong
 *
 * A file: "GGUF", version 3, counts · metadata · tensor table · zeros up to the alignment · tensors, each padded to it.
 * Until it is finished it lies beside its place under a name of its own, so that no reader ever sees half a model.
 */
import { encodeText } from "../../bindings/memory.ts";
import { createFile, type NewFile } from "../../bindings/new-file.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import { type TensorType, tensorBytes, tensorLayout } from "../host/types.ts";
import { elementType, type GgufEntry, type GgufScalar, type GgufType, VALUE_TYPES } from "../load/gguf-entries.ts";

export interface GgufTensor {
  readonly name: string;
  /** The name in a file that this one is copied from, where that is no valid UTF-8. */
  readonly nameBytes?: Uint8Array;
  readonly type: TensorType;
  /** As GGUF has them: the first is along a row. */
  readonly shape: readonly number[];
}

export interface GgufHead {
  /** In the order of the file; `general.alignment` is heeded. */
  readonly metadata: readonly GgufEntry[];
  readonly tensors: readonly GgufTensor[];
}

const ALIGNMENT = 32;
/** What llama.cpp takes. */
const LONGEST_NAME = 63;
/** A string of JavaScript may hold what UTF-8 cannot say, and encoders replace without a word. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export class GgufWriter {
  /** Bytes of the whole file. */
  readonly size: number;
  readonly #path: string;
  readonly #file: NewFile;
  readonly #alignment: number;
  /** Tensors whose data lacks, the next one first, and what lacks of that. */
  readonly #tensors: GgufTensor[];
  #rest = 0;
  #open = true;

  private constructor(path: string, head: GgufHead, open: () => NewFile) {
    this.#path = path;
    this.#alignment = alignmentOf(head);
    const bytes = encodeHead(head, this.#alignment);
    const data = head.tensors.map(({ type, shape }) => padded(tensorBytes(type, shape), this.#alignment));
    this.size = data.reduce((sum, size) => sum + size, bytes.length);
    this.#tensors = [...head.tensors];
    this.#file = this.#host(open);
    try {
      this.#send(bytes);
    } catch (error) {
      this.discard();
      throw error;
    }
    this.#rest = this.#next();
  }

  /** Begins a file; one that is there is replaced in the end, unless it is one of `read`, from which this is made. */
  static create(path: string, head: GgufHead, read: readonly (string | URL)[] = []): GgufWriter {
    return new GgufWriter(path, head, () => createFile(path, read));
  }

  /** Begins a file that is given out as it is written. */
  static into(take: (bytes: Uint8Array) => void, head: GgufHead): GgufWriter {
    const nothing = (): void => {};
    const file: NewFile = { part: "", write: take, seal: nothing, finish: nothing, discard: nothing };
    return new GgufWriter("the stream", head, () => file);
  }

  /** All is written: the path at which it may be read before it gets its name. */
  seal(): string {
    this.#requireWhole();
    this.#host(() => this.#file.seal());
    return this.#file.part;
  }

  /** The next bytes of the current tensor, at most up to its end. */
  write(bytes: Uint8Array): void {
    if (bytes.length > this.#rest) {
      const { name } = this.#tensors[0] ?? { name: "the last tensor" };
      throw new LimpetError("BAD_ARGUMENT", `${name}: ${bytes.length} bytes are written where ${this.#rest} lack`);
    }
    this.#send(bytes);
    this.#rest -= bytes.length;
    while (this.#rest === 0 && this.#tensors.length) {
      const { type, shape } = this.#tensors.shift()!;
      const size = tensorBytes(type, shape);
      this.#send(new Uint8Array(padded(size, this.#alignment) - size));
      this.#rest = this.#next();
    }
  }

  /** Gives the file its name. */
  finish(): void {
    this.#requireWhole();
    this.#open = false;
    this.#host(() => this.#file.finish());
  }

  /** Removes what was written, unless it is finished. */
  discard(): void {
    if (this.#open) this.#file.discard();
    this.#open = false;
  }

  #requireWhole(): void {
    if (!this.#tensors.length) return;
    throw new LimpetError("WRONG_STATE", `${this.#tensors[0].name}: ${this.#rest} bytes lack`);
  }

  #next(): number {
    return this.#tensors.length ? tensorBytes(this.#tensors[0].type, this.#tensors[0].shape) : 0;
  }

  #send(bytes: Uint8Array): void {
    this.#host(() => this.#file.write(bytes));
  }

  #host<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const known: Record<string, string> = {
        ENOENT: "there is no such folder",
        ENOTDIR: "there is no such folder",
        ELOOP: "this is a link that leads to itself",
        ENOSPC: "the disk is full",
        EDQUOT: "the disk's quota is used up",
      };
      throw new LimpetError("HOST", `${this.#path}: ${known[code ?? ""] ?? messageOf(error)}`, { cause: error });
    }
  }
}

function padded(length: number, alignment: number): number {
  return Math.ceil(length / alignment) * alignment;
}

function alignmentOf({ metadata }: GgufHead): number {
  const value = Number(metadata.find(([key]) => key === "general.alignment")?.[2] ?? ALIGNMENT);
  if (Number.isInteger(Math.log2(value)) && value >= 8) return value;
  throw new LimpetError("BAD_ARGUMENT", `general.alignment is a power of two from 8, not ${value}`);
}

function encodeHead({ metadata, tensors }: GgufHead, alignment: number): Uint8Array {
  const head = new ByteBuilder();
  head.scalar("u32", 0x46554747); // "GGUF"
  head.scalar("u32", 3);
  head.scalar("u64", tensors.length);
  head.scalar("u64", metadata.length);
  requireDistinct(
    metadata.map(([key]) => key),
    "key",
  );
  for (const [key, type, value, raw] of metadata) {
    const element = elementType(type);
    if (raw) head.text(raw.key);
    else head.scalar("string", key);
    head.scalar("u32", VALUE_TYPES.indexOf(element ? "array" : (type as "u32")));
    if (raw) {
      if (element) {
        head.scalar("u32", VALUE_TYPES.indexOf(element));
        head.scalar("u64", (value as ArrayLike<GgufScalar>).length);
      }
      head.bytes(raw.value);
    } else if (element) {
      const values = value as ArrayLike<GgufScalar>;
      head.scalar("u32", VALUE_TYPES.indexOf(element));
      head.scalar("u64", values.length);
      for (let i = 0; i < values.length; i++) head.scalar(element, values[i]);
    } else head.scalar(type, value as GgufScalar);
  }
  requireDistinct(
    tensors.map(({ name }) => name),
    "tensor",
  );
  let offset = 0;
  for (const { name, nameBytes, type, shape } of tensors) {
    requireTensor(name, type, shape, nameBytes?.length);
    if (nameBytes) head.text(nameBytes);
    else head.scalar("string", name);
    head.scalar("u32", shape.length);
    for (const size of shape) head.scalar("u64", size);
    head.scalar("u32", tensorLayout(type).id);
    head.scalar("u64", offset);
    offset += padded(tensorBytes(type, shape), alignment);
  }
  head.pad(alignment);
  return head.finish();
}

function requireDistinct(names: string[], what: string): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new LimpetError("BAD_ARGUMENT", `there are two of the ${what} ${name}`);
    seen.add(name);
  }
}

function requireTensor(name: string, type: TensorType, shape: readonly number[], length?: number): void {
  const { elements } = tensorLayout(type);
  const say = (words: string) => new LimpetError("BAD_ARGUMENT", `${name}: ${words}`);
  if ((length ?? encodeText(name).length) > LONGEST_NAME)
    throw say(`a tensor's name has at most ${LONGEST_NAME} bytes`);
  if (shape.length < 1 || shape.length > 4) throw say(`a tensor has 1 to 4 dimensions, not ${shape.length}`);
  if (!shape.every((size) => Number.isInteger(size) && size > 0)) throw say(`no tensor is ${shape.join(" × ")}`);
  if (shape[0] % elements) throw say(`rows of ${shape[0]} are no whole blocks of ${type}, which hold ${elements}`);
}

/** Little-endian bytes, growing as they come. */
class ByteBuilder {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  scalar(type: GgufType, value: GgufScalar): void {
    if (type === "string") {
      const text = String(value);
      if (LONE_SURROGATE.test(text)) {
        throw new LimpetError("BAD_FILE", `${JSON.stringify(text)} is no text: half of a surrogate pair has no bytes`);
      }
      this.text(encodeText(text));
      return;
    }
    const bits = Number(type.match(/\d+/)?.[0] ?? 8);
    const at = this.#room(bits / 8);
    const view = this.#view;
    if (type === "f32") view.setFloat32(at, Number(value), true);
    else if (type === "f64") view.setFloat64(at, Number(value), true);
    else if (bits === 64) view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
    else if (bits === 32) view.setUint32(at, Number(value), true);
    else if (bits === 16) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
  }

  /** A string by its bytes. */
  text(bytes: Uint8Array): void {
    this.scalar("u64", bytes.length);
    this.bytes(bytes);
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#room(bytes.length); // which may exchange the bytes
    this.#bytes.set(bytes, at);
  }

  pad(alignment: number): void {
    this.#room(padded(this.#length, alignment) - this.#length);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(this.#length)));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
