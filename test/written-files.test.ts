/**
 * What is written appears whole, under a name of its own until then, and replaces nothing but a plain file that nobody
 * reads; a full disk is words and exit status 1.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createFile } from "../bindings/new-file.ts";
import { TINY } from "../scripts/architectures.mjs";
import { convert } from "../src/convert.ts";
import { Core } from "../src/host/instance.ts";
import { readHead } from "../src/load/gguf-head.ts";
import { openSource } from "../src/load/source.ts";
import { quantizeFile } from "../src/quantize.ts";
import { GgufWriter } from "../src/store/gguf-writer.ts";
import { checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";

const MODEL = temporaryFile("model.gguf", modelBytes("demo", "F32"));
const FOLDER = join(dirname(MODEL), "written");
mkdirSync(FOLDER);
const place = (name: string) => join(FOLDER, name);
const CLI = fileURLToPath(new URL("../build/js/cli.js", import.meta.url));
const WASI = fileURLToPath(new URL("../build/limpet.wasi.wasm", import.meta.url));
const WASI_RUNNER = fileURLToPath(new URL("support/wasi-node.mjs", import.meta.url));
const linux = process.platform === "linux";

function emptyFolder(): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
}

test("a link, a device, a pipe and a folder stay what they are", async () => {
  emptyFolder();
  writeFileSync(place("target"), "kept");
  symlinkSync(place("target"), place("link"));
  symlinkSync(place("nowhere"), place("dangling"));
  mkdirSync(place("folder"));
  const cases: [path: string, words: RegExp][] = [
    [place("link"), /this is a link: name the file that it leads to/],
    [place("dangling"), /this is a link/],
    [place("folder"), /this is a folder/],
  ];
  if (linux) {
    execFileSync("mkfifo", [place("pipe")]);
    cases.push([place("pipe"), /this is a device or a pipe: name a file/], ["/dev/null", /this is a device or a pipe/]);
  }
  for (const [path, words] of cases) {
    const before = lstatSync(path);
    const error = await errorOf(() => quantizeFile(MODEL, path, "Q8_0"));
    assert.match(error.message, words);
    assert.is(error.code, "HOST");
    assert.is(lstatSync(path).ino, before.ino, path);
    assert.is(lstatSync(path).mode, before.mode, path);
  }
  assert.is(readFileSync(place("target"), "utf8"), "kept");
  assert.not(existsSync(place("nowhere")));
  assert.equal(
    readdirSync(FOLDER).filter((name) => name.endsWith(".part")),
    [],
  );
});

test("a path through a file, and a loop of links, are refused in words", async () => {
  emptyFolder();
  writeFileSync(place("file"), "kept");
  symlinkSync(place("loop"), place("loop"));
  const cases: [path: string, words: RegExp][] = [
    [join(FOLDER, "file", "x.gguf"), /there is no such folder/],
    [`${place("file")}/../x.gguf`, /there is no such folder/],
    [`${place("loop")}/x.gguf`, /leads to itself/],
    [place("loop"), /this is a link/],
  ];
  for (const [path, words] of cases) {
    const error = await errorOf(() => quantizeFile(MODEL, path, "Q8_0"));
    assert.is(error.code, "HOST", `${path}: ${error}`);
    assert.match(error.message, words);
    const { status, stderr } = spawnSync("node", [CLI, "logits", MODEL, "--tokens", "1,2", "--out", path], {
      encoding: "utf8",
    });
    assert.is(status, 1, stderr);
    assert.not.match(stderr, /\n\s+at /, "a stack trace is no word");
  }
  assert.is(readFileSync(place("file"), "utf8"), "kept");
});

test("two that write one file make it whole, whoever ends last", async () => {
  emptyFolder();
  const out = place("both.gguf");
  const types = ["Q8_0", "Q4_0", "F16"];
  const wanted = [];
  for (const type of types) {
    await quantizeFile(MODEL, place(type), type);
    wanted.push(readFileSync(place(type)));
  }
  await Promise.all(types.map((type) => quantizeFile(MODEL, out, type)));
  const made = readFileSync(out);
  assert.ok(wanted.some((bytes) => bytes.equals(made)));
  assert.equal(readdirSync(FOLDER).sort(), [...types, "both.gguf"].sort());
});

test("an unfinished file of another is not touched, and a name that became a link meanwhile is refused", async () => {
  emptyFolder();
  const [first, second] = [createFile(place("out")), createFile(place("out"))];
  assert.is.not(first.part, second.part);
  first.write(Uint8Array.of(1));
  second.write(Uint8Array.of(2));
  writeFileSync(place("target"), "kept");
  symlinkSync(place("target"), place("out"));
  assert.match((await errorOf(() => first.finish())).message, /this is a link/);
  rmSync(place("out"));
  second.finish();
  assert.equal([...readFileSync(place("out"))], [2]);
  assert.equal(readdirSync(FOLDER).sort(), ["out", "target"]);
});

test("a checkpoint's own files are not what it is converted to", async () => {
  const { parts } = checkpointOf(TINY[0]);
  const folder = writeCheckpoint("own", parts);
  for (const name of ["model.safetensors", "config.json", "tokenizer.json"]) {
    const before = readFileSync(join(folder, name));
    const error = await errorOf(() => convert(folder, join(folder, name)));
    assert.match(error.message, /it is the file that is read/);
    assert.ok(readFileSync(join(folder, name)).equals(before));
  }
});

test("logits do not replace their model, appear whole, and go into a device", () => {
  const limpet = (out: string, tokens = "1,2") =>
    spawnSync(process.execPath, [CLI, "logits", MODEL, "--tokens", tokens, "--out", out], { encoding: "utf8" });
  const before = readFileSync(MODEL);
  const own = limpet(MODEL);
  assert.is(own.status, 1);
  assert.match(own.stderr, /it is the file that is read/);
  assert.ok(readFileSync(MODEL).equals(before));
  emptyFolder();
  assert.is(limpet(place("x"), "1,99999").status, 1);
  assert.equal(readdirSync(FOLDER), []);
  assert.is(limpet(place("x")).status, 0);
  assert.is(limpet("/dev/null").status, 0);
});

test("a grammar's table replaces no schema, no link and no folder; what is read is a file", () => {
  emptyFolder();
  const schema = place("schema.json");
  writeFileSync(schema, '{"type":"string"}');
  symlinkSync(schema, place("link"));
  mkdirSync(place("folder"));
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [CLI, ...words], { encoding: "utf8", timeout: 60_000 });
  const refused = (words: RegExp, ...given: string[]) => {
    const { status, stderr } = run(...given);
    assert.is(status, 1, given.join(" "));
    assert.match(stderr, words);
    assert.match(stderr, /^limpet: [^\n]+\n$/);
  };
  refused(/is the file that is read/, "grammar", schema, "-o", schema);
  refused(/is the file that is read|this is a link/, "grammar", schema, "-o", place("link"));
  refused(/this is a folder/, "grammar", schema, "-o", place("folder"));
  refused(/there is no such/, "grammar", place("none"), "-o", place("table"));
  refused(/this is a folder, not a file/, "generate", MODEL, "-p", "a", "--grammar", FOLDER);
  if (linux) {
    execFileSync("mkfifo", [place("pipe")]);
    refused(/device or pipe, not a file/, "grammar", place("pipe"), "-o", place("table"));
    for (const flag of ["--grammar", "--schema", "--grammar-table"]) {
      refused(/device or pipe, not a file/, "generate", MODEL, "-p", "a", flag, place("pipe"));
    }
    refused(/the disk is full/, "grammar", schema, "-o", "/dev/full");
  }
  assert.is(readFileSync(schema, "utf8"), '{"type":"string"}');
  assert.not(existsSync(place("table")));
  assert.is(run("grammar", schema, "-o", place("table")).status, 0);
  assert.is(readFileSync(place("table"), "latin1").slice(0, 4), "LGT1");
});

test("a full disk is words and exit status 1, in Node and WASI", () => {
  if (!existsSync("/dev/full")) return;
  const run = (args: string[]) => {
    const full = openSync("/dev/full", "w");
    const stdio = ["ignore", full, "pipe"] as ("ignore" | number | "pipe")[];
    return spawnSync(process.execPath, args, { encoding: "utf8", stdio });
  };
  const data = JSON.stringify({ data: dirname(MODEL) });
  for (const command of [["inspect"], ["inspect", "--json"], ["generate", "-p", "the sea", "-n", "4"]]) {
    const [name, ...flags] = command;
    const runs = [
      run([CLI, name, MODEL, ...flags]),
      run(["--no-warnings", WASI_RUNNER, WASI, data, name, "data/model.gguf", ...flags]),
    ];
    for (const { status, stderr } of runs) {
      assert.is(status, 1, stderr);
      assert.match(stderr, /^limpet: the output cannot be written: the disk is full\n$/);
    }
  }
  const logits = spawnSync(process.execPath, [CLI, "logits", MODEL, "--tokens", "1", "--out", "/dev/full"], {
    encoding: "utf8",
  });
  assert.is(logits.status, 1);
  assert.is(logits.stderr, "limpet: /dev/full: the disk is full\n");
});

/** A head with what is no text and no plain number in it. */
function oddFile(): Uint8Array {
  const metadata: [string, string, unknown][] = [
    ["general.architecture", "string", "odd"],
    ["odd.broken", "string", "a??b"],
    ["odd.f32", "f32", 0],
    ["odd.f64", "f64", 0],
    ["odd.floats", "f32[]", [0, 1]],
    ["odd.words", "string[]", ["x??", "", "y"]],
    ["odd.key??", "u64", 2n ** 64n - 1n],
    ["odd.small", "i64", -(2n ** 63n)],
    ["odd.truth", "bool[]", [true, false, true]],
  ];
  const path = temporaryFile("even.gguf");
  const tensors = [{ name: "odd.weight??", type: "F32" as const, shape: [32, 2] }];
  const writer = GgufWriter.create(path, { metadata: metadata as never, tensors });
  writer.write(new Uint8Array(256));
  writer.finish();
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf("??"); at >= 0; at = bytes.indexOf("??")) bytes.set([0xff, 0xc0], at);
  const value = (key: string, skip: number) => bytes.indexOf(key) + key.length + skip;
  bytes.writeUInt32LE(0x7fa12345, value("odd.f32", 4));
  bytes.writeBigUInt64LE(0x7ff4000000000123n, value("odd.f64", 4));
  bytes.writeUInt32LE(0xffc54321, value("odd.floats", 16));
  return bytes;
}

test("keys, names and values are copied bit by bit, also what is no UTF-8 and no number", async () => {
  const [input, out] = [temporaryFile("odd.gguf", oddFile()), temporaryFile("odd-out.gguf")];
  await quantizeFile(input, out, "F32");
  const entries = async (path: string) => {
    const parts = await openSource(path);
    const { metadata, tensors } = await readHead(await Core.create({}), parts);
    for (const part of parts) part.close();
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    return {
      keys: metadata.map(([, type, , raw]) => [hex(raw!.key), type, hex(raw!.value)]),
      names: tensors.map(({ name, nameBytes }) => (nameBytes ? hex(nameBytes) : name)),
    };
  };
  const [before, after] = [await entries(input), await entries(out)];
  assert.equal(after.keys.slice(0, before.keys.length), before.keys);
  assert.is(before.keys.length, 9);
  assert.equal(after.names, [Buffer.from("odd.weight\xff\xc0", "latin1").toString("hex")]);
  assert.equal(after.names, before.names);
  // The bytes themselves, not what a reader makes of them.
  const head = readFileSync(out);
  for (const word of ["a\xff\xc0b", "x\xff\xc0", "odd.key\xff\xc0"]) {
    assert.ok(head.includes(Buffer.from(word, "latin1")), word);
  }
});

test.run();
