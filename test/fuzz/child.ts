/**
 * One fuzzer in a process of its own: node --import tsx test/fuzz/child.ts, told by its parent what to run (run.ts).
 * The number of the case at work stands in a file, so that the parent knows it when this process hangs or dies.
 */
import { openSync, writeSync } from "node:fs";
import { FUZZERS } from "./list.ts";
import { Random, seedOf } from "./random.ts";
import type { Report, Task } from "./run.ts";

process.on("message", (task: Task) => {
  run(task).catch((error) => {
    console.error(error);
    process.exit(1);
  });
});

async function run({ name, seed, from, to, seconds, beats, mostFindings }: Task): Promise<void> {
  const fuzzer = FUZZERS.find((one) => one.name === name)!;
  const report: Report = { cases: 0, met: {}, findings: [] };
  const file = openSync(beats, "w");
  const beat = new Float64Array(1);
  const bytes = new Uint8Array(beat.buffer);
  let index = from;
  let late: unknown = null;
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      late = new Error(`unheard: ${error instanceof Error ? error.stack : error}`);
    });
  }
  // Node's event loop must not be empty while WebAssembly compiles (nodejs/node#54918).
  const timer = setInterval(() => {}, 1000);
  const end = performance.now() + seconds * 1000;
  let made = await fuzzer.prepare();
  for (; index < to && performance.now() < end && report.findings.length < mostFindings; index++) {
    beat[0] = index;
    writeSync(file, bytes, 0, 8, 0);
    try {
      const word = await made.one(new Random(seedOf(seed, name, index)));
      if (late) throw late;
      report.met[word] = (report.met[word] ?? 0) + 1;
    } catch (error) {
      late = null;
      report.findings.push({ index, words: wordsOf(error) });
      made = await fuzzer.prepare();
    }
    report.cases++;
    // What a case left to the event loop, unheard rejections above all, comes before the next thousand.
    if (report.cases % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (late) report.findings.push({ index, words: wordsOf(late) });
  if (!report.findings.length) {
    try {
      await made.end?.(new Map(Object.entries(report.met)), report.cases);
    } catch (error) {
      report.findings.push({ index: -1, words: wordsOf(error) });
    }
  }
  clearInterval(timer);
  process.send!(report, () => process.exit(0));
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `\n  because of ${error.cause.stack}` : "";
  return `${error.stack}${cause}`;
}
