/**
 * The scalar core as C: through Debian's wasm2c and gcc, for this machine and for 32-bit Arm under an emulator. gcc must
 * not fuse a multiplication with an addition (-ffp-contract=off); with that, bits are the same.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import { conform, DECODER_TEXT_NAMES, PROMPT, recite, reference, TEXT_TOKENS } from "./conformance.ts";
import { outcome, output, ROOT, withTools, workFolder } from "./tools.ts";

const WORK = workFolder("wasm2c");
const EXAMPLE = join(ROOT, "examples/embed-c");
const HOSTS = join(ROOT, "test/hosts");
const INCLUDES = [`-I${WORK}`, `-I${EXAMPLE}`, `-I${join(ROOT, "build")}`];

/** The core as C, once for all compilers. */
function translate(wasm2c: string): void {
  output(wasm2c, join(ROOT, "build/limpet.scalar.wasm"), "-n", "limpet", "-o", join(WORK, "limpet.c"));
}

function program(gcc: string, name: string, sources: string[], options: string[]): string {
  const out = join(WORK, name);
  output(gcc, "-O1", "-ffp-contract=off", ...INCLUDES, ...sources, join(EXAMPLE, "host.c"), ...options, "-o", out);
  return out;
}

/** What the example writes behind its program's name. */
const textArguments = (path: string): string[] => [path, PROMPT, `${TEXT_TOKENS}`];

const version = (gcc: string) => `gcc ${output(gcc, "-dumpversion").trim()}`;

withTools(["wasm2c", "gcc"], (wasm2c, gcc) => {
  translate(wasm2c);
  const core = join(WORK, "limpet.o");
  const link = [core, "-lwasm-rt-impl", "-lm"];
  output(gcc, "-O2", "-ffp-contract=off", ...INCLUDES, "-c", join(WORK, "limpet.c"), "-o", core);

  const generate = program(gcc, "generate", [join(EXAMPLE, "generate.c")], link);
  test("the C example writes llama.cpp's text, and says what is wrong with a file", () => {
    const broken = join(WORK, "broken.gguf");
    writeFileSync(broken, "not a model");
    const { status, stderr } = outcome(generate, broken, "a");
    assert.is(status, 1);
    assert.match(stderr, /not a GGUF file/);
    const { path } = reference("stories260K");
    if (path !== null) assert.is(output(generate, path, stories.prompt, "120"), `${stories.text}\n`);
  });

  const logits = program(gcc, "logits", [join(HOSTS, "logits_main.c"), join(HOSTS, "logits.c")], link);
  const host = { host: `C: wasm2c, ${version(gcc)}`, build: "scalar, x86-64" };
  conform(host, ({ path, tokens }) => output(logits, path, ...tokens.map(String)).trim());
  recite(host, (path) => output(generate, ...textArguments(path)), DECODER_TEXT_NAMES);
});

withTools(["wasm2c", "arm-linux-gnueabihf-gcc", "qemu-arm"], (wasm2c, gcc, emulator) => {
  translate(wasm2c);
  const options = ["-static", "-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0", "-idirafter", "/usr/include"];
  const core = join(WORK, "limpet-arm.o");
  const link = [core, "/usr/share/wabt/wasm2c/wasm-rt-impl.c", ...options, "-lm"];
  output(gcc, "-O1", "-ffp-contract=off", ...INCLUDES, ...options, "-c", join(WORK, "limpet.c"), "-o", core);
  const logits = program(gcc, "logits-arm", [join(HOSTS, "logits_main.c"), join(HOSTS, "logits.c")], link);
  const generate = program(gcc, "generate-arm", [join(EXAMPLE, "generate.c")], link);
  const host = { host: `C: wasm2c, ${version(gcc)}`, build: "scalar, 32-bit Arm (qemu)" };
  conform(host, ({ path, tokens }) => output(emulator, logits, path, ...tokens.map(String)).trim());
  recite(host, (path) => output(emulator, generate, ...textArguments(path)), DECODER_TEXT_NAMES);
});

test.run();
