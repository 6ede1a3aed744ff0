/** The command line in Node, as a user runs it: answers on stdout, everything else on stderr, and exit statuses. */
import type { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { NO_PROMPT } from "../assembly/wasi/commands.ts";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { Model } from "../src/index.ts";
import { FILE_TYPES } from "../src/quantize/mixes.ts";
import { checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { CLI, limpet } from "./support/cli.ts";
import { DEMO_TEXT, demoFrom, modelBytes, temporaryFile } from "./support/models.ts";

const DEMO = temporaryFile("demo.gguf", modelBytes("demo"));
const RANDOM = temporaryFile("random.gguf", modelBytes("plm-1m", "Q4_0"));
const VOCABULARY = temporaryFile("vocabulary.gguf", encodeGguf({ ...makeModel("demo"), tensors: [] }));
const TIDE = demoFrom(" tide");
/** The token that might end a random text before Ctrl-C does. */
const END = "511";
const HINT = "limpet COMMAND --help shows the flags of a command.\n";

/** The text that is the same in every host. */
const SAME = ["--temp", "0", "--build", "portable"];

/** What a command answers, when nothing else is said and it succeeds. */
async function answer(...args: string[]): Promise<string> {
  const { out, err, status } = await limpet(args);
  assert.is(err, "");
  assert.is(status, 0);
  return out;
}

test("generate: the continuation and a line feed, nothing else", async () => {
  assert.is(await answer("generate", DEMO, "-p", TIDE.prompt, "-n", "200", ...SAME), `${TIDE.rest}\n`);
  assert.is(await answer("generate", "-n", "200", "--prompt", TIDE.prompt, DEMO, ...SAME), `${TIDE.rest}\n`);
  assert.is(await answer("generate", DEMO, TIDE.prompt, "-n", "200", ...SAME), `${TIDE.rest}\n`);
  // The demo is sure of every word: neither temperature nor the fast build change them.
  assert.is(await answer("generate", DEMO, TIDE.prompt, "--repeat-penalty", "1"), `${TIDE.rest}\n`);
  const stopped = await answer(
    "generate",
    DEMO,
    "-p",
    TIDE.prompt,
    "--max-tokens=200",
    "--stop",
    "xyz",
    "--stop=water",
    ...SAME,
  );
  assert.is(stopped, `${TIDE.rest.slice(0, TIDE.rest.indexOf("water"))}\n`);
  assert.is(
    await answer("generate", DEMO, "-p", TIDE.prompt, "-n", "200", "--temp", "0", "--build", "scalar"),
    `${TIDE.rest}\n`,
  );
});

test("generate --json: one object", async () => {
  const json = JSON.parse(await answer("generate", DEMO, "-p", TIDE.prompt, "-n", "200", "--json", ...SAME));
  const keys = ["text", "tokens", "finish_reason", "prefill_tps", "decode_tps", "prompt_tokens", "seed"];
  assert.equal(Object.keys(json), keys);
  assert.is(json.text, TIDE.rest);
  assert.is(json.finish_reason, "stop");
  assert.ok(json.prefill_tps > 0 && json.decode_tps > 0);
  const model = await Model.load(DEMO, { vocabularyOnly: true });
  assert.equal(json.tokens, model.tokenize(TIDE.rest));
  const one = JSON.parse(await answer("generate", DEMO, "-p", TIDE.prompt, "-n", "1", "--json"));
  assert.is(one.finish_reason, "length");
  assert.is(one.decode_tps, null);
});

test("stdin is UTF-8 with NUL, as a prompt and as a text", async () => {
  const { out, status } = await limpet(["generate", DEMO, "-p", "-", "-n", "200", ...SAME], { input: TIDE.prompt });
  assert.is(out, `${TIDE.rest}\n`);
  assert.is(status, 0);
  const text = "a\0b — 🐚\n";
  const model = await Model.load(DEMO, { vocabularyOnly: true });
  const tokenized = await limpet(["tokenize", DEMO, "-"], { input: text });
  assert.equal(JSON.parse(tokenized.out), model.tokenize(text));
});

test("tokenize: ids as JSON, bare unless asked", async () => {
  const model = await Model.load(DEMO, { vocabularyOnly: true });
  const text = `${DEMO_TEXT}<|endoftext|>`;
  assert.equal(JSON.parse(await answer("tokenize", DEMO, text)), model.tokenize(text));
  const special = JSON.parse(await answer("tokenize", DEMO, text, "--special", "--bos"));
  assert.equal(special, model.tokenize(text, { special: true, bos: true }));
  assert.equal(JSON.parse(await answer("tokenize", DEMO, "--", "--bos")), model.tokenize("--bos"));
  assert.is(await answer("tokenize", DEMO, ""), "[]\n");
});

test("logits: raw f32, the same in both builds and in any chunks", async () => {
  const model = await Model.load(RANDOM);
  const expected = Buffer.from((await model.logits([1, 2, 3, 4, 5], { form: "absorbed" })).buffer);
  const out = temporaryFile("logits.f32");
  for (const flags of [[], ["--build", "scalar"], ["--chunk", "2"]]) {
    assert.is(
      await answer("logits", RANDOM, "--tokens", "1,2,3,4,5", "--out", out, "--form", "absorbed", ...flags),
      "",
    );
    assert.ok(expected.equals(readFileSync(out)), flags.join(" "));
  }
});

test("perplexity: JSON", async () => {
  const text = temporaryFile("text.txt", DEMO_TEXT.repeat(2));
  const model = await Model.load(DEMO);
  const expected = await model.perplexity(DEMO_TEXT.repeat(2), { context: 64 });
  const json = JSON.parse(await answer("perplexity", DEMO, text, "--ctx", "64"));
  const { perplexity, bitsPerByte, tokens, bytes, windows } = expected;
  assert.equal(json, { perplexity, bits_per_byte: bitsPerByte, tokens, bytes, windows, ctx: 64 });
  assert.is(JSON.parse(await answer("perplexity", DEMO, text, "-c", "64", "--windows", "1")).tokens, 32);
});

test("bench: JSON", async () => {
  const json = JSON.parse(await answer("bench", RANDOM, "-p", "20", "-n", "10", "--kv", "f32"));
  const names = [
    "load_ms",
    "prefill_tps",
    "decode_tps",
    "memory_bytes",
    "rss_peak_bytes",
    "kv_bytes_per_token",
    "kv_bytes",
    "kv_rows",
    "build",
  ];
  assert.equal(Object.keys(json), names);
  for (const name of names.slice(0, -1)) assert.ok(json[name] > 0, name);
  assert.is(json.kv_bytes_per_token, (256 + 32) * 4 * 4);
  assert.is(json.build, "portable");
  assert.ok(json.kv_bytes >= json.kv_rows * json.kv_bytes_per_token);
  const kept = ["--ctx", "400", "--kv-policy", "d2o", "--kv-budget", "0.1"];
  const few = JSON.parse(await answer("bench", RANDOM, "-p", "200", "-n", "2", ...kept));
  assert.ok(few.kv_rows <= 40 && few.kv_bytes >= 40 * few.kv_bytes_per_token);
  const bytes = JSON.parse(await answer("bench", RANDOM, "-p", "8", "-n", "2", "--kv", "q8_0")).kv_bytes_per_token;
  assert.is(bytes, ((256 / 32) * 34 + 32 * 2) * 4, "latents in blocks, rope keys in halves");
});

test("inspect: tables and JSON, also of what limpet cannot run", async () => {
  const tables = await answer("inspect", RANDOM);
  assert.match(tables, /GGUF version 3: \d+ tensors/);
  assert.match(tables, /general\.architecture +"plm"/);
  assert.match(tables, /token_embd\.weight +Q4_0 +256 × 512 +\d+/);
  const json = JSON.parse(await answer("inspect", RANDOM, "--json"));
  assert.is(json.metadata["plm.block_count"], 4);
  assert.is(json.metadata["tokenizer.ggml.tokens"].count, 512);
  const model = await Model.load(RANDOM);
  assert.equal(json.tensors, model.tensors());
  assert.is(json.table_bytes, 0);
  const former = temporaryFile("former.gguf", modelBytes("memoryformer-tiny"));
  const { memory } = await Model.load(former, { tables: "stream" });
  assert.is(JSON.parse(await answer("inspect", former, "--json")).table_bytes, memory.tables!.bytes);
  assert.match(await answer("inspect", former), /look-up tables: [\d.]+ MB, which --tables stream leaves in the file/);
});

test("inspect --program: the program, of the header alone; --time: what its steps take", async () => {
  const page = await answer("inspect", RANDOM, "--program");
  const model = await Model.load(RANDOM);
  assert.is(page, model.program);
  const timed = (await answer("inspect", RANDOM, "--program", "--time")).split("\n");
  const lines = page.trimEnd().split("\n");
  assert.is(timed.length, lines.length + 2);
  for (const [i, line] of lines.entries()) assert.ok(timed[i].endsWith(line), timed[i]);
  const leaders = timed.filter((line) => /^( +\d+\.\d{3} +\d+\.\d){2} {2}/.test(line));
  const steps = lines.filter((line) => /^ +\d+ /.test(line));
  // All but those that run with another (or took no time that the clock shows), and the sums.
  assert.ok(
    leaders.length > steps.length / 2 && leaders.length <= steps.length + 1,
    `${leaders.length} of ${steps.length}`,
  );
  assert.match(timed.at(-2)!, /^( +\d+\.\d{3} {2}100\.0){2} {2}in all$/);
});

test("chat: a line in, an answer out, and the conversation kept", async () => {
  const template = "{% for m in messages %}{{ m['content'] }}{% endfor %}";
  const model = temporaryFile(
    "chat.gguf",
    modelBytes("demo", "F16", [["tokenizer.chat_template", "string", template]]),
  );
  const lines = `${TIDE.prompt}\n\n${TIDE.prompt}`;
  const { out, err, status } = await limpet(["chat", model, "-n", "200", ...SAME], { input: lines });
  assert.is(err, "");
  assert.is(status, 0);
  assert.is(out, `${TIDE.rest}\n${TIDE.rest}\n`);
  assert.is(await answer("generate", model, "--chat", "-p", TIDE.prompt, "-n", "200", ...SAME), `${TIDE.rest}\n`);
});

test("convert: a line on stderr, and a file that generates", async () => {
  const folder = writeCheckpoint("cli-checkpoint", checkpointOf("plm-1m").parts);
  const file = `${folder}.gguf`;
  const { out, err, status } = await limpet(["convert", folder, file, "--type", "q8_0"]);
  assert.is(status, 0, err);
  assert.is(out, "");
  assert.match(err, /^\S+cli-checkpoint\.gguf: plm, \d+ tensors, [\d.]+ MB\n$/);
  assert.type(JSON.parse(await answer("generate", file, "-p", "Once", "-n", "2", "--json")).text, "string");
});

test("doctor finds the kernels right", async () => {
  const out = await answer("doctor");
  assert.match(out, /portable: right/);
  assert.match(out, /scalar: right/);
});

test("help is an answer", async () => {
  const all = await answer("--help");
  for (const name of [
    "generate",
    "chat",
    "tokenize",
    "logits",
    "perplexity",
    "bench",
    "inspect",
    "graph",
    "convert",
    "doctor",
  ]) {
    assert.ok(all.includes(`  ${name} `), name);
    const about = await answer(name, "--help");
    assert.match(about, new RegExp(`^usage: limpet ${name}`));
    assert.is(await answer("help", name), about);
  }
  assert.is(await answer("help"), all);
});

test("--version is that of the package", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  for (const word of ["--version", "-V", "version"]) assert.is(await answer(word), `limpet ${version}\n`);
});

const TYPES_WANTED = `--type wants one of: ${FILE_TYPES.join(", ")}`;
const WRONG: [string[], string][] = [
  [[], "a command is missing"],
  [["sing"], "there is no command sing"],
  [["generate"], NO_PROMPT],
  [["inspect"], "MODEL is missing"],
  [["graph"], "FILE is missing"],
  [["graph", DEMO, "-o", "x.raw"], "the flag --input is missing"],
  [["convert", "folder"], "OUT is missing"],
  [["convert", "folder", "x.gguf", "--type", "Q9"], TYPES_WANTED],
  [["inspect", DEMO, "--time"], "the flag --program is missing"],
  [["inspect", DEMO, "--program", "--json"], "--program is not printed as JSON"],
  [["generate", DEMO], NO_PROMPT],
  [["generate", DEMO, "a", "-p", "b"], "a is one argument too many"],
  [["help", "sing"], "there is no command sing"],
  [["generate", DEMO, "-p", "x", "-t", "0"], "-t wants a whole number, 1 or more"],
  [["generate", DEMO, "-p"], "-p wants a value"],
  [["generate", DEMO, "-p", "x", "--loud"], "there is no flag --loud here"],
  [["generate", DEMO, "-p", "x", "-n", "many"], "-n wants a whole number, 0 or more"],
  [["generate", DEMO, "-p", "x", "--temp", "hot"], "--temp wants a number"],
  [["generate", DEMO, "-p", "x", "--json=yes"], "--json takes no value"],
  [["generate", DEMO, "-p", "x", "--build", "slow"], "--build wants one of: auto, fast, portable, scalar"],
  [["tokenize", DEMO], "TEXT is missing"],
  [["tokenize", DEMO, "a", "b"], "b is one argument too many"],
  [["logits", DEMO, "--tokens", "1,x", "--out", "f"], "--tokens wants token ids with commas between, not x"],
];

test("a wrong command line: what is wrong with it, and status 2", async () => {
  const runs = await Promise.all(
    WRONG.map(async ([args, words]) => ({ args, words, ...(await limpet(args, { input: "" })) })),
  );
  for (const { args, words, out, err, status } of runs) {
    assert.is(err, `limpet: ${words}\n${HINT}`);
    assert.is(out, "");
    assert.is(status, 2, args.join(" "));
  }
});

test("a failure: one readable line, and status 1", async () => {
  const broken = temporaryFile("broken.gguf", modelBytes("demo").subarray(0, 2000));
  const cases: [string[], RegExp][] = [
    [["generate", "no-such-file.gguf", "-p", "x"], /^limpet: no-such-file\.gguf: there is no such file\n$/],
    [["generate", "test", "-p", "x"], /^limpet: test: this is a folder, not a file\n$/],
    [["generate", CLI, "-p", "x"], /^limpet: not a GGUF file: .*\n$/],
    [["convert", "test", "x.gguf"], /^limpet: test\/config\.json: there is no such file\n$/],
    [["inspect", "no-such-file.gguf", "--program"], /^limpet: no-such-file\.gguf: there is no such file\n$/],
    [["inspect", VOCABULARY, "--program"], /^limpet: this file holds a vocabulary alone.*\n$/],
    [["inspect", VOCABULARY, "--program", "--time"], /^limpet: this file holds a vocabulary alone.*\n$/],
    [["inspect", broken], /^limpet: .*download it again\n$/],
    [["generate", DEMO, "-p", "x", "--top-p", "2"], /^limpet: top-p must lie .*\n$/],
    [["generate", DEMO, "-p", DEMO_TEXT, "--ctx", "5"], /^limpet: the context holds 5 tokens.*\n$/],
    [["generate", DEMO, "-p", "x", "--chat"], /^limpet: .*no chat template.*\n$/],
    [["logits", DEMO, "--tokens", "1,99999", "--out", temporaryFile("none")], /^limpet: the token 99999 .*\n$/],
    [["logits", DEMO, "--tokens", "1", "--out", "no/such/folder/f"], /^limpet: no\/such\/folder\/f: .*\n$/],
    [
      ["perplexity", DEMO, temporaryFile("short.txt", "Too short."), "--ctx", "500"],
      /^limpet: the text has \d+ tokens.*\n$/,
    ],
  ];
  const runs = await Promise.all(cases.map(async ([args, words]) => ({ args, words, ...(await limpet(args)) })));
  for (const { args, words, out, err, status } of runs) {
    assert.match(err, words);
    assert.is(out, "");
    assert.is(status, 1, args.join(" "));
  }
});

test("Ctrl-C ends the line and the process, with status 130", async () => {
  let sent = false;
  const watch = (out: string, child: ReturnType<typeof spawn>) => {
    if (!sent && out.length > 20) sent = child.kill("SIGINT");
  };
  const { out, err, status } = await limpet(
    ["generate", RANDOM, "-p", "abc", "-n", "100000", "--ctx", "20000", "--ban", END],
    {
      watch,
    },
  );
  assert.is(status, 130);
  assert.is(err, "");
  assert.ok(out.endsWith("\n"));
});

test("a reader that goes away ends the process in silence", async () => {
  const watch = (_: string, child: ReturnType<typeof spawn>) => child.stdout!.destroy();
  const { err, status } = await limpet(["generate", RANDOM, "-p", "abc", "-n", "3000", "--ctx", "4096"], { watch });
  assert.is(err, "");
  assert.is(status, 0);
});

test("the build has a command that runs by itself", () => {
  assert.ok(existsSync(CLI));
  assert.match(readFileSync(CLI, "utf8"), /^#!\/usr\/bin\/env node\n/);
});

test.run();
