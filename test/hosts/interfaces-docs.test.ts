/**
 * The code of docs/interfaces.md and docs/scale.md, taken from there and run as it is written, in projects with limpet and
 * what it names.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { modelBytes } from "../support/models.ts";
import { shownInChromium } from "./browsers.ts";
import { project, run } from "./project.ts";
import { ROOT, withTools } from "./tools.ts";

const DOCS = ["interfaces", "scale"].map((page) => readFileSync(join(ROOT, `docs/${page}.md`), "utf8")).join("");
const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** A project with the code of an interface in a file, the packages that it imports, and a model. */
async function written(name: string, file: string, packages: Record<string, string> = {}): Promise<string> {
  const block = DOCS.match(new RegExp(`\`\`\`\\w+ ${name}\n([^]*?)\`\`\``));
  assert.ok(block, `the pages have no code for ${name}`);
  const folder = await project(`docs-${name}`, { [file]: block![1] });
  for (const [one, from] of Object.entries(packages)) {
    const there = join(folder, "node_modules", one);
    mkdirSync(dirname(there), { recursive: true });
    symlinkSync(join(ROOT, from, one), there);
  }
  const model = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
  writeFileSync(join(folder, "model.gguf"), model);
  return folder;
}

test("LangChain", async () => {
  const own = { "@langchain/core": "node_modules", zod: "node_modules" };
  const folder = await written("langchain", "main.js", own);
  assert.match((await run(process.execPath, ["main.js"], folder)).stdout, /(yes|no)\n$/);
});

withTools(["node24", "npm:ai"], (node24) => {
  test("the AI SDK", async () => {
    const folder = await written("ai-sdk", "main.js", { ai: "build/hosts/npm/node_modules", zod: "node_modules" });
    assert.match((await run(node24, ["main.js"], folder)).stdout, /(yes|no)\n$/);
  });
});

withTools(["deno"], (deno) => {
  test("a server in Deno", async () => {
    const folder = await written("serve-deno", "main.js");
    const server = spawn(deno, ["run", "--allow-read", "--allow-net=127.0.0.1:8080", "main.js"], { cwd: folder });
    try {
      const ask = (path: string, body?: object): Promise<Response> =>
        fetch(`http://127.0.0.1:8080${path}`, body && { method: "POST", body: JSON.stringify(body) });
      for (let tries = 0; tries < 200 && !(await ask("/health").catch(() => null)); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const question = { model: "small", max_tokens: 5, messages: [{ role: "user", content: "Hello" }] };
      const answer = (await (await ask("/v1/chat/completions", question)).json()) as { usage: object };
      assert.is((answer.usage as { completion_tokens: number }).completion_tokens, 5);
    } finally {
      server.kill("SIGKILL");
    }
  });
});

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  test("the Prompt API in Chromium", async () => {
    const folder = await written("prompt-api", "index.html");
    const { text, title } = await shownInChromium(chromium, folder, 22);
    assert.match(text, /^(yes|no)[a-z ]{20,40}$/);
    assert.is(title, "100 %");
  });
});

test.run();
