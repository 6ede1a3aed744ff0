/**
 * GGUF reading: sound files of all versions and value types, streamed in pieces of any size; split files; broken files
 * of every kind, each refused in words; and the same instance goes on to read a good one.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ErrorCode } from "../bindings/numbers.ts";
import { loadCore, type TestCore } from "./support/core.ts";
import { DONE, entriesOf, parse, tensor, tensorsOf } from "./support/gguf-reader.ts";
import { type EntrySpec, entry, type FileSpec, gguf } from "./support/gguf-writer.ts";
import { shared } from "./support/shared.ts";

const { BAD_FILE, UNSUPPORTED, BAD_ARGUMENT, WRONG_STATE } = ErrorCode;

const core = loadCore("portable");
const { exports } = core;

const ENTRIES: EntrySpec[] = [
  ["general.architecture", "string", "llama"],
  ["general.name", "string", "Zwölf \0 Boxkämpfer"],
  ["llama.block_count", "u32", 2],
  ["k.u8", "u8", 200],
  ["k.i8", "i8", -3],
  ["k.u16", "u16", 60000],
  ["k.i16", "i16", -30000],
  ["k.i32", "i32", -2000000000],
  ["k.f32", "f32", 0.5],
  ["k.true", "bool", true],
  ["k.false", "bool", false],
  ["k.u64", "u64", 2n ** 40n],
  ["k.i64", "i64", -(2n ** 40n)],
  ["k.f64", "f64", 1e300],
  ["k.empty", "string", ""],
  ["a.u8", "u8[]", [1, 2, 255]],
  ["a.i16", "i16[]", [-1, 2]],
  ["a.f32", "f32[]", [0.25, -1.5]],
  ["a.bool", "bool[]", [true, false, true]],
  ["a.f64", "f64[]", [3.25]],
  ["a.none", "i32[]", []],
  ["a.no_strings", "string[]", []],
  ["a.string", "string[]", ["<s>", "", "ä", "▁the"]],
];
const TENSORS = [
  { name: "token_embd.weight", type: 8, ne: [64, 10] },
  { name: "blk.0.attn_q.weight", type: 2, ne: [64, 64] },
  { name: "blk.0.ffn.weight", type: 12, ne: [256, 3, 2, 2] },
  { name: "n\0ul", type: 0, ne: [5] },
];
const SOUND: FileSpec = { entries: ENTRIES, tensors: TENSORS };

/** What the file says, for comparing. */
function expectSound(parsed: { g: number; status: number }, size: number, version = 3): void {
  assert.is(parsed.status, DONE, core.message);
  const { g } = parsed;
  assert.is(exports.gguf_version(g), version);
  const values = ENTRIES.map((item) => {
    const [key, , value] = item as [string, string, unknown];
    return [key, typeof value === "bigint" ? Number(value) : value];
  });
  assert.equal([...entriesOf(core, g)], values);
  const tensors = tensorsOf(core, g);
  assert.equal(
    tensors.map(({ name, type, ne }) => ({ name, type, ne })),
    TENSORS,
  );
  assert.equal(
    tensors.map(({ bytes }) => bytes),
    [680, 2304, 1728, 20],
  );
  let end = Number(exports.gguf_data_start(g));
  assert.is(end % exports.gguf_alignment(g), 0);
  for (const { offset, bytes } of tensors) {
    assert.is(offset % exports.gguf_alignment(g), 0);
    assert.ok(offset >= end && offset + bytes <= size);
    end = offset + bytes;
  }
  for (const item of TENSORS) assert.is(tensor(core, find("tensor", g, item.name)).name, item.name);
  assert.is(find("tensor", g, "blk.0.attn_q.weigh"), 0);
  assert.is(find("entry", g, "k.u6"), 0);
  assert.is.not(find("entry", g, "k.u64"), 0);
}

function find(what: "entry" | "tensor", g: number, name: string): number {
  const at = core.put(name);
  const found = exports[`gguf_find_${what}`](g, at, new TextEncoder().encode(name).length) >>> 0;
  core.release(at);
  return found;
}

/** Parses a file that must be refused; returns the message. */
function refused(bytes: Uint8Array, code: number, on: TestCore = core): string {
  const { g, status } = parse(on, bytes);
  const { message } = on;
  assert.is(status, code, `${status}: ${message}`);
  assert.is(on.exports.gguf_step(on.core, g), WRONG_STATE);
  on.exports.gguf_release(on.core, g);
  return message;
}

for (const version of [2, 3]) {
  test(`a version ${version} file with every value type`, () => {
    const bytes = gguf({ ...SOUND, version });
    const parsed = parse(core, bytes);
    expectSound(parsed, bytes.length, version);
    assert.is(parsed.requests, 1);
    exports.gguf_release(core.core, parsed.g);
  });
}

test("the parser resumes wherever the bytes stop", () => {
  const bytes = gguf(SOUND);
  for (let chunk = 1; chunk < 200; chunk++) {
    const parsed = parse(core, bytes, chunk);
    expectSound(parsed, bytes.length);
    exports.gguf_release(core.core, parsed.g);
  }
});

test("alignments other than 32, and a file without tensors", () => {
  for (const alignment of [8, 64, 4096]) {
    const bytes = gguf({
      alignment,
      entries: [...ENTRIES.slice(0, 3), ["general.alignment", "u32", alignment]],
      tensors: TENSORS,
    });
    const { g, status } = parse(core, bytes);
    assert.is(status, DONE, core.message);
    assert.is(exports.gguf_alignment(g), alignment);
    assert.is(Number(exports.gguf_data_start(g)) % alignment, 0);
    exports.gguf_release(core.core, g);
  }
  const { g, status } = parse(core, gguf({ entries: ENTRIES }).subarray(0, -1));
  assert.is(status, DONE, core.message);
  assert.is(exports.gguf_tensor(g, 0), 0);
  exports.gguf_release(core.core, g);
});

test("a long header is read once, in few pieces, and given back whole", () => {
  const words = Array.from({ length: 20000 }, (_, i) => `word-${i}`);
  const bytes = gguf({
    entries: [
      ["general.architecture", "string", "llama"],
      ["tokenizer.ggml.tokens", "string[]", words],
      ["tokenizer.ggml.scores", "f32[]", words.map((_, i) => -i)],
    ],
    tensors: Array.from({ length: 3000 }, (_, i) => ({ name: `blk.${i}.weight` })),
  });
  const before = core.put("mark");
  core.release(before);
  const { g, status, requests, read } = parse(core, bytes);
  assert.is(status, DONE, core.message);
  assert.ok(requests <= 8, `${requests} requests`);
  assert.ok(read <= 1.6 * Number(exports.gguf_data_start(g)), `${read} bytes read`);
  assert.equal(entriesOf(core, g).get("tokenizer.ggml.tokens"), words);
  for (const i of [0, 1, 1499, 2998, 2999]) {
    assert.is(tensor(core, find("tensor", g, `blk.${i}.weight`)).name, `blk.${i}.weight`);
  }
  exports.gguf_release(core.core, g);
  assert.is(core.put("mark"), before);
  core.release(before);
});

test("the readers check type and range, and the first trouble stays", () => {
  const cases: [EntrySpec, "number" | "float" | "text", number | RegExp][] = [
    [["x.n", "u8", 7], "number", 7],
    [["x.n", "i64", 4294967295n], "number", 4294967295],
    [["x.n", "i16", -1], "number", /x\.n is -1, which is out of range/],
    [["x.n", "u64", 2n ** 64n - 1n], "number", /out of range/],
    [["x.n", "i64", -(2n ** 63n)], "number", /x\.n is -9223372036854775808/],
    [["x.n", "string", "7"], "number", /x\.n is of type string, but must be an integer/],
    [["x.n", "bool", true], "number", /x\.n is of type bool, but must be an integer/],
    [["x.n", "f32", 7], "number", /x\.n is of type f32/],
    [["x.n", "u32[]", [7]], "number", /x\.n is of type array of u32/],
    [["x.n", "f64", 0.5], "float", 0.5],
    [["x.n", "f32", Number.NaN], "float", /not a finite number/],
    [["x.n", "f64", 1e300], "float", /not a finite number/],
    [["x.n", "u32", 1], "float", /x\.n is of type u32, but must be a float/],
    [["x.n", "u32", 1], "text", /x\.n is of type u32, but must be a string/],
  ];
  for (const [item, reader, expected] of cases) {
    const { g, status } = parse(core, gguf({ entries: [item] }));
    assert.is(status, DONE, core.message);
    const value = exports[`gguf_read_${reader}`](core.core, g, exports.gguf_entry(g, 0));
    if (typeof expected === "number") {
      assert.is(reader === "number" ? value >>> 0 : value, expected);
      assert.is(exports.gguf_trouble(g), 0);
    } else {
      assert.is(value, 0);
      assert.is(exports.gguf_trouble(g), BAD_FILE);
      assert.match(core.message, expected);
    }
    exports.gguf_release(core.core, g);
  }
});

const one = (over: Record<string, unknown>): FileSpec => ({ ...SOUND, tensors: [{ name: "t", ...over }] });
const keyed = (...entries: EntrySpec[]): FileSpec => ({ ...SOUND, entries });
const patched = (key: string, at: number, value: number): Uint8Array => {
  const bytes = entry([key, "u32", 0]);
  bytes[at] = value;
  return bytes;
};

const BROKEN: [what: string, file: FileSpec | Uint8Array, code: number, words: RegExp][] = [
  ["an empty file", new Uint8Array(0), BAD_FILE, /not a GGUF file: it has 0 bytes/],
  ["another format", gguf({ ...SOUND, magic: "PK\x03\x04" }), BAD_FILE, /begins with "PK\?\?" instead of "GGUF"/],
  ["version 1", { ...SOUND, version: 1 }, UNSUPPORTED, /GGUF version 1 is not supported/],
  ["version 4", { ...SOUND, version: 4 }, UNSUPPORTED, /GGUF version 4 is not supported/],
  ["swapped bytes", { ...SOUND, version: 0x03000000 }, UNSUPPORTED, /big-endian/],
  ["2^60 keys", { ...SOUND, keyCount: 2n ** 60n }, BAD_FILE, /claims 1152921504606846976 metadata keys/],
  ["2^64-1 tensors", { ...SOUND, tensorCount: 2n ** 64n - 1n }, BAD_FILE, /claims 18446744073709551615 tensors/],
  ["one key too many", { ...SOUND, keyCount: ENTRIES.length + 1 }, BAD_FILE, /./],
  ["an empty key", keyed(["", "u32", 1]), BAD_FILE, /a name of 0 bytes/],
  ["a key of 2^56 bytes", keyed(patched("key", 7, 1)), BAD_FILE, /a name of 72057594037927939 bytes/],
  ["an unknown value type", keyed(["k", 13, 1]), BAD_FILE, /metadata key k has value type 13/],
  ["a string past the end", keyed(Uint8Array.of(...entry(["k", 8, 0xffffff]), 0, 0, 0, 0)), BAD_FILE, /ends within/],
  [
    "an array of 2^60",
    keyed(Uint8Array.of(...entry(["k", 9, 4]), 0, 0, 0, 0, 0, 0, 0, 16)),
    BAD_FILE,
    /key k claims 1152/,
  ],
  ["nested arrays", keyed(["k", "array[]", [] as never]), UNSUPPORTED, /array of arrays/],
  [
    "an array of no type",
    keyed(Uint8Array.of(...entry(["k", 9, 99]), 0, 0, 0, 0, 0, 0, 0, 0)),
    BAD_FILE,
    /value type 99/,
  ],
  ["a bool of 2", keyed(Uint8Array.of(...entry(["k", "bool", true]).slice(0, -1), 2)), BAD_FILE, /value 2 for a bool/],
  ["a key twice", keyed(["k", "u32", 1], ["j", "u32", 1], ["k", "u32", 1]), BAD_FILE, /key k stands in the file twice/],
  ["an architecture that is a number", keyed(["general.architecture", "u32", 1]), BAD_FILE, /must be a string/],
  ["alignment 48", keyed(["general.alignment", "u32", 48]), BAD_FILE, /general\.alignment is 48/],
  ["alignment 4", keyed(["general.alignment", "u32", 4]), BAD_FILE, /general\.alignment is 4,/],
  ["alignment 0", keyed(["general.alignment", "u32", 0]), BAD_FILE, /general\.alignment is 0/],
  ["alignment 2^31", keyed(["general.alignment", "u32", 2 ** 31]), BAD_FILE, /general\.alignment is 2147483648/],
  ["alignment as text", keyed(["general.alignment", "string", "32"]), BAD_FILE, /must be an integer/],
  ["a tensor without a name", one({ name: "" }), BAD_FILE, /a name of 0 bytes/],
  ["a tensor with a long name", one({ name: "x".repeat(256) }), BAD_FILE, /a name of 256 bytes/],
  ["a tensor twice", { tensors: [{ name: "a" }, { name: "b" }, { name: "a" }] }, BAD_FILE, /tensor a stands .* twice/],
  ["no dimensions", one({ dimensions: 0 }), BAD_FILE, /tensor t claims 0 dimensions/],
  ["five dimensions", one({ ne: [1, 1, 1, 1, 1] }), BAD_FILE, /tensor t claims 5 dimensions/],
  ["a zero dimension", one({ ne: [32, 0] }), BAD_FILE, /tensor t has the size 0/],
  ["a dimension of 2^63", one({ ne: [32, 2n ** 63n] }), BAD_FILE, /the size 9223372036854775808/],
  ["sizes that overflow", one({ ne: [2 ** 31, 2 ** 31, 2 ** 31, 8] }), BAD_FILE, /tensor t lies outside the file/],
  ["a broken block", one({ type: 2, ne: [33] }), BAD_FILE, /rows of 33 elements.*32 in a block of Q4_0/],
  [
    "a type that does not run, outside the file",
    { ...one({ type: 9, offset: 4096 }), dataBytes: 128 },
    BAD_FILE,
    /outside/,
  ],
  [
    "a type that does not run, in the place of another tensor",
    { tensors: [{ name: "a" }, { name: "b", type: 9, offset: 0 }], dataBytes: 999 },
    BAD_FILE,
    /overlaps/,
  ],
  ["an offset not aligned", one({ offset: 4 }), BAD_FILE, /offset 4, which is no multiple of the alignment 32/],
  ["an offset out of range", { ...one({ offset: 2 ** 40 }), dataBytes: 128 }, BAD_FILE, /tensor t lies outside/],
  ["an offset of 2^64-32", one({ offset: 2n ** 64n - 32n }), BAD_FILE, /tensor t lies outside/],
  ["data cut off", gguf(SOUND).subarray(0, -20), BAD_FILE, /tensor n\?ul lies outside the file/],
  [
    "tensors that overlap",
    {
      tensors: [
        { name: "a", offset: 96 },
        { name: "b", offset: 0 },
        { name: "c", offset: 32 },
      ],
      dataBytes: 999,
    },
    BAD_FILE,
    /tensor c overlaps b/,
  ],
];

for (const [what, file, code, words] of BROKEN) {
  test(`refused: ${what}`, () => {
    assert.match(refused(file instanceof Uint8Array ? file : gguf(file), code), words);
    const good = gguf(SOUND);
    const parsed = parse(core, good);
    expectSound(parsed, good.length);
    exports.gguf_release(core.core, parsed.g);
  });
}

test("refused: a file cut off anywhere", () => {
  const bytes = gguf(SOUND);
  for (let length = 0; length < bytes.length - 12; length++) refused(bytes.subarray(0, length), BAD_FILE);
});

const part = (no: number, count: number, tensors: string[], claimed = 4): Uint8Array =>
  gguf({
    entries: [
      ...(no === 0 ? ENTRIES : []),
      ["split.no", "u16", no],
      ["split.count", "u16", count],
      ["split.tensors.count", "i32", claimed],
    ],
    tensors: tensors.map((name) => ({ name })),
  });

/** Parses and merges; the status, and the record of the first. */
function merge(files: Uint8Array[]): { status: number; g: number; parts: number[] } {
  const parts = files.map((bytes, i) => {
    const { g, status } = parse(core, bytes, 0, i);
    assert.is(status, DONE, core.message);
    return g;
  });
  const list = core.put(Uint32Array.from(parts));
  const status = exports.gguf_merge(core.core, list, parts.length);
  core.release(list);
  return { status, g: parts[0], parts };
}

test("split files become one model", () => {
  const before = core.put("mark");
  core.release(before);
  const { status, g } = merge([part(0, 3, ["d", "b"]), part(1, 3, ["a"]), part(2, 3, ["c"])]);
  assert.is(status, DONE, core.message);
  assert.equal(
    tensorsOf(core, g).map(({ name, file }) => name + file),
    ["d0", "b0", "a1", "c2"],
  );
  for (const name of ["a", "b", "c", "d"]) assert.is(tensor(core, find("tensor", g, name)).name, name);
  exports.gguf_release(core.core, g);
  assert.is(core.put("mark"), before);
  core.release(before);
});

test("a whole model merges with itself alone", () => {
  const { status, g } = merge([gguf(SOUND)]);
  assert.is(status, DONE, core.message);
  exports.gguf_release(core.core, g);
});

const SPLITS: [what: string, files: Uint8Array[], code: number, words: RegExp][] = [
  ["one part of two", [part(0, 2, ["a"])], BAD_ARGUMENT, /split over 2 files, and 1 was given/],
  ["parts in the wrong order", [part(1, 2, ["a"]), part(0, 2, ["b"])], BAD_ARGUMENT, /file 1 .* is part 2 of 2/],
  ["parts of two models", [part(0, 2, ["a"]), part(1, 3, ["b"])], BAD_ARGUMENT, /file 2 .* is part 2 of 3/],
  ["two whole models", [gguf(SOUND), gguf(SOUND)], BAD_ARGUMENT, /split over 1 file, and 2 were given/],
  ["a tensor missing", [part(0, 2, ["a", "b"]), part(1, 2, ["c"])], BAD_FILE, /hold 3 tensors, .* is 4/],
  ["a tensor in two parts", [part(0, 2, ["a", "b"]), part(1, 2, ["a", "c"])], BAD_FILE, /tensor a stands .* twice/],
];
for (const [what, files, code, words] of SPLITS) {
  test(`refused split: ${what}`, () => {
    const { status, parts } = merge(files);
    assert.is(status, code);
    assert.match(core.message, words);
    for (const g of parts) exports.gguf_release(core.core, g);
  });
}

test("tensors of types that limpet does not run are listed: they reach to the next one, or to the end", () => {
  const bytes = gguf({
    tensors: [
      { name: "a", type: 9, ne: [256], offset: 0 },
      { name: "b", type: 77, ne: [5, 3], offset: 96 },
      { name: "c", ne: [8], offset: 128 },
      { name: "d", type: 15, ne: [64], offset: 160 },
    ],
    dataBytes: 200,
  });
  const { g, status } = parse(core, bytes);
  assert.is(status, 0, core.message);
  assert.equal(
    tensorsOf(core, g).map(({ name, type, bytes: size }) => [name, type, size]),
    [
      ["a", 9, 96],
      ["b", 77, 32],
      ["c", 0, 32],
      ["d", 15, 40],
    ],
  );
  exports.gguf_release(core.core, g);
});

test("both builds refuse in the same words", () => {
  const scalar = loadCore("scalar");
  for (const [, file, code] of BROKEN) {
    const bytes = file instanceof Uint8Array ? file : gguf(file);
    assert.is(refused(bytes, code, scalar), refused(bytes, code));
  }
});

test("real files: stories260K and the vocabularies of llama.cpp", () => {
  const stories = shared("data/stories260K.gguf");
  const vocabs = shared("data/vocabs");
  if (!stories || !vocabs) return;
  const files = readdirSync(vocabs).filter((name) => name.endsWith(".gguf"));
  for (const path of [stories, ...files.map((name) => join(vocabs, name))]) {
    const { g, status } = parse(core, readFileSync(path));
    assert.is(status, DONE, `${path}: ${core.message}`);
    const values = entriesOf(core, g);
    assert.type(values.get("general.architecture"), "string");
    const tokens = values.get("tokenizer.ggml.tokens") as string[];
    assert.ok(tokens.length >= 512);
    if (path === stories) {
      assert.is(values.get("llama.block_count"), 5);
      assert.equal(tensor(core, find("tensor", g, "token_embd.weight")).ne, [64, 512]);
    }
    exports.gguf_release(core.core, g);
  }
});

test.run();
