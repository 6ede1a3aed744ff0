/** The code of docs/chat.md, docs/guides.md and docs/quantize.md, taken from there and run as it is written in projects with limpet and what it names. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { modelBytes } from "../support/models.ts";
import { driver, launchChromium, type Playwright, shownInChromium } from "./browsers.ts";
import { project, run } from "./project.ts";
import { ROOT, withTools } from "./tools.ts";

const DOCS = ["chat", "guides", "quantize"].map((page) => readFileSync(join(ROOT, `docs/${page}.md`), "utf8")).join("");
const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** The code of a name. */
function code(name: string): string {
  const block = DOCS.match(new RegExp(`\`\`\`\\w+ ${name}\n([^]*?)\`\`\``));
  assert.ok(block, `the pages have no code for ${name}`);
  return block![1];
}

/** A project with the code of a guide in a file, and a model that chats. */
async function written(name: string, file: string): Promise<string> {
  const isScript = file.endsWith(".js");
  const text = isScript
    ? (await transform(code(name), { loader: "ts", format: "esm", target: "node20" })).code
    : code(name);
  const folder = await project(`guide-${name}`, { [file]: text });
  const model = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
  writeFileSync(join(folder, "model.gguf"), model);
  return folder;
}

/** Runs the code of a name in Node. */
async function said(name: string, files: Record<string, Uint8Array> = {}): Promise<{ stdout: string; stderr: string }> {
  const folder = await written(name, "main.js");
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, file), bytes);
  return run(process.execPath, ["main.js"], folder);
}

test("a conversation", async () => {
  const { stdout, stderr } = await said("chat");
  assert.match(stderr, /^wasm\nheader\nweights\n(\d+ of \d+ tokens read\n)+$/);
  const [, cached, all] = stdout.match(/\n(\d+) of (\d+) tokens were there\n$/)!.map(Number);
  assert.ok(cached > 40 && cached < all, stdout);
});

test("JSON out", async () => {
  assert.match((await said("json")).stdout, /^(good|bad) [1-5] (stop|length)\n$/);
});

test("tools", async () => {
  assert.match((await said("tools")).stdout, /"city":"(Oslo|Paris)","degrees":(3|11)/);
});

test("search", async () => {
  const files = { "embedder.gguf": modelBytes("bert-tiny", "Q8_0"), "ranker.gguf": modelBytes("bert-rank", "Q8_0") };
  assert.match((await said("search", files)).stdout, /^(The ferry|Limpets|Rates) [^\n]+\n$/);
});

test("memory a session", async () => {
  const { stdout } = await said("memory");
  const [, weights, , tokens, total] = stdout
    .match(/^(\d+) bytes of weights, (\d+) for (\d+) tokens, (\d+) in all/)!
    .map(Number);
  assert.is(tokens, 1024);
  assert.ok(total > weights, stdout);
  assert.match(stdout, /\d+ bytes a token/);
});

test("files of strangers", async () => {
  const model = modelBytes("llama-tiny", "Q8_0");
  const { stdout } = await said("strangers", { "broken.gguf": model.slice(0, 5000) });
  assert.match(stdout, /^broken.gguf: BAD_FILE\nmodel.gguf: runs\n$/);
});

test("the kernels alone", async () => {
  assert.is((await said("kernels")).stdout, "64.0\n64.0\n");
});

for (const [name, words] of [
  ["pi", /\w/],
  ["smaller", /Q4_K_M/],
] as const) {
  test(`${name}: lines for a shell`, async () => {
    const { stdout, stderr } = await run("sh", ["-ec", code(name)], await written(name, "lines.sh"));
    assert.match(stdout + stderr, words);
  });
}

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  test("a file quantised in a page", async () => {
    const { text } = await shownInChromium(chromium, await written("quantize", "index.html"), 10);
    const [, before, after] = text.match(/^(\d+) → (\d+) bytes: /)!.map(Number);
    assert.ok(after < before, text);
  });

  test("an answer streamed to a page", async () => {
    const folder = await written("stream-server", "main.js");
    writeFileSync(join(folder, "index.html"), code("stream-page"));
    const port = 18_095;
    const script = readFileSync(join(folder, "main.js"), "utf8").replace("8080", String(port));
    writeFileSync(join(folder, "main.js"), script);
    const server = spawn(process.execPath, ["main.js"], { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
    const browser = await launchChromium(driver<Playwright>("playwright-core")!, chromium);
    try {
      const page = await browser.newPage();
      for (let tries = 0; tries < 100; tries++) {
        if (await fetch(`http://127.0.0.1:${port}/health`).catch(() => null)) break;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await page.goto(`http://127.0.0.1:${port}/`);
      const read = (what: string): Promise<string> => page.evaluate<string>(what);
      for (let tries = 0; tries < 200 && (await read("document.title")) !== "done"; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.is(await read("document.title"), "done");
      assert.ok((await read("document.querySelector('output').textContent")).length > 5);
    } finally {
      await browser.close();
      server.kill();
    }
  });
});

test.run();
