/** The writer of GGUF files: its bytes against those of the scripts' writer, and against what the core's parser reads. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { Core } from "../src/host/instance.ts";
import { type TensorType, TYPES, type TypeName, tensorLayout } from "../src/host/types.ts";
import type { GgufEntry } from "../src/load/gguf-entries.ts";
import { readHead } from "../src/load/gguf-head.ts";
import { openSource } from "../src/load/source.ts";
import { type GgufHead, GgufWriter } from "../src/store/gguf-writer.ts";
import { errorOf, temporaryFile } from "./support/models.ts";

const OUT = join(dirname(temporaryFile("place")), "written.gguf");

async function read(path: string): Promise<Awaited<ReturnType<typeof readHead>>> {
  const parts = await openSource(path);
  const head = await readHead(await Core.create({}), parts);
  for (const part of parts) part.close();
  return head;
}

/** Names of unfinished files. */
const unfinished = () => readdirSync(dirname(OUT)).filter((name) => name.endsWith(".part"));

/** Entries without the bytes that they were read from. */
const plain = (entries: readonly GgufEntry[]) => entries.map(([key, type, value]) => [key, type, value]);

test("the bytes are those of the other writer, whatever the pieces", () => {
  const file = makeModel("qwen3-tiny", "Q4_K");
  const expected = encodeGguf(file);
  const head = { metadata: file.metadata as readonly GgufEntry[], tensors: file.tensors };
  const writer = GgufWriter.create(OUT, head);
  assert.is(writer.size, expected.length);
  assert.ok(!existsSync(OUT) || readFileSync(OUT).length !== expected.length, "it appears when it is finished");
  for (const { type, shape, fill } of makeModel("qwen3-tiny", "Q4_K").tensors) {
    const layout = tensorLayout(type);
    const bytes = new Uint8Array((shape.reduce((a, b) => a * b, 1) / layout.elements) * layout.bytes);
    fill(bytes);
    for (let at = 0; at < bytes.length; at += 40_000) writer.write(bytes.subarray(at, at + 40_000));
  }
  writer.finish();
  assert.ok(Buffer.from(expected).equals(readFileSync(OUT)));
  assert.equal(unfinished(), []);
});

const ENTRIES: GgufEntry[] = [
  ["general.architecture", "string", "plm"],
  ["a.u8", "u8", 200],
  ["a.i8", "i8", -100],
  ["a.u16", "u16", 60000],
  ["a.i16", "i16", -30000],
  ["a.u32", "u32", 4e9],
  ["a.i32", "i32", -2e9],
  ["a.f32", "f32", 0.5],
  ["a.bool", "bool", true],
  ["a.u64", "u64", 2n ** 63n],
  ["a.i64", "i64", -(2n ** 62n)],
  ["a.f64", "f64", 0.1],
  ["a.texts", "string[]", ["", "é", "tide\n"]],
  ["a.numbers", "i16[]", [1, -2, 3]],
  ["a.bools", "bool[]", [true, false]],
  ["a.none", "u32[]", []],
];

test("every type of value is read as it was written, alignment is heeded, and a head is written again as it was", async () => {
  const head: GgufHead = {
    metadata: [...ENTRIES, ["general.alignment", "u32", 256]],
    tensors: [
      { name: "first", type: "F16", shape: [3] },
      { name: "second", type: "Q8_0", shape: [32, 2] },
    ],
  };
  const write = (what: GgufHead) => {
    const writer = GgufWriter.create(OUT, what);
    writer.write(Uint8Array.of(1, 2, 3, 4, 5, 6));
    writer.write(new Uint8Array(68).fill(7));
    writer.finish();
    return readFileSync(OUT);
  };
  const bytes = write(head);
  const { metadata, tensors } = await read(OUT);
  assert.equal(plain(metadata), plain(head.metadata));
  assert.equal(
    tensors.map(({ offset, type, shape }) => [offset % 256, type, shape]),
    [
      [0, "F16", [3]],
      [0, "Q8_0", [32, 2]],
    ],
  );
  assert.equal([...bytes.subarray(tensors[0].offset, tensors[0].offset + 7)], [1, 2, 3, 4, 5, 6, 0]);
  assert.is(bytes[tensors[1].offset], 7);
  const again = { metadata, tensors: tensors.map(({ type, ...rest }) => ({ type: type as TensorType, ...rest })) };
  assert.ok(bytes.equals(write(again)));
});

test("a head may be long", async () => {
  const words = Array.from({ length: 20_000 }, (_, i) => "x".repeat(i % 50));
  const head: GgufHead = { metadata: [["a.words", "string[]", words]], tensors: [] };
  GgufWriter.create(OUT, head).finish();
  assert.equal(plain((await read(OUT)).metadata), plain(head.metadata));
});

test("a file may be larger than 4 GiB", async () => {
  const tensors = ["a", "b", "c"].map((name) => ({ name, type: "Q8_0" as const, shape: [8192, 400_000] }));
  const writer = GgufWriter.create(OUT, { metadata: [], tensors });
  const bytes = readFileSync(join(dirname(OUT), unfinished()[0]));
  writer.discard();
  assert.ok(writer.size > 2 * 2 ** 32 && writer.size === bytes.length + 3 * 3_481_600_000, String(writer.size));
  const core = await Core.create({});
  const read = (at: number, to: Uint8Array) => {
    to.set(bytes.subarray(at, at + to.length));
    return to.length; // the data is not there, and nobody looks at it
  };
  const head = await readHead(core, [{ size: writer.size, close() {}, read }]);
  assert.is(head.tensors[2].offset, bytes.length + 2 * 3_481_600_000);
});

test("the sizes of blocks are the core's", async () => {
  const { exports } = await Core.create({});
  for (const type of Object.keys(TYPES) as TypeName[]) {
    const { id, elements, bytes } = tensorLayout(type);
    assert.is(exports.kernel_row_bytes(id, elements), bytes, type);
    if (elements > 1) assert.is(exports.kernel_row_bytes(id, elements / 2), 0, type);
  }
});

test("what is wrong is said, and nothing half is left", async () => {
  const fails = async (words: RegExp, head: Partial<GgufHead>, work: (writer: GgufWriter) => void = () => {}) => {
    let writer: GgufWriter | undefined;
    const error = await errorOf(() => {
      writer = GgufWriter.create(OUT, { metadata: [], tensors: [], ...head });
      work(writer);
    });
    assert.match(error.message, words);
    writer?.discard();
    assert.equal(unfinished(), []);
  };
  const tensor = { name: "a", type: "F32" as const, shape: [2] };
  await fails(/two of the tensor a/, { tensors: [tensor, tensor] });
  await fails(/two of the key a/, { metadata: [["a", "u32", 1], ["a", "u32", 1]] }); // biome-ignore format: a table
  await fails(/rows of 40 are no whole blocks of Q4_0/, { tensors: [{ ...tensor, type: "Q4_0", shape: [40] }] });
  await fails(/no tensor is 0 × 2/, { tensors: [{ ...tensor, shape: [0, 2] }] });
  await fails(/1 to 4 dimensions/, { tensors: [{ ...tensor, shape: [] }] });
  await fails(/at most 63 bytes/, { tensors: [{ ...tensor, name: "é".repeat(32) }] });
  await fails(/power of two/, { metadata: [["general.alignment", "u32", 24]] });
  await fails(/a: 12 bytes are written where 8 lack/, { tensors: [tensor] }, (w) => w.write(new Uint8Array(12)));
  await fails(/a: 8 bytes lack/, { tensors: [tensor] }, (w) => w.finish());
  const nowhere = await errorOf(() => GgufWriter.create(join(OUT, "x"), { metadata: [], tensors: [] }));
  assert.is(nowhere.code, "HOST");
  const folder = await errorOf(() => GgufWriter.create("/nowhere/x.gguf", { metadata: [], tensors: [] }));
  assert.match(folder.message, /^\/nowhere\/x\.gguf: there is no such folder$/);
});

test("a file that is there stays until the new one is finished", () => {
  writeFileSync(OUT, "old");
  const writer = GgufWriter.create(OUT, { metadata: [], tensors: [{ name: "a", type: "F32", shape: [1] }] });
  writer.write(new Uint8Array(4));
  assert.is(readFileSync(OUT, "utf8"), "old");
  writer.discard();
  assert.is(readFileSync(OUT, "utf8"), "old");
  assert.equal(unfinished(), []);
});

test.run();
