/** Sound files made broken: by their bytes, and by what their header says. */
import { ValueType } from "../../bindings/numbers.ts";
import { type EntrySpec, entry, type FileSpec, gguf, type TensorSpec, type Value } from "../support/gguf-writer.ts";
import type { Random } from "./random.ts";
import { BLOCK_IDS, type Seed } from "./seeds.ts";

/** One to four wounds in the bytes [from, to). */
export function woundBytes(random: Random, sound: Uint8Array, from: number, to: number): Uint8Array<ArrayBuffer> {
  let bytes = sound.slice() as Uint8Array<ArrayBuffer>;
  let end = Math.min(to, bytes.length);
  for (let wounds = random.from(1, 4); wounds > 0 && end > from; wounds--) {
    const at = random.from(from, end - 1);
    const other = random.from(from, end - 1);
    const length = Math.min(random.from(1, 24), end - at);
    switch (random.below(8)) {
      case 0:
        bytes[at] ^= 1 << random.below(8);
        break;
      case 1:
        bytes[at] = random.below(256);
        break;
      case 2:
        bytes[at] = random.below(14);
        break;
      case 3:
      case 4: {
        const number = new DataView(new ArrayBuffer(8));
        number.setBigUint64(0, random.edge(), true);
        bytes.set(new Uint8Array(number.buffer, 0, Math.min(random.oneIn(2) ? 8 : 4, bytes.length - at)), at);
        break;
      }
      case 5:
        bytes.copyWithin(at, other, other + length);
        break;
      case 6: {
        const inserted = bytes.slice(other, other + length);
        bytes = joined(bytes.subarray(0, at), inserted, bytes.subarray(at));
        end += inserted.length;
        break;
      }
      default:
        if (random.oneIn(4)) bytes = bytes.slice(0, at + 1);
        else bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length));
        end = Math.min(Math.max(end - length, from + 1), bytes.length);
    }
  }
  return bytes;
}

export function joined(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Numbers in weights that are no numbers, or too large for what they become. */
function woundData(random: Random, bytes: Uint8Array, from: number): void {
  if (from + 8 >= bytes.length) return;
  for (let wounds = random.from(1, 3); wounds > 0; wounds--) {
    const at = from + 2 * random.below((bytes.length - from - 4) >> 1);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (random.oneIn(2)) view.setUint16(at, random.pick([0x7e00, 0x7c00, 0xfc00, 0x7bff, 0x0001, 0xffff]), true);
    else view.setFloat32(at, random.float(), true);
  }
}

type Entry = readonly [key: string, type: string, value: Value];
const encoded = new WeakMap<Entry, Uint8Array>();

/** A sound entry as bytes, made once. */
function bytesOfEntry(sound: Entry): Uint8Array {
  let bytes = encoded.get(sound);
  if (!bytes) encoded.set(sound, (bytes = entry(sound)));
  return bytes;
}

const SCALARS = Object.keys(ValueType).map((name) => name.toLowerCase());
/** Keys that change a model, or may not be there. */
const MORE_KEYS = [
  "llama.rope.scaling.type",
  "llama.rope.scaling.factor",
  "llama.expert_count",
  "llama.attention.sliding_window",
  "llama.vocab_size",
  "general.alignment",
  "general.type",
  "split.no",
  "split.count",
  "split.tensors.count",
  "tokenizer.ggml.scores",
  "tokenizer.ggml.unknown_token_id",
  "tokenizer.ggml.eot_token_id",
  "tokenizer.ggml.add_eos_token",
  "tokenizer.ggml.add_space_prefix",
  "tokenizer.ggml.precompiled_charsmap",
  "tokenizer.chat_template",
];

/** The header says something else than its file is: one to three changes of what stands in it. */
export function woundHeader(random: Random, seed: Seed): Uint8Array<ArrayBuffer> {
  const entries: (Entry | Uint8Array)[] = [...seed.entries];
  const tensors: TensorSpec[] = seed.tensors.map((tensor) => ({ ...tensor }));
  const file: { -readonly [Key in keyof FileSpec]: FileSpec[Key] } = {};
  for (let wounds = random.from(1, 3); wounds > 0; wounds--) {
    if (random.oneIn(2)) woundEntry(random, entries);
    else if (tensors.length && !random.oneIn(8)) woundTensor(random, tensors);
    else woundCounts(random, file, entries.length, tensors.length);
  }
  const specs = entries.map((one): EntrySpec => (one instanceof Uint8Array ? one : bytesOfEntry(one)));
  const header = gguf({ ...file, entries: specs, tensors, dataBytes: 0 });
  const whole = joined(header, seed.bytes.subarray(seed.header));
  if (random.oneIn(6)) woundData(random, whole, header.length);
  return random.oneIn(10) ? whole.slice(0, random.below(whole.length)) : whole;
}

function woundEntry(random: Random, entries: (Entry | Uint8Array)[]): void {
  const at = random.below(entries.length);
  const one = entries[at];
  if (one instanceof Uint8Array) return;
  const [key, type, value] = one;
  switch (random.below(9)) {
    case 0:
      entries.splice(at, 1);
      return;
    case 1:
      entries.push(one);
      return;
    case 2:
      entries[at] = [
        random.pick([`${key}x`, key.slice(1), "", random.pick(MORE_KEYS), key.toUpperCase()]),
        type,
        value,
      ];
      return;
    case 3:
      entries[at] = safe([key, random.pick(SCALARS.filter((name) => name !== "array")), scalarOf(random, value)]);
      return;
    case 4:
      entries.push(
        safe([random.pick(MORE_KEYS), random.pick(["u32", "f32", "string", "bool"]), Number(random.edge())]),
      );
      return;
    case 5: {
      // The bytes of the entry, wounded.
      entries[at] = woundBytes(random, bytesOfEntry(one), 0, Number.MAX_SAFE_INTEGER);
      return;
    }
    default:
      entries[at] = Array.isArray(value) ? woundList(random, one) : safe([key, type, wrongValue(random, type, value)]);
  }
}

/** An entry as bytes: a value that its type cannot hold is written as what it becomes. */
function safe([key, type, value]: Entry): Entry | Uint8Array {
  try {
    return entry([key, type, value]);
  } catch {
    return entry([key, "u32", 1]);
  }
}

function scalarOf(random: Random, value: Value): Value {
  return Array.isArray(value) ? random.pick(value as readonly Value[]) : value;
}

function wrongValue(random: Random, type: string, value: Value): Value {
  if (type === "string") return textOf(random, String(value));
  if (type === "bool") return !value;
  if (type === "f32" || type === "f64") return random.float();
  return random.oneIn(2) ? Number(value) + random.pick([-2, -1, 1, 2, 16]) : random.edge();
}

/** A text that is not the one that was there. */
export function textOf(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  return random.pick([
    "",
    text + text,
    text.slice(0, at),
    `${text.slice(0, at)}\u0000${text.slice(at)}`,
    `${text.slice(0, at)}\u001b]0;x\u0007\n${text.slice(at)}`,
    "llama",
    "qwen2",
    "gpt-2",
    "no such thing",
    "é😊\u200d\ufeff",
    "x".repeat(random.below(5000)),
  ]);
}

function woundList(random: Random, [key, type, value]: Entry): Entry | Uint8Array {
  const list = [...(value as readonly Value[])];
  const at = random.below(list.length + 1);
  const element = type.replace("[]", "");
  switch (random.below(6)) {
    case 0:
      list.splice(at, random.from(1, 5));
      break;
    case 1:
      list.length = Math.min(list.length, random.below(4));
      break;
    case 2:
      if (list.length) list.push(...Array.from({ length: random.from(1, 4) }, () => random.pick(list)));
      break;
    case 3:
      if (list.length) list[random.below(list.length)] = wrongValue(random, element, random.pick(list));
      break;
    case 4:
      return safe([
        key,
        `${random.pick(["i32", "u32", "u64", "i8", "f32", "f64", "bool", "u8"])}[]`,
        list.map(numberOf),
      ]);
    default:
      list.reverse();
  }
  return safe([key, type, list]);
}

const numberOf = (value: Value, i: number): number => (typeof value === "number" ? value : i);

function woundTensor(random: Random, tensors: TensorSpec[]): void {
  const at = random.below(tensors.length);
  const one = tensors[at];
  const ne = [...(one.ne ?? [])];
  if (!ne.length) return;
  switch (random.below(9)) {
    case 0:
      tensors.splice(at, 1);
      return;
    case 1:
      tensors.push({ ...one, name: random.oneIn(2) ? one.name : `${one.name}x` });
      return;
    case 2:
      one.name = random.pick([random.pick(tensors).name, one.name.replace(/\d/, "1"), "", textOf(random, one.name)]);
      return;
    case 3:
      one.type = random.oneIn(3) ? random.edge32() : random.pick([...BLOCK_IDS, 16, 24, 39]);
      return;
    case 4:
      one.offset = random.oneIn(2) ? random.edge() : Number(one.offset) + random.pick([-32, 1, 32, 64]);
      return;
    case 5:
      one.dimensions = random.pick([0, 1, 2, 3, 4, 5, random.edge32()]);
      return;
    case 6:
      one.ne = ne.reverse();
      return;
    case 7:
      one.ne = random.oneIn(2) ? [...ne, random.pick([1, 2])] : ne.slice(1);
      return;
    default: {
      const d = random.below(ne.length);
      ne[d] = random.oneIn(2) ? random.edge() : Number(ne[d]) + random.pick([-32, -1, 1, 32]);
      one.ne = ne;
    }
  }
}

function woundCounts(
  random: Random,
  file: { -readonly [Key in keyof FileSpec]: FileSpec[Key] },
  keys: number,
  tensors: number,
): void {
  switch (random.below(4)) {
    case 0:
      file.keyCount = random.oneIn(2) ? random.edge() : keys + random.pick([-1, 1]);
      return;
    case 1:
      file.tensorCount = random.oneIn(2) ? random.edge() : tensors + random.pick([-1, 1]);
      return;
    case 2:
      file.version = random.pick([0, 1, 2, 4, 0x03000000, random.edge32()]);
      return;
    default:
      file.alignment = random.pick([8, 64, 128, 4096]);
  }
}

/** A file with wounds of any kind. */
export function woundFile(random: Random, seed: Seed): Uint8Array<ArrayBuffer> {
  switch (random.below(5)) {
    case 0:
      return woundBytes(random, seed.bytes, 0, seed.header);
    case 1:
      return woundBytes(random, seed.bytes, 0, seed.bytes.length);
    case 2: {
      const bytes = seed.bytes.slice();
      woundData(random, bytes, seed.header);
      return bytes;
    }
    default:
      return woundHeader(random, seed);
  }
}
