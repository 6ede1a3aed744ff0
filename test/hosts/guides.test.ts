/** The code of docs/chat.md, taken from there and run as it is written in projects with limpet and what it names. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { modelBytes } from "../support/models.ts";
import { project, run } from "./project.ts";
import { ROOT } from "./tools.ts";

const DOCS = ["chat"].map((page) => readFileSync(join(ROOT, `docs/${page}.md`), "utf8")).join("");
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
  const { code: javascript } = await transform(code(name), { loader: "ts", format: "esm" });
  const folder = await project(`guide-${name}`, { [file]: file.endsWith(".js") ? javascript : code(name) });
  const model = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
  writeFileSync(join(folder, "model.gguf"), model);
  return folder;
}

test("a conversation", async () => {
  const { stdout, stderr } = await run(process.execPath, ["main.js"], await written("chat", "main.js"));
  assert.match(stderr, /^wasm\nheader\nweights\n(\d+ of \d+ tokens read\n)+$/);
  const [, cached, all] = stdout.match(/\n(\d+) of (\d+) tokens were there\n$/)!.map(Number);
  assert.ok(cached > 40 && cached < all, stdout);
});

test.run();
