/**
 * The WASI command in two JavaScript hosts against the command line in Node: the same words give the same answers, texts
 * and statuses, because both read one table of commands and run one core.
 */
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConsoleStdout, File } from "@bjorn3/browser_wasi_shim";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SHAPES } from "../scripts/architectures.mjs";
import { DEMO_TEXT } from "../scripts/demo-model.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { compile } from "../src/grammar.ts";
import { escapeText } from "../src/host/escape.ts";
import { Model } from "../src/index.ts";
import { TEMPLATES } from "./support/chat-templates.ts";
import { type Host, nodeCommand, nodeWasi, shimWasi } from "./support/commands.ts";
import { sameBits } from "./support/core.ts";
import { chainModel } from "./support/scripted.ts";

const chatDemo = makeModel("demo");
const chatty = ["tokenizer.chat_template", "string", TEMPLATES["ChatML"]] as const;

/** A vocabulary of bytes in which a word comes apart into more tokens than it has bytes: no space has a token. */
function wordy(): Uint8Array {
  const file = makeModel("demo");
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, "X", ...Array.from({ length: 508 }, (_, i) => `unused ${i}`)];
  const types: number[] = tokens
    .map((token) => ["<unk>", "<s>", "</s>"].indexOf(token))
    .map((i) => (i < 0 ? 1 : i ? 3 : 2));
  types.fill(6, 3, 3 + bytes.length);
  types[tokens.indexOf("X")] = 4;
  const own = file.metadata.filter(([key]) => !key.startsWith("tokenizer."));
  const metadata = [
    ...own,
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.scores", "f32[]", tokens.map(() => 0)],
    ["tokenizer.ggml.token_type", "i32[]", types],
    ["tokenizer.ggml.bos_token_id", "u32", 1],
    ["tokenizer.ggml.eos_token_id", "u32", 2],
  ] as typeof file.metadata;
  return new Uint8Array(encodeGguf({ ...file, metadata }));
}

/** The demo with more ids of tokens, and without a key. */
function demoWith(ids: [key: string, id: number][], without = ""): Uint8Array {
  const file = makeModel("demo");
  const metadata = file.metadata.filter(([key]) => key !== without);
  for (const [key, id] of ids) metadata.push([`tokenizer.ggml.${key}`, "u32", id]);
  return new Uint8Array(encodeGguf({ ...file, metadata }));
}

/** A model of random weights that is talked with: each token hangs on all before it. */
function withTemplate(kind: string): Uint8Array {
  const file = makeModel(kind, "Q4_0");
  return new Uint8Array(encodeGguf({ ...file, metadata: [...file.metadata, chatty as never] }));
}

/** A model whose file says how it is best sampled. */
function tasteful(): Uint8Array {
  const file = makeModel("plm-1m", "Q4_0");
  const taste = [
    ["general.sampling.temp", "f32", 0.6],
    ["general.sampling.top_k", "i32", 20],
    ["general.sampling.top_p", "f32", 0.95],
    ["general.sampling.min_p", "f32", 0],
    ["general.sampling.penalty_repeat", "f32", 1.3],
    ["general.sampling.penalty_last_n", "i32", 8],
  ] as never[];
  return new Uint8Array(encodeGguf({ ...file, metadata: [...file.metadata, ...taste] }));
}

const files = new Map<string, Uint8Array>([
  ["wordy.gguf", wordy()],
  ["infill.gguf", demoWith(["prefix", "suffix", "middle"].map((key, i) => [`${key}_token_id`, 700 + i]))],
  ["nameless.gguf", demoWith([], "tokenizer.ggml.pre")],
  ["wordy.txt", new TextEncoder().encode("Xa".repeat(40))],
  ["demo.gguf", new Uint8Array(encodeGguf(makeModel("demo")))],
  ["chat.gguf", new Uint8Array(encodeGguf({ ...chatDemo, metadata: [...chatDemo.metadata, chatty as never] }))],
  ["plm.gguf", new Uint8Array(encodeGguf(makeModel("plm-1m", "Q4_0")))],
  ["former.gguf", new Uint8Array(encodeGguf(makeModel("memoryformer-tiny")))],
  ["experts.gguf", new Uint8Array(encodeGguf(makeModel("qwen3moe-tiny", "Q8_0")))],
  ["talk.gguf", withTemplate("plm-1m")],
  ["taste.gguf", tasteful()],
  ["vocabulary.gguf", new Uint8Array(encodeGguf({ ...makeModel("demo"), tensors: [] }))],
  ["text.txt", new TextEncoder().encode(DEMO_TEXT.repeat(3))],
  ["fits.table", compile({ schema: { type: "array", items: { enum: ["a b", 12, null] }, minItems: 2 } }).table],
  ["forced.table", compile({ schema: { enum: ["Once upon a time there", "Once was"] } }).table],
  ["broken.gguf", new TextEncoder().encode("GGUF is what this is not, though it begins so.")],
]);

const builds = fileURLToPath(new URL("../build/test/", import.meta.url));
mkdirSync(builds, { recursive: true });
const parent = mkdtempSync(join(builds, "wasi-"));
mkdirSync(join(parent, "data"));
for (const [name, bytes] of files) writeFileSync(join(parent, "data", name), bytes);
process.on("exit", () => rmSync(parent, { recursive: true, force: true }));

const node = nodeCommand(parent);
const hosts: Host[] = [
  nodeWasi("limpet.wasi.wasm", parent),
  shimWasi("limpet.wasi.wasm", files),
  shimWasi("limpet.wasi.scalar.wasm", files),
];

/** Tokens of single letters: an answer of others may be no UTF-8, and then what is kept of it is not the same everywhere. */
const LETTERS = Array.from({ length: 26 }, (_, i) => 65 + i).join();

/** Words, and what stdin holds. All hosts answer with the same bytes, and with nothing on stderr. */
const SAME: [words: string[], input?: string | Uint8Array][] = [
  [["generate", "data/demo.gguf", "-p", DEMO_TEXT.slice(0, 20), "-n", "40"]],
  [["generate", "data/demo.gguf", "-p", "-", "-n", "10"], DEMO_TEXT.slice(0, 30)],
  [
    [
      "generate",
      "data/demo.gguf",
      "--prompt=" + DEMO_TEXT.slice(0, 20),
      "--stop",
      DEMO_TEXT.slice(30, 34),
      "--stop",
      "~",
    ],
  ],
  [["generate", "data/demo.gguf", DEMO_TEXT.slice(0, 20), "-n", "10"]],
  [["generate", "data/demo.gguf", "-n", "10"], `${DEMO_TEXT.slice(0, 20)}\r\n`],
  [["generate", "data/demo.gguf", "-p", "a", "-n", "0"]],
  [["generate", "data/plm.gguf", "-p", "a", "-n", "40", "--temp", "0.7"]],
  [["generate", "data/taste.gguf", "-p", "a", "-n", "40", "--temp", "1"]],
  [["generate", "data/chat.gguf", "--system", "Be brief.", "-p", "Hello", "-n", "12"]],
  [["chat", "data/chat.gguf", "-n", "12"], "Hello\r\nAnd again\r\n"],
  [["chat", "data/talk.gguf", "-n", "12", "--temp", "1", "--force", LETTERS], "Hello\nAnd again\nAnd again\n"],
  [
    ["chat", "data/talk.gguf", "-n", "60", "--temp", "1", "--force", LETTERS, "--system", "Hm.", "-c", "300"],
    "Hello\nAnd\nMore\nYes\nNo\n",
  ],
  [["chat", "data/talk.gguf", "-n", "400", "--temp", "1", "--force", LETTERS, "-c", "200"], "Hello\nAnd again\n"],
  [["chat", "data/chat.gguf", "--system", "Be brief.", "-n", "30", "--ctx", "160"], "Hello there\n".repeat(6)],
  [["chat", "data/chat.gguf", "-n", "200", "--ctx", "96", "--temp", "1"], "Hello there\n".repeat(3)],
  [
    [
      "generate",
      "data/plm.gguf",
      "-p",
      "a",
      "-n",
      "24",
      "--temp",
      "0.8",
      "--top-k",
      "50",
      "--top-p",
      ".95",
      "--seed",
      "7",
    ],
  ],
  [["generate", "data/plm.gguf", "-p", "a", "-n", "24", "--temp", "1e0", "--min-p", "0.01", "--repeat-penalty", "1.2"]],
  [
    [
      ..."generate data/plm.gguf -p a -n 40 --temp 1 --repeat-last-n 9 --presence-penalty 0.3 --frequency-penalty 0.2".split(
        " ",
      ),
      ..."--dry-multiplier 0.8 --top-n-sigma 3 --typical-p 0.95 --xtc-probability 0.4 --xtc-threshold 0.05".split(" "),
      ..."--dynatemp-range 0.4 --dynatemp-exp 1.2 --mirostat-ent 4 --logit-bias 65:2.5,66:-1e1 --ban 7,8".split(" "),
    ],
  ],
  [["generate", "data/plm.gguf", "-p", "a", "-n", "5", "--force", "70, 71", "--ban=71"]],
  [["generate", "data/plm.gguf", "-p", "a b c", "-n", "8", "--form", "expanded", "--kv", "f32", "--ctx", "32"]],
  [["generate", "data/plm.gguf", "-p", "a b c", "-n", "8", "--kv", "q8_0"]],
  [["generate", "data/infill.gguf", "-p", "When the tide", "--suffix", " falls,", "-n", "12"]],
  [["generate", "data/infill.gguf", "-p", "", "--suffix", "", "-n", "4"]],
  [["generate", "data/demo.gguf", "-p", "a", "-n", "40", "--grammar-table", "data/fits.table"]],
  [["generate", "data/plm.gguf", "-p", "a", "-n", "60", "--temp", "2", "--grammar-table", "data/fits.table"]],
  [["generate", "data/demo.gguf", "-p", "a", "-n", "60", "--temp", "1", "--grammar-table", "data/forced.table"]],
  [["chat", "data/chat.gguf", "-n", "30", "--top-k", "9", "--grammar-table", "data/fits.table"], "Hello\nAgain"],
  [["generate", "data/chat.gguf", "--chat", "-p", "Hello", "-n", "12"]],
  [["chat", "data/chat.gguf", "--system", "Be brief.", "-n", "12"], "Hello\n\n  \nAnd again\nlast"],
  [["tokenize", "data/demo.gguf", "Once upon a time, 世界 🌍"]],
  [["tokenize", "data/demo.gguf", "--bos", "--special", "<s> a </s>"]],
  [["tokenize", "data/demo.gguf", "-"], Uint8Array.of(97, 0, 98, 10)],
  [["tokenize", "data/demo.gguf", "--", "-p"]],
  [["inspect", "data/plm.gguf", "--json"]],
  [["inspect", "data/nameless.gguf", "--json"]],
  [["inspect", "data/demo.gguf", "--json"]],
  [["inspect", "data/former.gguf", "--json"]],
  [["inspect", "data/plm.gguf", "--program"]],
  [["inspect", "data/demo.gguf", "--program"]],
  [["inspect", "data/former.gguf", "--program"]],
];

/** Wrong command lines: status 2, and the same words on stderr. */
const USAGE: string[][] = [
  [],
  ["nosuch"],
  ["tokenize", "data/demo.gguf"],
  ["generate", "data/demo.gguf"],
  ["help", "nosuch"],
  ["generate", "data/demo.gguf", "-p", "a", "-t", "0"],
  ["generate", "data/demo.gguf", "-p"],
  ["generate", "data/demo.gguf", "-p", "a", "--nosuch"],
  ["generate", "data/demo.gguf", "-p", "a", "-n", "1.5"],
  ["generate", "data/demo.gguf", "-p", "a", "--temp", "warm"],
  ["generate", "data/demo.gguf", "-p", "a", "--kv", "q9"],
  ["generate", "data/demo.gguf", "-p", "a", "--json=1"],
  ["generate", "data/demo.gguf", "-p", "a", "--ban", "1,x"],
  ["generate", "data/demo.gguf", "-p", "a", "--force", "1:2"],
  ["generate", "data/demo.gguf", "-p", "a", "--logit-bias", "5"],
  ["generate", "data/demo.gguf", "-p", "a", "--logit-bias", "5:1,6:"],
  ["chat", "data/demo.gguf", "--logit-bias", "99999999999:1"],
  ["generate", "data/demo.gguf", "more", "-p", "a"],
  ["generate", "data/infill.gguf", "-p", "a", "--suffix", "b", "--chat"],
  ["inspect", "data/demo.gguf", "--time"],
  ["inspect", "data/demo.gguf", "--program", "--json"],
  ["logits", "data/demo.gguf", "--out", "data/x"],
  ["logits", "data/demo.gguf", "--tokens", "1,x", "--out", "data/x"],
  ["logits", "data/demo.gguf", "--tokens", ",", "--out", "data/x"],
  ["logits", "data/demo.gguf", "--tokens", "1"],
];

/** What gives the same text in every host: the build, a seed, and no temperature where none is asked for. */
function alike(words: readonly string[]): string[] {
  if (!/^(generate|chat)$/.test(words[0])) return [...words];
  const more = ["--build", "portable"];
  if (!words.includes("--seed")) more.push("--seed", "5");
  if (!words.includes("--temp")) more.push("--temp", "0");
  return [words[0], ...more, ...words.slice(1)];
}

for (const [given, input] of SAME) {
  const words = alike(given);
  test(`as in Node: ${given.join(" ").slice(0, 90)}`, () => {
    const want = node.run(words, input);
    assert.is(want.status, 0, want.err);
    for (const host of hosts) {
      const got = host.run(words, input);
      assert.is(got.err, want.err, host.name);
      assert.is(got.out, want.out, host.name);
      assert.is(got.status, 0, host.name);
    }
  });
}

for (const words of USAGE) {
  test(`a wrong command line, as in Node: ${words.join(" ")}`, () => {
    const want = node.run(words);
    assert.is(want.status, 2, want.err);
    for (const host of hosts) assert.equal(host.run(words), want, host.name);
  });
}

test("a grammar's table of a stranger is a failure in words, or answers as in Node", () => {
  const table = files.get("fits.table")!;
  const path = join(parent, "data", "strange.table");
  const strange = (bytes: Uint8Array) => {
    writeFileSync(path, bytes);
    const words = ["generate", "data/demo.gguf", "-p", "a", "-n", "9", "--grammar-table", "data/strange.table"];
    const want = node.run(words);
    assert.equal(nodeWasi("limpet.wasi.wasm", parent).run(words), want);
    assert.is(want.status === 0 || want.err.startsWith("limpet: "), true, want.err);
    return want;
  };
  assert.match(strange(new Uint8Array(0)).err, /this is no table of a grammar/);
  assert.match(strange(table.subarray(0, table.length - 4)).err, /this is no table of a grammar/);
  assert.match(strange(files.get("text.txt")!).err, /this is no table of a grammar/);
  const words = new Uint32Array(table.slice().buffer);
  for (let i = 0, seed = 5; i < 8; i++) {
    const changed = words.slice();
    for (let k = 0; k < 3; k++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      changed[4 + (seed % (words.length - 4))] = seed % 3 ? seed % words.length : seed;
    }
    strange(new Uint8Array(changed.buffer));
  }
  for (const host of [node, ...hosts]) {
    const { status, err } = host.run(["generate", "data/demo.gguf", "-p", "a", "--grammar-table", "data/none"]);
    assert.is(status, 1, host.name);
    assert.match(err, /data\/none/);
  }
});

test("what is doubtful about a file is a line on stderr, as in Node", () => {
  for (const words of [
    ["tokenize", "data/nameless.gguf", "a"],
    ["generate", "data/nameless.gguf", "-p", "a", "-n", "2", "--temp", "0", "--build", "portable"],
  ]) {
    const want = node.run(words);
    assert.is(want.status, 0);
    assert.match(want.err, /^limpet: the file does not name its pre-tokenizer [^\n]+\n$/);
    for (const host of hosts) assert.equal(host.run(words), want, host.name);
  }
  for (const host of hosts)
    assert.is(host.run(["inspect", "data/nameless.gguf"]).err, node.run(["inspect", "data/nameless.gguf"]).err);
});

test("what needs a host's own files or the model that ships: a wrong command line here", () => {
  for (const [words, said] of [
    [["convert", "data", "data/x.gguf"], "convert is for Node and Deno: npx limpet"],
    [["quantize", "data/demo.gguf", "data/out.gguf", "Q8_0"], "quantize is for Node and Deno: npx limpet"],
    [["graph", "data/x.tflite"], "graph has a wasm of its own: limpet.graph.wasi.wasm"],
    [["generate", "-p", "a"], "MODEL is missing"],
  ] as const) {
    for (const host of hosts) {
      const { status, out, err } = host.run(words);
      assert.equal([status, out, err.split("\n")[0]], [2, "", `limpet: ${said}`], host.name);
    }
  }
});

test("generate --json gives the text and the tokens that the API gives", async () => {
  const prompt = DEMO_TEXT.slice(0, 20);
  const words = ["generate", "data/demo.gguf", "-p", prompt, "-n", "30", "--json", "--temp", "0"];
  const model = await Model.load(files.get("demo.gguf")!);
  const generation = model.generate(prompt, { maxTokens: 30 });
  await generation.text();
  const { text, tokens, finishReason } = generation.result!;
  for (const host of hosts) {
    const { out, status } = host.run(words);
    assert.is(status, 0, host.name);
    const { prefill_tps, decode_tps, prompt_tokens, seed, ...rest } = JSON.parse(out);
    assert.equal(rest, { text, tokens, finish_reason: finishReason }, host.name);
    assert.ok(prefill_tps > 0 && decode_tps > 0, host.name);
    assert.is(prompt_tokens, model.tokenizer.tokenize(prompt, { bos: true }).length);
    assert.ok(Number.isInteger(seed) && seed !== JSON.parse(host.run(words).out).seed, "another one each time");
    const keys = ["text", "tokens", "finish_reason", "prefill_tps", "decode_tps", "prompt_tokens", "seed"];
    assert.equal(Object.keys(JSON.parse(out)), keys);
  }
  model.dispose();
});

test("logits are the API's, bit for bit, in any chunks", async () => {
  const tokens = Array.from({ length: 40 }, (_, i) => (i * 37) % 500);
  const model = await Model.load(files.get("plm.gguf")!);
  const want = await model.logits(tokens, { form: "absorbed" });
  for (const host of hosts) {
    for (const chunk of ["0", "7"]) {
      const words = ["logits", "data/plm.gguf", "--tokens", tokens.join(","), "--out", "data/logits", "--chunk", chunk];
      assert.equal(host.run([...words, "--form", "absorbed"]), { status: 0, out: "", err: "" }, host.name);
      assert.ok(sameBits(host.take("logits"), want), `${host.name}, chunks of ${chunk}`);
    }
  }
  model.dispose();
});

test("perplexity is the API's, of a text with more tokens than bytes too", async () => {
  for (const [name, text, windows] of [
    ["plm.gguf", "text.txt", 2],
    ["wordy.gguf", "wordy.txt", 6],
  ] as const) {
    const model = await Model.load(files.get(name)!);
    const want = await model.perplexity(new TextDecoder().decode(files.get(text)), { context: 32, windows });
    for (const host of hosts) {
      const words = ["perplexity", `data/${name}`, `data/${text}`, "--ctx", "32", "--windows", String(windows)];
      const { out, err, status } = host.run(words);
      assert.is(status, 0, `${host.name}: ${err}`);
      const { perplexity, bits_per_byte: bits, ...rest } = JSON.parse(out);
      assert.equal(rest, { tokens: want.tokens, bytes: want.bytes, windows, ctx: 32 }, host.name);
      assert.ok(Math.abs(perplexity / want.perplexity - 1) < 1e-8, `${perplexity} for ${want.perplexity}`);
      assert.ok(Math.abs(bits / want.bitsPerByte - 1) < 1e-8, `${bits} for ${want.bitsPerByte}`);
    }
    model.dispose();
  }
});

test("tables that stay in the file give the same text, and bench says how many rows were read", () => {
  const words = [
    "generate",
    "data/former.gguf",
    "-p",
    "Once upon",
    "-n",
    "12",
    "--temp",
    "1",
    "--seed",
    "3",
    "--build",
    "portable",
  ];
  const want = node.run(words);
  assert.is(want.status, 0, want.err);
  for (const host of [node, ...hosts]) {
    for (const cache of ["0", "1"]) {
      assert.equal(host.run([...words, "--tables", "stream", "--table-cache", cache]), want, host.name);
    }
    const bench = ["bench", "data/former.gguf", "-p", "8", "-n", "4", "--tables", "stream", "--table-cache", "0"];
    const { memory_bytes, tables } = JSON.parse(host.run(bench).out);
    // Five tables of 32 chunks in each layer, and the embedding.
    assert.is(tables.rows_wanted, 5 * 32 * SHAPES["memoryformer-tiny"].layers + 1, host.name);
    assert.is(tables.rows_read, tables.rows_wanted, host.name);
    assert.ok(tables.bytes > 0 && tables.bytes_read > 0 && memory_bytes > 0, host.name);
  }
});

test("experts that stay in the file give the logits of the API, and bench says how many matrices were read", async () => {
  const tokens = [3, 50, 7, 200, 9];
  const model = await Model.load(files.get("experts.gguf")!);
  const want = await model.logits(tokens);
  model.dispose();
  const stream = ["--experts", "stream", "--expert-cache", "0"];
  const [host] = hosts;
  const words = ["logits", "data/experts.gguf", "--tokens", tokens.join(","), "--out", "data/logits"];
  assert.equal(host.run([...words, ...stream]), { status: 0, out: "", err: "" });
  assert.ok(sameBits(host.take("logits"), want));
  for (const own of [node, host]) {
    const { experts, tables } = JSON.parse(
      own.run(["bench", "data/experts.gguf", "-p", "8", "-n", "4", ...stream]).out,
    );
    assert.is(tables, undefined, own.name);
    // Three matrices of four experts in each of three layers.
    assert.is(experts.slabs_wanted, 3 * 4 * 3, own.name);
    assert.ok(experts.slabs_read > 0 && experts.slabs_read <= experts.slabs_wanted, own.name);
    assert.ok(experts.bytes > 0 && experts.bytes_read > 0, own.name);
  }
});

/** A file that has lost its end by the time that it is read so many times. */
class Cut extends File {
  reads = 0;
  readonly most: number;

  constructor(bytes: Uint8Array, most: number) {
    super(bytes as Uint8Array<ArrayBuffer>);
    this.most = most;
  }

  override path_open(...how: Parameters<File["path_open"]>): ReturnType<File["path_open"]> {
    const opened = super.path_open(...how);
    const { fd_obj: file } = opened;
    if (!file) return opened;
    const read = file.fd_read.bind(file);
    file.fd_read = (size) => {
      if (++this.reads === this.most) this.data = this.data.slice(0, 1000);
      return read(size);
    };
    return opened;
  }
}

test("a file that is cut while its tables are read is a failure in words", () => {
  const words = ["logits", "data/cut.gguf", "--tokens", "1,2", "--out", "data/x", "--tables", "stream"];
  const run = (file: Cut) => shimWasi("limpet.wasi.wasm", new Map([["cut.gguf", file]])).run(words);
  const whole = new Cut(files.get("former.gguf")!, Number.POSITIVE_INFINITY);
  assert.is(run(whole).status, 0);
  const { status, err } = run(new Cut(files.get("former.gguf")!, whole.reads));
  assert.is(status, 1);
  assert.match(err, /cut\.gguf.*changed meanwhile/);
});

test("logits are not written over a model, by whatever name it is reached", () => {
  const bytes = files.get("demo.gguf")!;
  const [path, other, link] = ["own.gguf", "other", "link"].map((name) => join(parent, "data", name));
  for (const host of [node, nodeWasi("limpet.wasi.wasm", parent)]) {
    writeFileSync(path, bytes);
    writeFileSync(other, bytes);
    linkSync(path, link);
    const names = host === node ? ["own.gguf", "link"] : ["own.gguf", "other", "link"];
    for (const out of names) {
      const { status, err } = host.run(["logits", "data/own.gguf", "--tokens", "1,2", "--out", `data/${out}`]);
      assert.is(status, 1, `${host.name}: ${out}`);
      assert.match(err, host === node ? /: it is the file that is read/ : /is a model: choose another name/);
      assert.ok(sameBits(readFileSync(path), bytes) && sameBits(readFileSync(other), bytes), host.name);
    }
    for (const left of [path, other, link]) rmSync(left);
  }
});

test("an answer goes to a terminal without what that obeys, and to a pipe as it is", () => {
  // No byte twice: each says which comes next.
  for (const [said, safe] of [
    ["a\u001b]0;x\u0007\n\t", "a\\u001b]0;x\\u0007\n\t"],
    ["b\u200dc", "b\u200dc"],
    ["b\u202ec", "b\\u202ec"],
    ["\u009fé", "\\u009fé"],
    ["😊", "😊"],
  ]) {
    const bytes = [...new TextEncoder().encode(said)];
    const held = new Map([["chain.gguf", chainModel([65, ...bytes])]]);
    const words = ["generate", "data/chain.gguf", "-p", "A", "-n", String(bytes.length), "--temp", "0"];
    assert.is(escapeText(said), safe, "as in Node");
    for (const file of ["limpet.wasi.wasm", "limpet.wasi.scalar.wasm"]) {
      const piped = shimWasi(file, held).run(words);
      assert.is(piped.status, 0, piped.err);
      assert.is(piped.out, `${said}\n`);
      const shown = shimWasi(file, held, ConsoleStdout).run(words);
      assert.is(shown.out, `\x1b[2mA\x1b[22m${safe}\n`, "the prompt is dimmed before it");
      assert.match(
        shown.err,
        /^limpet: cut after \d+ tokens: -n N allows more\n\x1b\[2m\d+ tokens.*seed \d+\x1b\[22m\n$/,
      );
    }
  }
});

test("bench prints its figures", () => {
  for (const host of hosts) {
    const { out, status } = host.run(["bench", "data/plm.gguf", "-p", "16", "-n", "4"]);
    assert.is(status, 0, host.name);
    const figures = JSON.parse(out);
    const rates = ["load_ms", "prefill_tps", "decode_tps", "memory_bytes"];
    assert.equal(Object.keys(figures), [...rates, "rss_peak_bytes", "kv_bytes_per_token", "build"]);
    for (const name of rates) assert.ok(figures[name] > 0, `${host.name}: ${name} ${figures[name]}`);
    assert.is(figures.rss_peak_bytes, null);
    assert.is(figures.build, host.name.includes("scalar") ? "scalar" : "portable");
  }
});

test("doctor finds every kernel right, with the same bits in every build and host", () => {
  const last = hosts.map((host) => {
    const { out, status } = host.run(["doctor"]);
    assert.is(status, 0, out);
    return out.match(/^kernels .*$/m)?.[0];
  });
  assert.match(last[0]!, /(\d+) of \1 block formats multiply right; hash [0-9a-f]{16}/);
  assert.equal(
    last,
    hosts.map(() => last[0]),
  );
});

test("odd numbers mean the same in every host", () => {
  const odd = [
    "1e3",
    "0x10",
    " 5",
    "5 ",
    "+5",
    "-5",
    "05",
    "5.",
    "",
    "٣",
    "1_000",
    "9".repeat(30),
    "18446744073709551616",
  ];
  const sized = ["18446744073709551615", "4294967296", "2147483648"];
  // How a number is spelt is read by the flag's kind, whole or not; what its size means, flag by flag.
  const kinds = ["-n", "--temp"];
  const flags = [...kinds, "--top-k", "--seed", "--repeat-last-n", "--min-p", "--reasoning-budget"];
  for (const value of [...odd, ...sized]) {
    for (const flag of ["-5", ...sized].includes(value) ? flags : kinds) {
      const words = ["generate", "data/demo.gguf", "-p", DEMO_TEXT.slice(0, 20), `--temp`, "0", "--build", "portable"];
      const all = [...words, ...(flag === "-n" ? [] : ["-n", "3"]), flag, value];
      const want = node.run(all);
      const got = hosts[0].run(all);
      assert.equal([got.status, got.out], [want.status, want.out], `${flag} "${value}": ${want.err} ${got.err}`);
      if (want.status === 2) assert.is(got.err, want.err);
    }
  }
});

test("what a default cut off is told, and what was asked for is not", () => {
  const words = ["generate", "data/plm.gguf", "-p", "a", "--temp", "0", "--build", "portable", "--ban", "0,1,2"];
  for (const host of [node, ...hosts]) {
    assert.match(host.run([...words]).err, /^limpet: cut after 256 tokens: -n N allows more\n$/, host.name);
    assert.is(host.run([...words, "-n", "5"]).err, "", host.name);
    const full = host.run([...words, "-n", "500", "--ctx", "20"]);
    assert.equal([full.status, full.err], [0, "limpet: cut: the context is full; -c N makes it longer\n"], host.name);
  }
});

test("--version and help COMMAND, as in Node", () => {
  for (const host of hosts) {
    for (const words of [["--version"], ["help", "tokenize"], ["help", "chat"]]) {
      const { out, status } = host.run(words);
      assert.equal(
        [out.replaceAll("MODEL", "[MODEL]"), status],
        [node.run(words).out.replace(/\bMODEL\b(?!\])/g, "[MODEL]"), 0],
      );
    }
  }
});

test("--help names every command and flag", () => {
  for (const host of hosts) {
    const all = host.run(["--help"]);
    assert.is(all.status, 0);
    assert.equal(all, node.run(["help"]).out.includes("[MODEL]") ? { ...all, err: "" } : node.run(["help"]));
    for (const word of ["generate", "chat", "tokenize", "logits", "perplexity", "bench", "inspect", "doctor"]) {
      assert.match(all.out, new RegExp(`^  ${word}\\b`, "m"));
      assert.match(host.run([word, "--help"]).out, new RegExp(`^usage: limpet ${word}`));
    }
    assert.match(
      host.run(["generate", "data/none", "--help"]).out,
      /-n, --max-tokens N +most tokens .*\(default 256\)/,
    );
  }
});

test("what goes wrong is one line, and status 1", () => {
  const failures: [string[], RegExp][] = [
    [["generate", "data/none.gguf", "-p", "a"], /^limpet: cannot open data\/none\.gguf: no such file/],
    [["generate", "../demo.gguf", "-p", "a"], /^limpet: cannot open \.\.\/demo\.gguf/],
    [["generate", "/data/demo.gguf", "-p", "a"], /^limpet: cannot open \/data\/demo\.gguf/],
    [["generate", "data/broken.gguf", "-p", "a"], /^limpet: /],
    [["inspect", "data/broken.gguf"], /^limpet: /],
    [["inspect", "data/none.gguf", "--program"], /^limpet: cannot open data\/none\.gguf: no such file/],
    [["inspect", "data/vocabulary.gguf", "--program"], /^limpet: this file holds a vocabulary alone/],
    [["inspect", "data/vocabulary.gguf", "--program", "--time"], /^limpet: this file holds a vocabulary alone/],
    [["generate", "data/demo.gguf", "-p", ""], /^limpet: there is nothing to go on from/],
    [["tokenize", "data/text.txt", "a"], /^limpet: not a GGUF file/],
    [["generate", "data/demo-00001-of-00002.gguf", "-p", "a"], /^limpet: cannot open data\/demo-00001-of-00002\.gguf/],
    [["generate", "data/demo.gguf", "-p", "a", "--top-p", "3"], /^limpet: top-p must lie above 0/],
    [["generate", "data/demo.gguf", "-p", "a", "--build", "fast"], /^limpet: this file is the \w+ build/],
    [["generate", "data/demo.gguf", "-p", "Hello", "--ctx", "1"], /^limpet: .*--ctx/],
    [["generate", "data/plm.gguf", "-p", "a", "--chat"], /^limpet: .*chat template/],
    [["generate", "data/plm.gguf", "-p", "a", "--suffix", "b"], /^limpet: this model was not made to fill in/],
    [["logits", "data/plm.gguf", "--tokens", "4294967295", "--out", "data/x"], /^limpet: .* not in the vocabulary/],
    [["logits", "data/plm.gguf", "--tokens", "1", "--out", "data/no/x"], /^limpet: cannot write data\/no\/x/],
    [["perplexity", "data/plm.gguf", "data/text.txt", "--ctx", "99999"], /^limpet: the text has \d+ tokens/],
  ];
  for (const host of hosts) {
    for (const [words, reason] of failures) {
      const { status, out, err } = host.run(words);
      assert.is(status, 1, `${host.name}: ${words.join(" ")}`);
      assert.is(out, "", host.name);
      assert.match(err, reason);
      assert.match(err, /^[^\n]+\n$/);
    }
  }
});

test("inspect --program --time: the page with times before its steps", () => {
  const page = node.run(["inspect", "data/plm.gguf", "--program"]).out.trimEnd().split("\n");
  for (const host of hosts) {
    const { status, out, err } = host.run(["inspect", "data/plm.gguf", "--program", "--time"]);
    assert.is(err, "", host.name);
    assert.is(status, 0);
    const lines = out.split("\n");
    assert.is(lines.length, page.length + 2);
    for (const [i, line] of page.entries()) assert.ok(lines[i].endsWith(line), lines[i]);
    assert.ok(lines.filter((line) => /^( +\d+\.\d{3} +\d+\.\d){2} {2}/.test(line)).length > 8, out);
    assert.match(lines.at(-2)!, /^( +\d+\.\d{3} {2}100\.0){2} {2}in all$/);
  }
});

test("files are found by the folder's name, or in any folder", () => {
  const bare = nodeWasi("limpet.wasi.wasm", parent);
  for (const path of ["data/demo.gguf", "./data/demo.gguf", "demo.gguf", "./demo.gguf"]) {
    const { status, err } = bare.run(["tokenize", path, "a"]);
    assert.is(status, 0, `${path}: ${err}`);
  }
});

test.run();
