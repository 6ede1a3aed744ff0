/**
 * A fuzzer of GGUF headers, the same 100,000 files on every run: each is parsed or refused in words, without a trap, a
 * hang, or a pointer that leaves the header; nothing leaks; and the instance then reads a good file.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadCore } from "./support/core.ts";
import { DONE, entriesOf, parse, tensorsOf } from "./support/gguf-reader.ts";
import { type EntrySpec, gguf } from "./support/gguf-writer.ts";
import { wholeNumbers } from "./support/random.ts";

const FILES = 100_000;
const ERRORS = [-2, -3];

const core = loadCore("portable");
const { exports } = core;

const ENTRIES: EntrySpec[] = [
  ["general.architecture", "string", "llama"],
  ["llama.block_count", "u32", 2],
  ["llama.rope.freq_base", "f32", 10000],
  ["k.flag", "bool", true],
  ["k.u64", "u64", 2n ** 40n],
  ["k.tokens", "string[]", ["<unk>", "<s>", "", "a", "▁b"]],
  ["k.types", "i32[]", [1, 2, 3]],
  ["k.a", "i8", 1],
  ["k.b", "f64", 1],
];
const TENSORS = [
  { name: "token_embd.weight", type: 8, ne: [32, 5] },
  { name: "blk.0.attn_q.weight", type: 2, ne: [32, 2] },
  { name: "output_norm.weight", ne: [32] },
  { name: "t.0", type: 30, ne: [16, 1, 2] },
  { name: "t.1", type: 1, ne: [16] },
];
const SOUND = gguf({ entries: ENTRIES, tensors: TENSORS });
const SEEDS = [
  SOUND,
  gguf({ version: 2, entries: ENTRIES.slice(0, 2), tensors: TENSORS }),
  gguf({ entries: [["general.alignment", "u32", 8]], tensors: TENSORS, alignment: 8 }),
  gguf({ entries: ENTRIES }),
  // Short ones, in which a wound hits what it hardly would in the others.
  gguf({ entries: [["general.architecture", "string", ""]] }),
  gguf({
    entries: [
      ["a", "bool", true],
      ["b", "u8[]", [1]],
      ["c", "bool[]", [true, false]],
    ],
  }),
  gguf({ tensors: [{ name: "a" }, { name: "b" }] }),
];
const headers = SEEDS.map((bytes) => {
  const { g, status } = parse(core, bytes);
  assert.is(status, DONE, core.message);
  const length = Number(exports.gguf_data_start(g));
  exports.gguf_release(core.core, g);
  return Math.min(length, bytes.length);
});

const random = wholeNumbers(0x2545f491);

const NUMBERS = [
  0n,
  1n,
  2n,
  7n,
  31n,
  255n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 60n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** A sound file with one to four wounds in its header. */
function mutant(): Uint8Array {
  const seed = random(SEEDS.length);
  let bytes = SEEDS[seed].slice();
  let header = headers[seed];
  for (let wounds = 1 + random(4); wounds > 0; wounds--) {
    const at = random(header);
    const other = random(header);
    const length = Math.min(1 + random(24), header - at);
    switch (random(8)) {
      case 0:
        bytes[at] ^= 1 << random(8);
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2:
        bytes[at] = random(14);
        break;
      case 3:
      case 4: {
        const number = new DataView(new ArrayBuffer(8));
        number.setBigUint64(0, NUMBERS[random(NUMBERS.length)], true);
        bytes.set(new Uint8Array(number.buffer, 0, Math.min(random(2) ? 8 : 4, bytes.length - at)), at);
        break;
      }
      case 5:
        bytes.copyWithin(at, other, other + length);
        break;
      case 6: {
        const inserted = bytes.slice(other, other + length);
        bytes = Uint8Array.of(...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at));
        header += inserted.length;
        break;
      }
      default:
        if (random(4) === 0) bytes = bytes.subarray(0, at + 1);
        else bytes = Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + length));
        header = Math.min(Math.max(header - length, 1), bytes.length);
    }
  }
  return bytes;
}

/** Every message is one of these kinds, and the fuzzer meets each. */
const KINDS = [
  /^not a GGUF file: it has \d+ bytes/,
  /^not a GGUF file: it begins with ".{4}" instead/,
  /^the file's bytes are swapped/,
  /^GGUF version \d+ is not supported/,
  /^the header is broken: it claims \d+ metadata keys/,
  /^the header is broken: it claims \d+ tensors/,
  /^the file ends within its metadata: at byte \d+/,
  /^the file ends within its tensor list: at byte \d+/,
  /^metadata key \d+ claims a name of \d+ bytes/,
  /^metadata key .+ has value type \d+, which/,
  /^metadata key .+ claims \d+ elements/,
  /^metadata key .+ is an array of arrays/,
  /^metadata key .+ has the value \d+ for a bool/,
  /^metadata key .+ stands in the file twice/,
  /^metadata key general.architecture is of type .+, but must be a string/,
  /^metadata key general.alignment is of type .+, but must be an integer/,
  /^general.alignment is \d+, which is no power of two/,
  /^tensor \d+ claims a name of \d+ bytes/,
  /^tensor .+ claims \d+ dimensions/,
  /^tensor .+ has the size \d+ in one dimension/,
  /^tensor .+ is of type (IQ2_XXS|Q8_1|I8), which limpet does not run; take the model in one of F32, F16/,
  /^tensor .+ is of type \w+, which limpet does not run; take the model in one of F32, F16/,
  /^tensor .+ has rows of \d+ elements, which is no multiple/,
  /^tensor .+ begins at offset \d+, which is no multiple/,
  /^tensor .+ lies outside the file/,
  /^tensor .+ overlaps .+; the file is broken/,
  /^tensor .+ stands in the file twice/,
];

/** Every key, value and tensor of a file that was let through lies where it may. */
function walk(g: number, bytes: Uint8Array): void {
  entriesOf(core, g);
  let end = Number(exports.gguf_data_start(g));
  for (const { name, ne, offset, bytes: size } of tensorsOf(core, g).sort((a, b) => a.offset - b.offset)) {
    assert.ok(name.length > 0 && ne.every((n) => n > 0) && size > 0);
    assert.ok(offset >= end && offset + size <= bytes.length);
    end = offset + size;
  }
}

test(`${FILES.toLocaleString("en")} mutated headers are parsed or refused in words`, () => {
  const mark = core.put("mark");
  core.release(mark);
  const memory = exports.memory.buffer.byteLength;
  const met = KINDS.map(() => 0);
  let sound = 0;
  for (let i = 0; i < FILES; i++) {
    const bytes = mutant();
    const { g, status } = parse(core, bytes, random(3) ? 0 : 1 + random(99));
    if (status === DONE) {
      sound++;
      walk(g, bytes);
    } else {
      if (!ERRORS.includes(status)) assert.unreachable(`file ${i}: status ${status}: ${core.message}`);
      const words = core.message;
      const kind = KINDS.findIndex((pattern) => pattern.test(words));
      if (kind < 0) assert.unreachable(`file ${i}: message "${words}"`);
      met[kind]++;
    }
    exports.gguf_release(core.core, g);
  }
  assert.ok(sound > FILES / 50, `${sound} files went through`);
  assert.equal(KINDS.filter((_, kind) => met[kind] === 0).map(String), [], "kinds of errors that no file met");
  assert.is(core.put("mark"), mark, "an arena block was not given back");
  assert.is(exports.memory.buffer.byteLength, memory, "memory has grown");

  const { g, status } = parse(core, SOUND);
  assert.is(status, DONE, core.message);
  assert.equal(
    tensorsOf(core, g).map(({ name, type, ne }) => ({ name, type: type || undefined, ne })),
    TENSORS.map(({ name, type, ne }) => ({ name, type, ne })),
  );
  walk(g, SOUND);
});

test.run();
