/** The model that ships: its card says what is true of it, and it is the same in both builds and through the command. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { asMarkdown, SEEDS, sample } from "../scripts/samples.mjs";
import { Model } from "../src/api/model.ts";
import { defaultModel } from "../src/default-model.ts";
import { shared } from "./support/shared.ts";

const CLI = fileURLToPath(new URL("../build/js/cli.js", import.meta.url));
const CARD = readFileSync(new URL("../models/README.md", import.meta.url), "utf8");
const BYTES = readFileSync(defaultModel);
const PROMPT = "Once upon a time";
const SAME = ["-n", "20", "--temp", "0", "--build", "portable"];

test("it takes at most 4 MB, and its card names it by name, size and hash", () => {
  assert.ok(BYTES.length <= 4_000_000, `${BYTES.length} bytes`);
  assert.ok(CARD.includes(defaultModel.pathname.split("/").pop()!));
  assert.ok(CARD.includes(`${BYTES.length.toLocaleString("en")} bytes`), BYTES.length.toLocaleString("en"));
  assert.ok(CARD.includes(createHash("sha256").update(BYTES).digest("hex")));
});

test("it is a PLM, and says whose words it learnt", async () => {
  const model = await Model.load(defaultModel);
  assert.is(model.info.architecture, "plm");
  assert.ok(model.info.layers >= 8);
  const keys = model.metadata(1);
  assert.is(keys.get("general.license")?.value, "mit");
  assert.is(keys.get("general.name")?.value, model.info.name);
});

test("the five texts of the card are those of the first five seeds", async () => {
  const model = await Model.load(defaultModel);
  for (const seed of SEEDS) assert.ok(CARD.includes(asMarkdown(seed, await sample(model, seed))), `seed ${seed}`);
});

test("at least 95 % of the words in those texts are words of the tales", async () => {
  const path = shared("data/tales-train.txt");
  if (!path) return;
  const words = (text: string) => text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const known = new Set(words(readFileSync(path, "utf8")));
  const used = words([...CARD.matchAll(/^> (.*)$/gm)].map(([, line]) => line).join("\n"));
  const share = used.filter((word) => known.has(word)).length / used.length;
  assert.ok(used.length > 300 && share >= 0.95, `${share} of ${used.length} words`);
});

test("generate and bench take it where no model is named, chat says what to do; the scalar build writes the same", () => {
  const run = (args: string[], input = "") => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [CLI, ...args], { input, encoding: "utf8" });
    assert.is(stderr, "");
    assert.is(status, 0);
    return stdout;
  };
  const text = run(["generate", "-p", PROMPT, ...SAME]);
  assert.match(text, /\w+ \w+ \w+/);
  assert.is(run(["generate", "-p", PROMPT, "-n", "20", "--temp", "0", "--build", "scalar"]), text);
  assert.is(run(["generate", fileURLToPath(defaultModel), "-p", PROMPT, ...SAME]), text);
  assert.type(JSON.parse(run(["bench", "-p", "8", "-n", "4"])).decode_tps, "number");
  // It goes on with texts and answers nobody.
  const chat = spawnSync(process.execPath, [CLI, "chat"], { input: "Tell me a tale.\n", encoding: "utf8" });
  assert.match(
    chat.stderr,
    /^limpet: the model that ships .*: limpet generate -p TEXT, or .* limpet chat MODEL\.gguf\n/,
  );
  assert.is(chat.status, 2);
});

test.run();
