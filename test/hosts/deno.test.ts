/** Deno: the package as it is, and its command line. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import { shared } from "../support/shared.ts";
import { reference } from "./conformance.ts";
import { finish, javascriptHost, runProcess } from "./javascript.ts";
import { output, withTools } from "./tools.ts";

withTools(["deno"], (deno) => {
  const version = output(deno, "--version").split(" ")[1];
  const run = ["run", "--no-config", "--no-lock", "--allow-read", "--allow-net"];

  javascriptHost(`Deno ${version}`, "package", { paths: true, workers: true }, (job) => runProcess(deno, run, job));

  test("Deno: the command line writes llama.cpp's text, and nothing else", async () => {
    const { path } = reference("stories260K");
    if (path === null) return;
    const command = ["build/js/cli.js", "generate", path, "-p", stories.prompt, "-n", "30"];
    const args = [...command, "--temp", "0", "--build", "portable"];
    const { status, stdout, stderr } = await finish(deno, ["run", "-A", "--no-config", ...args]);
    assert.is(status, 0, stderr);
    assert.ok(stdout.length > 40 && stories.text.startsWith(stdout.trimEnd()), stdout);
    assert.not.match(stderr, /error|warning/i);
  });

  test("Deno: the command line sees tflite-micro's person, and none", async () => {
    const folder = shared("data/graphs");
    if (folder === null) return;
    for (const [input, score] of [
      ["no_person", -57],
      ["person", 113],
    ] as const) {
      const files = [`${folder}/models/person_detect.tflite`, "-i", `${folder}/inputs/person_detect_${input}.i8.bin`];
      const command = ["build/js/cli.js", "graph", ...files, "--json"];
      const { status, stdout, stderr } = await finish(deno, ["run", "-A", "--no-config", ...command]);
      assert.is(status, 0, stderr);
      assert.equal(JSON.parse(stdout)[0].values, [-score, score]);
    }
  });

  test("Deno: a wrong command line ends with 2, a missing model with 1", async () => {
    const wrong = await finish(deno, ["run", "-A", "--no-config", "build/js/cli.js", "generat"]);
    assert.is(wrong.status, 2);
    const missing = await finish(deno, ["run", "-A", "--no-config", "build/js/cli.js", "inspect", "none.gguf"]);
    assert.is(missing.status, 1);
    assert.match(missing.stderr, /there is no such file/);
  });
});

test.run();
