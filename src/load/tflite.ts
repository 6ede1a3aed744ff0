/** What a .tflite file names before anything of it runs: its operators. */
import { Operator } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";

const NAMES = new Map<number, string>(Object.entries(Operator).map(([name, code]) => [code, name]));

/** Fields of the schema's tables, by their ids. */
const MODEL_CODES = 1;
const CODE = { byte: 0, custom: 1, number: 3 } as const;

/**
 * The operators that a file uses, by name: a custom one by its own, one that limpet does not know as `operator 999`. A
 * broken file is a BAD_FILE; `place` is what has it.
 */
export function operatorsOf(bytes: Uint8Array, place: string): string[] {
  try {
    const file = new Tables(bytes);
    if (file.text(4, 4) !== "TFL3") throw new RangeError("no TFL3 at the fifth byte");
    return [...new Set(file.items(file.field(file.follow(0), MODEL_CODES)).map((table) => nameOf(file, table)))];
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new LimpetError("BAD_FILE", `${place} is no .tflite file, or broken: ${error.message}`, { cause: error });
  }
}

function nameOf(file: Tables, table: number): string {
  const byte = file.field(table, CODE.byte);
  const number = file.field(table, CODE.number);
  const code = Math.max(byte === 0 ? 0 : file.view.getInt8(byte), number === 0 ? 0 : file.view.getInt32(number, true));
  const custom = file.field(table, CODE.custom);
  if (code === Operator.CUSTOM && custom !== 0) {
    const at = file.follow(custom);
    return file.text(at + 4, file.view.getUint32(at, true));
  }
  return NAMES.get(code) ?? `operator ${code}`;
}

/** The tables of a FlatBuffer; what leads out of it throws a RangeError. */
class Tables {
  readonly #bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Where a reference leads. */
  follow(at: number): number {
    return at + this.view.getUint32(at, true);
  }

  /** Where a field of a table lies; 0: it is absent. */
  field(table: number, id: number): number {
    const list = table - this.view.getInt32(table, true);
    const place = 4 + 2 * id;
    const offset = place < this.view.getUint16(list, true) ? this.view.getUint16(list + place, true) : 0;
    return offset === 0 ? 0 : table + offset;
  }

  /** The tables of a list; none where there is no list. */
  items(field: number): number[] {
    if (field === 0) return [];
    const list = this.follow(field);
    const count = this.view.getUint32(list, true);
    if (4 * count > this.#bytes.length) throw new RangeError("a list is longer than the file");
    return Array.from({ length: count }, (_, i) => this.follow(list + 4 + 4 * i));
  }

  text(at: number, length: number): string {
    if (at + length > this.#bytes.length) throw new RangeError("a name leads out of it");
    return new TextDecoder().decode(this.#bytes.subarray(at, at + length));
  }
}
