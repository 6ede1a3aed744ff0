/**
 * The table of hosts and checks:  node scripts/hosts-table.mjs
 *
 * Prints, in Markdown, what the last runs of the conformance check gave (test/hosts/conformance.ts keeps it in
 * build/conformance/): a row a host, a column a check. A hash that is not the stored one is marked.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

const RESULTS = new URL("../build/conformance/", import.meta.url);
const golden = JSON.parse(readFileSync(new URL("../test/golden/conformance.json", import.meta.url), "utf8"));

if (!existsSync(RESULTS)) {
  console.error("no host has run yet: npm test -- hosts");
  process.exit(1);
}
const results = readdirSync(RESULTS)
  .filter((file) => file.endsWith(".json"))
  .map((file) => JSON.parse(readFileSync(new URL(file, RESULTS), "utf8")));
const checks = [...new Set([...Object.keys(golden), ...results.map(({ check }) => check)])];
const rows = new Map();
for (const { host, build, check, result } of results) {
  const key = `${host} | ${build}`;
  const mark = golden[check] === undefined || golden[check] === result ? "" : " ✘";
  rows.set(key, { ...rows.get(key), [check]: `\`${result}\`${mark}` });
}
console.log(`| host | build | ${checks.join(" | ")} |`);
console.log(`|---|---|${checks.map(() => "---|").join("")}`);
for (const [key, row] of [...rows].sort())
  console.log(`| ${key} | ${checks.map((check) => row[check] ?? "–").join(" | ")} |`);
