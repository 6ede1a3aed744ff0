// Writes assembly/text/unicode_tables.ts, the classes of code points that the pre-tokenizers ask for, and
// assembly/text/fold_tables.ts, what WordPiece makes of letters, from the Unicode Character Database as npm's
// @unicode/unicode-15.1.0 (the version llama.cpp's own tables were made from) gives it:
//
//     npm install --no-save @unicode/unicode-15.1.0 && node scripts/unicode-tables.mjs
//
// Canonical decompositions and lower case, which that package lacks, are those of the JavaScript engine, for the code
// points that this version has. The tables are committed: they change only when the version does.
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

/** What WordPiece leaves out: of marks accents (Mn), of others controls (Cc, Cf, Co). */
const dropped = new Uint8Array(0x110000);
for (const path of ["Nonspacing_Mark", "Control", "Format", "Private_Use"]) {
  const { default: codePoints } = await import(`@unicode/unicode-${VERSION}/General_Category/${path}/code-points.mjs`);
  for (const codePoint of codePoints) dropped[codePoint] = 1;
}
const isAccent = (codePoint) => CLASSES[classes[codePoint]] === "MARK" && dropped[codePoint] === 1;

/** Runs in which all marks are alike (bit 0: accents), and all others (bit 1: controls). */
const dropRuns = [];
for (let codePoint = 0; codePoint < classes.length; ) {
  const bits = [-1, -1];
  const start = codePoint;
  for (; codePoint < classes.length; codePoint++) {
    const which = ["MARK", "OTHER"].indexOf(CLASSES[classes[codePoint]]);
    if (which < 0) continue;
    if (bits[which] >= 0 && bits[which] !== dropped[codePoint]) break;
    bits[which] = dropped[codePoint];
  }
  dropRuns.push(start * 8 + Math.max(0, bits[0]) + 2 * Math.max(0, bits[1]));
}

/** Code points of this version that stand for themselves: no surrogates, none that is not assigned. */
const { default: unassigned } = await import(`@unicode/unicode-${VERSION}/General_Category/Unassigned/code-points.mjs`);
const absent = new Uint8Array(0x110000);
for (const codePoint of unassigned) absent[codePoint] = 1;

/** Texts of two or three code points that one becomes: a target of 0x110000 and above is an index here. */
const several = [];
/** @param {(character: string) => number[]} change @param {(codePoint: number) => boolean} skips */
function foldsOf(change, skips) {
  const folds = [];
  for (let codePoint = 128; codePoint < 0x110000; codePoint++) {
    if (absent[codePoint] || (codePoint >= 0xd800 && codePoint < 0xe000) || skips(codePoint)) continue;
    const to = change(String.fromCodePoint(codePoint));
    if (to.length === 1 && to[0] === codePoint) continue;
    if (to.length === 0 || to.length > 3) throw new Error(`U+${codePoint.toString(16)} becomes ${to.length}`);
    if (to.length > 1) several.push(to);
    folds.push([codePoint, to.length > 1 ? 0x110000 + several.length - 1 : to[0]]);
  }
  return folds;
}
const codePointsOf = (text) => [...text].map((character) => character.codePointAt(0));
const hangul = (codePoint) => codePoint >= 0xac00 && codePoint < 0xd7a4;
const bases = foldsOf(
  (character) => codePointsOf(character.normalize("NFD")).filter((codePoint) => !isAccent(codePoint)),
  (codePoint) => hangul(codePoint) || isAccent(codePoint),
);
const lowers = foldsOf(
  (character) => codePointsOf(character.toLowerCase()),
  () => false,
);

/**
 * (code point, target) pairs in order as numbers of 7 bits a byte, the lowest first: twice how far the target is from
 * where the pair before leads one to expect it (0, -1, 1, -2 … as 0, 1, 2, 3 …), plus 1 where the code point is not the
 * next one; then how many are left out between.
 */
function packed(folds) {
  const bytes = [];
  const put = (value) => {
    for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
    bytes.push(value);
  };
  let [codePoint, target] = [127, 127];
  for (const [next, to] of folds) {
    const off = to - target - (next - codePoint);
    put((off < 0 ? -2 * off - 1 : 2 * off) * 2 + Number(next !== codePoint + 1));
    if (next !== codePoint + 1) put(next - codePoint - 2);
    [codePoint, target] = [next, to];
  }
  return bytes;
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
const [packedBases, packedLowers] = [packed(bases), packed(lowers)];
writeFileSync(
  new URL("../assembly/text/fold_tables.ts", import.meta.url),
  `/**
 * What WordPiece makes of code points by Unicode ${VERSION}. Written by scripts/unicode-tables.mjs: do not edit.
 */

/** Runs in which marks are accents (Mn; 1), and others controls (Cc, Cf, Co; 2); packed as \`CLASS_RUNS\`. */
@lazy
export const DROP_RUNS: usize = memory.data<u8>([
${rows(bytesOf(dropRuns))}
]);

export const DROP_RUN_COUNT: u32 = ${dropRuns.length};

/** Letters without their accents: canonical decompositions without Mn, packed as \`folds.ts\` says; no Hangul. */
@lazy
export const BASES: usize = memory.data<u8>([
${rows(packedBases)}
]);

export const BASE_COUNT: u32 = ${bases.length};

/** Lower case, likewise. */
@lazy
export const LOWERS: usize = memory.data<u8>([
${rows(packedLowers)}
]);

export const LOWER_COUNT: u32 = ${lowers.length};

/** Two or three code points that one becomes, 24 bits each; a 0 for none. Then a 0. */
@lazy
export const SEVERAL: usize = memory.data<u8>([
${rows(bytesOf(several.flatMap(([a, b, c = 0]) => [a, b, c])))}
]);
`,
);
console.log(
  `${dropRuns.length} runs, ${bases.length} bases in ${packedBases.length} bytes, ${lowers.length} lowers in ${packedLowers.length}, ${several.length} of several`,
);
console.log(`${runs.length} and ${caseRuns.length} runs, ${(runs.length + caseRuns.length) * 3 + 130} bytes`);
