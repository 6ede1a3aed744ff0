// Writes assembly/text/unicode_tables.ts: the classes of code points that the pre-tokenizers ask for, from the Unicode
// Character Database as npm's @unicode/unicode-15.1.0 (the version llama.cpp's own tables were made from) gives it:
//
//     npm install --no-save @unicode/unicode-15.1.0 && node scripts/unicode-tables.mjs
//
// The table is committed, because the database is large and the table changes only when this version does.
import { writeFileSync } from "node:fs";

const VERSION = "15.1.0";
const CLASSES = ["OTHER", "LETTER", "NUMBER", "PUNCTUATION", "SYMBOL", "MARK", "SPACE"];
const SOURCES = {
  LETTER: "General_Category/Letter",
  NUMBER: "General_Category/Number",
  PUNCTUATION: "General_Category/Punctuation",
  SYMBOL: "General_Category/Symbol",
  MARK: "General_Category/Mark",
  SPACE: "Binary_Property/White_Space",
};

const classes = new Uint8Array(0x110000);
for (const [name, path] of Object.entries(SOURCES)) {
  const { default: codePoints } = await import(`@unicode/unicode-${VERSION}/${path}/code-points.mjs`);
  for (const codePoint of codePoints) classes[codePoint] = CLASSES.indexOf(name);
}

const runs = [];
for (let codePoint = 0; codePoint < classes.length; codePoint++) {
  if (codePoint === 0 || classes[codePoint] !== classes[codePoint - 1]) {
    runs.push(codePoint * 8 + classes[codePoint]);
  }
}

/** Letters by case, as `Case` of unicode.ts numbers it, and -1 for what is no letter beyond ASCII: any run will do there. */
const cases = new Int8Array(0x110000).fill(-1);
for (let codePoint = 128; codePoint < cases.length; codePoint++) {
  if (["LETTER", "MARK"].includes(CLASSES[classes[codePoint]])) cases[codePoint] = 0;
}
for (const [path, value] of [
  ["Uppercase_Letter", 1],
  ["Titlecase_Letter", 1],
  ["Lowercase_Letter", 2],
]) {
  const { default: codePoints } = await import(`@unicode/unicode-${VERSION}/General_Category/${path}/code-points.mjs`);
  for (const codePoint of codePoints) if (codePoint >= 128) cases[codePoint] = value;
}

/** Which of the five kinds of runs a letter of a case may stand in. */
const fits = (kind, codePoint) =>
  cases[codePoint] < 0 || cases[codePoint] === (kind < 3 ? kind : (codePoint & 1) === kind - 3 ? 1 : 2);

const caseRuns = [];
for (let codePoint = 128; codePoint < cases.length; ) {
  let [best, end] = [0, codePoint];
  for (let kind = 0; kind < 5; kind++) {
    let at = codePoint;
    while (at < cases.length && fits(kind, at)) at++;
    if (at > end) [best, end] = [kind, at];
  }
  caseRuns.push(codePoint * 8 + best);
  codePoint = end;
}

const bytesOf = (list) => [...list.flatMap((run) => [run & 255, (run >> 8) & 255, run >> 16]), 0];

function rows(values) {
  const lines = [];
  let line = " ";
  for (const value of values) {
    if (line.length + String(value).length + 2 > 118) {
      lines.push(line);
      line = " ";
    }
    line += ` ${value},`;
  }
  lines.push(line);
  return lines.join("\n");
}

writeFileSync(
  new URL("../assembly/text/unicode_tables.ts", import.meta.url),
  `/**
 * Classes of code points by Unicode ${VERSION}. Written by scripts/unicode-tables.mjs: do not edit.
 */

/** The class of each ASCII code point, as in \`unicode.ts\`. */
export const ASCII_CLASSES: usize = memory.data<u8>([
${rows(classes.subarray(0, 128))}
]);

/** Runs of one class in order: first code point × 8 + class, in 24 bits. Each ends where the next begins. Then a 0. */
export const CLASS_RUNS: usize = memory.data<u8>([
${rows(bytesOf(runs))}
]);

export const CLASS_RUN_COUNT: u32 = ${runs.length};

/** Runs of letters of one \`Case\`, from U+0080 on, likewise. */
export const CASE_RUNS: usize = memory.data<u8>([
${rows(bytesOf(caseRuns))}
]);

export const CASE_RUN_COUNT: u32 = ${caseRuns.length};
`,
);
console.log(`${runs.length} and ${caseRuns.length} runs, ${(runs.length + caseRuns.length) * 3 + 130} bytes`);
