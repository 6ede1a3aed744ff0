/**
 * Microcontrollers: limpet.mcu.wasm, whose memory never grows, with stories260K in Q8_0. Its plan of memory is exact; as C
 * it writes the same text on this machine and, without an operating system, on a Cortex-M4.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { address } from "../../bindings/memory.ts";
import { KvType, Status } from "../../bindings/numbers.ts";
import { BUILDS } from "../../scripts/builds.mjs";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import { loadCore, type TestCore, wasmBytes } from "../support/core.ts";
import { feed } from "../support/engine.ts";
import { opcodes } from "../support/wasm.ts";
import { conform, recite, reference, SMALL_TRAINED, TEXT_TOKENS } from "./conformance.ts";
import { outcome, output, ROOT, withTools, workFolder } from "./tools.ts";

const FILE = "limpet.mcu.wasm";
const WORK = workFolder("mcu");
const MODEL = "stories260K-q8_0";
const BUILD = join(ROOT, "examples/mcu/build.sh");
/** As examples/mcu/main.c has them. */
const [ROWS, BATCH, TOKENS] = [128, 1, 100];
/** The context of the trained model, which the prompt and the text fit in. */
const TRAINED_ROWS = 64;
const { DONE, NEED_DATA, TOKEN } = Status;
const { F16 } = KvType;
const [MEMORY_SIZE, MEMORY_GROW] = [0x3f, 0x40];
/** Linear memory for a run with the weights in flash; stories260K's take 335,744 bytes in it otherwise. */
const SMALL_MEMORY = 256 * 1024;

const limit = BUILDS.mcu.memory!.endsAt!;

test("the memory never grows, and two constants say where it ends", () => {
  const bytes = wasmBytes(FILE);
  const used = opcodes(bytes);
  assert.not(used.has(MEMORY_SIZE) || used.has(MEMORY_GROW));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  const end = exports.__heap_base as WebAssembly.Global;
  const data = exports.__data_end as WebAssembly.Global;
  assert.is(end.value, limit);
  assert.ok(data.value > 0 && data.value < limit);
  assert.throws(() => (end.value = 0), TypeError);
});

/** Exports of what the build leaves out: kernels, their sums, adapters, composed pieces, budgets of rows, core neurons. */
const LEFT_OUT = [
  /^kernel_|_byte_dots$|^adapter_|_set_adapters$|_kept(_bytes)?$|neuron/,
  /^(model_can_compose|session_(append_piece|compose|compose_step|recomputed|exact|set_policy|rows))$/,
];

test("its exports are those of the scalar build but for what it leaves out, and the two constants", () => {
  const names = (file: string) =>
    WebAssembly.Module.exports(new WebAssembly.Module(wasmBytes(file))).map(({ name }) => name);
  const engine = names("limpet.scalar.wasm").filter((name) => !LEFT_OUT.some((these) => these.test(name)));
  const expected = [...engine, "__heap_base", "__data_end"];
  assert.equal(names(FILE).sort(), expected.sort());
});

interface Run {
  text: string;
  /** What the plan said that each stage would take, and what it took. */
  planned: number[];
  took: number[];
}

/** The example's run, in memory up to `end`; throws what the core refuses. */
function generate(core: TestCore, file: Uint8Array, end: number, streamed: boolean, tokens = TOKENS): Run {
  const planned: number[] = [];
  const took: number[] = [];
  const check = (status: number) => {
    if (status < 0) throw new Error(core.message);
    return status;
  };
  const handle = (pointer: number) => address(pointer === 0 ? check(-1) : pointer);
  const used = () => core.call("core_used", core.core) >>> 0;
  const stage = (plan: number, before: number) => {
    planned.push(plan);
    took.push(used() - before);
  };
  core.call("core_set_limit", core.core, end);
  const model = handle(core.call("model_create", core.core, 1, 0));
  check(core.call("model_set_file_size", model, 0, BigInt(file.length)));
  check(core.call("model_stream", model, streamed ? 1 : 0, 0));
  let reserved = false;
  for (let status = -1; status !== DONE; ) {
    const [state, before] = [core.call("model_state", model), used()];
    const plan = Number(core.exports.model_plan_bytes(model));
    status = check(core.call("model_step", model));
    if (state === 1 && !reserved) {
      stage(plan, before);
      reserved = true;
    }
    if (status === NEED_DATA) feed(core, "model", model, file);
  }
  const shape = [model, ROWS, BATCH, 1, 1, F16];
  let before = used();
  let plan = Number(core.exports.context_bytes(...shape));
  const context = handle(core.call("context_create", core.core, ...shape));
  stage(plan, before);
  before = used();
  plan = Number(core.exports.session_bytes(context));
  const session = handle(core.call("session_create", core.core, context, 0));
  stage(plan, before);
  const prompt = new TextEncoder().encode(stories.prompt);
  const given = core.put(prompt);
  check(core.call("session_append_text", session, given, prompt.length, 3));
  core.release(given);
  check(core.call("session_begin", session, tokens, 0, 0));
  let text = "";
  for (let status = -1; status !== DONE; ) {
    status = check(core.call("session_step", session));
    if (status === NEED_DATA) feed(core, "context", context, file);
    if (status === TOKEN)
      text += core.text(core.call("session_text", session), core.call("session_text_length", session));
  }
  return { text, planned, took };
}

/** Tests the plan; gives the least linear memory in which the example runs. */
function leastMemory(path: string, streamed: boolean): number {
  const file = new Uint8Array(readFileSync(path));
  const runIn = (end: number, tokens = TOKENS) =>
    generate(loadCore("scalar", { file: FILE }), file, end, streamed, tokens);
  const { text, planned, took } = runIn(limit);
  assert.ok(stories.text.startsWith(text) && text.length > 150, text);
  assert.equal(took, planned);
  // The least memory that will do, found by halving: a text takes no more of it than its first token.
  let [low, high] = [0, limit];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    try {
      runIn(middle, 1);
      high = middle;
    } catch {
      low = middle;
    }
  }
  assert.is(runIn(high).text, text);
  console.log(`linear memory: ${high} bytes, of which plans: ${planned.join(" + ")}`);
  assert.throws(() => runIn(high - 1), /not enough memory: .* takes \d+ bytes, and \d+ of \d+ are in use/);
  return high;
}

test("the plan of memory is exact to the byte, and a byte less is refused in words", () => {
  const { path } = reference(MODEL);
  if (path !== null) assert.ok(leastMemory(path, false) <= limit);
});

test("with the weights left in flash the memory is smaller than they are", () => {
  const { path } = reference(MODEL);
  if (path !== null) assert.ok(leastMemory(path, true) <= SMALL_MEMORY);
});

test("without room for the model, the core says so", () => {
  const { path } = reference("plm-1m-q8_0");
  assert.throws(
    () => generate(loadCore("scalar", { file: FILE }), new Uint8Array(readFileSync(path as string)), limit, false),
    /not enough memory/,
  );
});

type Weights = "resident" | "streamed";

/** Builds the example for a board, with a text of so many tokens, or with a list of tokens the check in its place. */
function build(
  board: string,
  model: string,
  weights: Weights,
  tokens: number | readonly number[] = TOKENS,
  rows = ROWS,
): string {
  const kind = typeof tokens === "number" ? `${tokens}` : "logits";
  const out = join(WORK, `${board}-${weights}-${kind}`);
  const settings = [`WEIGHTS=${weights}`, `MEMORY=${weights === "streamed" ? SMALL_MEMORY : limit}`];
  if (board === "host") settings.push("OPTIMIZE=-O1"); // to compile sooner
  if (typeof tokens === "number") {
    output("env", ...settings, `EXTRA=-DTOKENS=${tokens} -DCONTEXT=${rows}`, "sh", BUILD, board, model, out);
  } else {
    settings.push(`EXTRA=-Itest/hosts test/hosts/logits.c -DTOKENS=${tokens.join(",")}`);
    output("env", ...settings, "sh", BUILD, board, model, out, "test/hosts/mcu_logits.c");
  }
  return out;
}

withTools(["wasm2c", "wasm-objdump", "gcc"], () => {
  test("as C with an array for its memory it writes the text", () => {
    const { path } = reference(MODEL);
    if (path !== null) assert.ok(stories.text.startsWith(output(build("host", path, "resident")).trimEnd()));
  });

  const host = { host: "C: wasm2c", build: "mcu, a desktop" };
  conform(host, ({ path, tokens }) => output(build("host", path, "resident", tokens)).trim(), [MODEL]);
  recite(host, (path) => output(build("host", path, "resident", TEXT_TOKENS, TRAINED_ROWS)), [SMALL_TRAINED]);
});

withTools(["wasm2c", "wasm-objdump", "arm-none-eabi-gcc", "qemu-system-arm"], (_w, _o, _gcc, emulator) => {
  /** What semihosting writes goes to qemu's stderr, or to stdout: that depends on its version. */
  const runOnBoard = (program: string) => {
    const { status, stdout, stderr } = outcome(
      emulator,
      "-M",
      "mps2-an386",
      "-nographic",
      "-semihosting",
      "-kernel",
      program,
    );
    return { status, said: stdout + stderr };
  };

  for (const weights of ["resident", "streamed"] as const) {
    const where = weights === "resident" ? "memory" : "flash";

    test(`a Cortex-M4 without an operating system writes the text, weights in ${where}`, () => {
      const { path } = reference(MODEL);
      if (path === null) return;
      const { status, said } = runOnBoard(build("mps2", path, weights));
      assert.is(status, 0, said);
      const [, text, stack] = said.match(/^([\s\S]*)\nstack: (\d+) bytes\n$/) ?? [];
      assert.ok(stories.text.startsWith(text) && text.length > 150, said);
      assert.ok(Number(stack) < 4096, said);
    });

    const host = { host: "C: wasm2c, Cortex-M4 (qemu)", build: `mcu, bare metal, weights in ${where}` };
    /** What it wrote before it said how much stack it took. */
    const written = (program: string) => runOnBoard(program).said.split("\nstack: ")[0];
    conform(host, ({ path, tokens }) => written(build("mps2", path, weights, tokens)).trim(), [MODEL]);
    recite(host, (path) => written(build("mps2", path, weights, TEXT_TOKENS, TRAINED_ROWS)), [SMALL_TRAINED]);
  }
});

test.run();
