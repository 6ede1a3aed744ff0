/**
 * Writes what the tokenizers' own libraries say of small vocabularies to test/golden/tokenizers.json, or with --check
 * holds the file against them: npm run goldens -- tokenizers [--check]
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { workFile } from "../../bench/limpet.mjs";
import { shared } from "../support/shared.ts";
import { hashOf, TEXTS_OF_HASH, tokenizerTexts } from "../support/tokenizers.ts";

const tales = shared("data/tales-train.txt");
if (!tales) process.exit(1);
const [texts, out] = [workFile("texts.json"), workFile("tokenizers.json")];
writeFileSync(texts, JSON.stringify({ t5: tokenizerTexts("t5"), others: tokenizerTexts("others") }));
const script = fileURLToPath(new URL("vocabularies.py", import.meta.url));
execFileSync(process.env.PYTHON ?? "python3", [script, tales, texts, out], { stdio: "inherit" });
const rows = JSON.parse(readFileSync(out, "utf8")).map(({ ids, ...row }: { ids: number[][] }) => {
  const hashes: string[] = [];
  for (let i = 0; i < ids.length; i += TEXTS_OF_HASH) hashes.push(hashOf(ids.slice(i, i + TEXTS_OF_HASH)));
  return { ...row, hashes };
});
const file = new URL("../golden/tokenizers.json", import.meta.url);
const lines = rows.map((row: unknown) => `    ${JSON.stringify(row)}`);
const text = `{\n  "source": "tokenizers, sentencepiece, rwkv: test/oracle/vocabularies.py",\n  "rows": [\n${lines.join(",\n")}\n  ]\n}\n`;
if (!process.argv.includes("--check")) writeFileSync(file, text);
else if (readFileSync(file, "utf8") !== text) {
  console.error("the libraries say something else than the file");
  process.exitCode = 1;
}
