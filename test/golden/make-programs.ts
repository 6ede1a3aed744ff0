/** Writes the pages of programs, or with --check holds them against the files: npm run goldens -- programs [--check] */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { NAMES } from "../../scripts/architectures.mjs";
import { ENCODER_NAMES } from "../../scripts/encoders.mjs";
import { programFile, programOf } from "../support/programs.ts";

const check = process.argv.includes("--check");
mkdirSync(new URL("programs/", import.meta.url), { recursive: true });
for (const name of [...NAMES, ...ENCODER_NAMES]) {
  const page = await programOf(name);
  if (!check) writeFileSync(programFile(name), page);
  else if (readFileSync(programFile(name), "utf8") !== page) {
    console.error(`${name}: the program is another one`);
    process.exitCode = 1;
  }
}
