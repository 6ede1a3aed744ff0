/**
 * The table of hosts and checks:  node scripts/hosts-table.mjs [--docs]
 *
 * Prints, in Markdown, what the last runs of the tests of hosts gave (test/hosts/conformance.ts keeps it in
 * build/conformance/): a row a host and build, a column a reference model with the hash of its logits, and how many of the
 * other checks hold. What is not as it should be is marked. With --docs the table is written into docs/hosts.md instead.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const RESULTS = new URL("../build/conformance/", import.meta.url);
const DOCS = new URL("../docs/hosts.md", import.meta.url);
const [BEGIN, END] = ["<!-- table: scripts/hosts-table.mjs -->", "<!-- end of table -->"];
const readGolden = (name) => JSON.parse(readFileSync(new URL(`../test/golden/${name}.json`, import.meta.url), "utf8"));
const golden = readGolden("conformance");
/** The fast build has bits of its own. */
const goldenFast = readGolden("conformance-fast");

if (!existsSync(RESULTS)) {
  console.error("no host has run yet: npm test -- hosts");
  process.exit(1);
}
const results = readdirSync(RESULTS)
  .filter((file) => file.endsWith(".json"))
  .map((file) => JSON.parse(readFileSync(new URL(file, RESULTS), "utf8")));
const rows = new Map();
for (const { host, build, check, result } of results) {
  const row = rows.get(`${host} | ${build}`) ?? { isFast: build.startsWith("fast"), logits: {}, held: 0, failed: [] };
  rows.set(`${host} | ${build}`, row);
  if (check in golden) row.logits[check] = result;
  else if (result === "ok") row.held++;
  else row.failed.push(check);
}

const names = Object.keys(golden);
const lines = [
  `| host | build | ${names.join(" | ")} | other checks |`,
  `|---|---|${names.map(() => "---|").join("")}---|`,
  ...[...rows]
    .sort()
    .map(([key, row]) => `| ${key} | ${names.map((name) => hash(row, name)).join(" | ")} | ${others(row)} |`),
];
if (process.argv.includes("--docs")) {
  const text = readFileSync(DOCS, "utf8");
  const [before, rest] = text.split(BEGIN);
  writeFileSync(DOCS, `${before}${BEGIN}\n${lines.join("\n")}\n${END}${rest.split(END)[1]}`);
} else console.log(lines.join("\n"));

function hash({ isFast, logits }, name) {
  if (logits[name] === undefined) return "–";
  return logits[name] === (isFast ? goldenFast : golden)[name]
    ? `\`${logits[name].slice(0, 8)}\``
    : `✘ \`${logits[name].slice(0, 8)}\``;
}

function others({ held, failed }) {
  if (failed.length) return `✘ ${failed.join(", ")}`;
  return held ? `${held} hold` : "–";
}
