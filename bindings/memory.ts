/**
 * The core's linear memory as the host sees it. Growing detaches every view, so views are made anew here and must not be
 * kept across a call into the core. The core's pointers are unsigned and JavaScript reads them as signed: this is the one
 * place that puts them right.
 */
import type { Pointer } from "./exports.ts";
import type { WasmMemory } from "./platform.ts";

/** A pointer of the core as an offset: from 2 GiB on they arrive as negative numbers. */
export function address(pointer: Pointer): number {
  return pointer >>> 0;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

export class Memory {
  readonly #memory: WasmMemory;
  readonly #shared: boolean;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer>;

  constructor(memory: WasmMemory) {
    this.#memory = memory;
    this.#shared = typeof SharedArrayBuffer !== "undefined" && memory.buffer instanceof SharedArrayBuffer;
    this.#bytes = new Uint8Array(memory.buffer as ArrayBuffer);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** All of memory; valid until the core grows it. */
  get bytes(): Uint8Array<ArrayBuffer> {
    if (this.#bytes.buffer !== this.#memory.buffer) {
      this.#bytes = new Uint8Array(this.#memory.buffer as ArrayBuffer);
      this.#view = new DataView(this.#bytes.buffer);
    }
    return this.#bytes;
  }

  /** Bytes of linear memory. */
  get size(): number {
    return this.#memory.buffer.byteLength;
  }

  // Live views. `pointer` must be aligned to the element.

  u8(pointer: Pointer, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.bytes.buffer, address(pointer), length);
  }

  i8(pointer: Pointer, length: number): Int8Array<ArrayBuffer> {
    return new Int8Array(this.bytes.buffer, address(pointer), length);
  }

  u16(pointer: Pointer, length: number): Uint16Array<ArrayBuffer> {
    return new Uint16Array(this.bytes.buffer, address(pointer), length);
  }

  i16(pointer: Pointer, length: number): Int16Array<ArrayBuffer> {
    return new Int16Array(this.bytes.buffer, address(pointer), length);
  }

  u32(pointer: Pointer, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.bytes.buffer, address(pointer), length);
  }

  i32(pointer: Pointer, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.bytes.buffer, address(pointer), length);
  }

  f32(pointer: Pointer, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.bytes.buffer, address(pointer), length);
  }

  f64(pointer: Pointer, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.bytes.buffer, address(pointer), length);
  }

  // Copies: what a caller may keep.

  /** A copy of `length` bytes. */
  read(pointer: Pointer, length: number): Uint8Array<ArrayBuffer> {
    const start = address(pointer);
    return this.bytes.slice(start, start + length);
  }

  /** The text in `length` bytes of UTF-8; what is invalid shows as U+FFFD, and a leading BOM counts as text. */
  readText(pointer: Pointer, length: number): string {
    // Decoders refuse shared memory: there it is copied.
    return decodeText(this.#shared ? this.read(pointer, length) : this.u8(pointer, length));
  }

  readU32(pointer: Pointer): number {
    return this.#fresh().getUint32(address(pointer), true);
  }

  readI32(pointer: Pointer): number {
    return this.#fresh().getInt32(address(pointer), true);
  }

  readF32(pointer: Pointer): number {
    return this.#fresh().getFloat32(address(pointer), true);
  }

  readF64(pointer: Pointer): number {
    return this.#fresh().getFloat64(address(pointer), true);
  }

  /** A u64 as a bigint. */
  readU64(pointer: Pointer): bigint {
    return this.#fresh().getBigUint64(address(pointer), true);
  }

  /** Copies the bytes of any typed array or buffer into memory. */
  write(pointer: Pointer, data: ArrayBufferView | ArrayBufferLike): void {
    this.bytes.set(bytesOf(data), address(pointer));
  }

  writeU32(pointer: Pointer, value: number): void {
    this.#fresh().setUint32(address(pointer), value, true);
  }

  writeF32(pointer: Pointer, value: number): void {
    this.#fresh().setFloat32(address(pointer), value, true);
  }

  writeF64(pointer: Pointer, value: number): void {
    this.#fresh().setFloat64(address(pointer), value, true);
  }

  writeU64(pointer: Pointer, value: bigint): void {
    this.#fresh().setBigUint64(address(pointer), value, true);
  }

  #fresh(): DataView<ArrayBuffer> {
    return this.bytes && this.#view;
  }
}

/** The bytes under a typed array or buffer, not copied. */
export function bytesOf(data: ArrayBufferView | ArrayBufferLike): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

/** A string as UTF-8. */
export function encodeText(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** UTF-8 as a string; what is invalid shows as U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
