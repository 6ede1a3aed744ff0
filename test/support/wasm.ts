/**
 * Reading a wasm binary for tests of the builds: which globals it has, and which features its instructions need. Walks
 * the sections and every instruction of every function; an opcode that it does not know is the feature `unknown`.
 */

export type Feature =
  | "mvp"
  | "sign-extension"
  | "saturating conversion"
  | "bulk memory"
  | "simd"
  | "relaxed simd"
  | "threads"
  | "reference types"
  | "tail call"
  | "unknown";

interface Instruction {
  opcode: number;
  feature: Feature;
}

/** What every small interpreter runs. */
export const SMALL: Feature[] = ["mvp", "sign-extension", "saturating conversion", "bulk memory"];

const Section = { GLOBAL: 6, CODE: 10 };

class Reader {
  at = 0;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new Error("the binary ends inside an item");
    return this.bytes[this.at++];
  }

  /** A LEB128 number of any width, signed or not: the value of its low 32 bits without sign. */
  leb(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  lebs(count: number): void {
    for (let i = 0; i < count; i++) this.leb();
  }

  skip(bytes: number): void {
    this.at += bytes;
  }
}

/** For each global of its own: whether it may change. */
export function mutableGlobals(bytes: Uint8Array): boolean[] {
  const section = sectionOf(bytes, Section.GLOBAL);
  if (!section) return [];
  const reader = new Reader(section);
  return Array.from({ length: reader.leb() }, () => {
    reader.skip(1);
    const mutable = reader.byte() === 1;
    while (instruction(reader).opcode !== 0x0b);
    return mutable;
  });
}

/** The features that a module's instructions need, sorted. */
export function features(bytes: Uint8Array): Feature[] {
  return [...new Set(instructions(bytes).map(({ feature }) => feature))].sort();
}

/** The opcodes that a module's functions use, without what follows a prefix. */
export function opcodes(bytes: Uint8Array): Set<number> {
  return new Set(instructions(bytes).map(({ opcode }) => opcode));
}

/** The instructions of every function, each kind once. */
function instructions(bytes: Uint8Array): Instruction[] {
  const found = new Map<string, Instruction>();
  const section = sectionOf(bytes, Section.CODE);
  const reader = new Reader(section ?? new Uint8Array([0]));
  for (let functions = reader.leb(); functions > 0; functions--) {
    const size = reader.leb();
    const end = reader.at + size;
    for (let groups = reader.leb(); groups > 0; groups--) {
      reader.leb();
      reader.skip(1);
    }
    while (reader.at < end) {
      const { opcode, feature } = instruction(reader);
      found.set(`${opcode} ${feature}`, { opcode, feature });
      if (feature === "unknown") reader.at = end;
    }
    if (reader.at !== end) throw new Error("a function's instructions run past its end");
  }
  return [...found.values()];
}

function sectionOf(bytes: Uint8Array, wanted: number): Uint8Array | null {
  const reader = new Reader(bytes);
  reader.skip(8);
  while (reader.at < bytes.length) {
    const id = reader.byte();
    const size = reader.leb();
    if (id === wanted) return bytes.subarray(reader.at, reader.at + size);
    reader.skip(size);
  }
  return null;
}

/** Reads one instruction with its immediates. */
function instruction(reader: Reader): Instruction {
  const opcode = reader.byte();
  return { opcode, feature: immediates(reader, opcode) };
}

function immediates(reader: Reader, opcode: number): Feature {
  if (opcode === 0xfc) return prefixed(reader, reader.leb());
  if (opcode === 0xfd) return vector(reader, reader.leb());
  if (opcode === 0xfe) return atomic(reader, reader.leb());
  if (opcode >= 0x02 && opcode <= 0x04) reader.leb();
  else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10) reader.leb();
  else if (opcode === 0x0e) reader.lebs(reader.leb() + 1);
  else if (opcode === 0x11) reader.lebs(2);
  else if (opcode === 0x12 || opcode === 0x13) {
    reader.lebs(opcode - 0x11);
    return "tail call";
  } else if (opcode === 0x1c || opcode === 0x25 || opcode === 0x26 || (opcode >= 0xd0 && opcode <= 0xd2)) {
    if (opcode === 0x1c) reader.lebs(reader.leb());
    else if (opcode !== 0xd1) reader.leb();
    return "reference types";
  } else if (opcode >= 0x20 && opcode <= 0x24) reader.leb();
  else if (opcode >= 0x28 && opcode <= 0x3e) reader.lebs(2);
  else if (opcode >= 0x3f && opcode <= 0x42) reader.leb();
  else if (opcode === 0x43) reader.skip(4);
  else if (opcode === 0x44) reader.skip(8);
  else if (opcode >= 0xc0 && opcode <= 0xc4) return "sign-extension";
  else if (opcode > 0xc4 || [0x06, 0x07, 0x08, 0x09, 0x0a, 0x14, 0x15].includes(opcode)) return "unknown";
  return "mvp";
}

function prefixed(reader: Reader, code: number): Feature {
  if (code <= 7) return "saturating conversion";
  if (code > 17) return "unknown";
  reader.lebs([8, 10, 12, 14].includes(code) ? 2 : 1);
  return code <= 11 ? "bulk memory" : "reference types";
}

function vector(reader: Reader, code: number): Feature {
  if (code <= 11 || code === 92 || code === 93) reader.lebs(2);
  else if (code === 12 || code === 13) reader.skip(16);
  else if (code >= 21 && code <= 34) reader.skip(1);
  else if (code >= 84 && code <= 91) {
    reader.lebs(2);
    reader.skip(1);
  }
  return code >= 0x100 ? "relaxed simd" : "simd";
}

function atomic(reader: Reader, code: number): Feature {
  if (code === 3) reader.skip(1);
  else reader.lebs(2);
  return "threads";
}
