/**
 * Runs fuzzers, each in a process of its own: one that hangs in a case is ended, one that dies is begun anew behind the
 * case that it died of, and either is a finding.
 */
import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Fuzzer } from "./fuzzer.ts";

/** What a child is told. */
export interface Task {
  readonly name: string;
  readonly seed: number;
  /** Cases [from, to), as far as the seconds reach. */
  readonly from: number;
  readonly to: number;
  readonly seconds: number;
  /** The file in which the number of the case at work stands. */
  readonly beats: string;
  readonly mostFindings: number;
}

/** A case that ended as none may; −1 stands for all cases together. */
export interface FoundCase {
  readonly index: number;
  readonly words: string;
}

/** What a child, or a fuzzer in all, came to. */
export interface Report {
  cases: number;
  met: Record<string, number>;
  findings: FoundCase[];
}

export interface Wish {
  readonly seed: number;
  readonly from?: number;
  readonly to?: number;
  readonly seconds?: number;
}

/** Seconds of the processor that a case may take, and of the clock on a busy machine: most take milliseconds. */
const CASE_SECONDS = 30;
const CLOCK_SECONDS = 300;
/** Of Linux, wherever Node runs. */
const TICKS_A_SECOND = 100;
/** Behind so many findings a fuzzer stops: what is one fault would fill pages. */
const MOST_FINDINGS = 20;
const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
const BUILD = fileURLToPath(new URL("../../build/test/", import.meta.url));

/** Runs a fuzzer until its cases, its seconds or its findings are used up. */
export async function runFuzzer({ name }: Fuzzer, wish: Wish): Promise<Report> {
  const { seed, from = 0, to = Number.MAX_SAFE_INTEGER, seconds = Number.POSITIVE_INFINITY } = wish;
  const end = performance.now() + seconds * 1000;
  const all: Report = { cases: 0, met: {}, findings: [] };
  mkdirSync(BUILD, { recursive: true });
  const folder = mkdtempSync(join(BUILD, "fuzz-"));
  try {
    for (let next = from; next < to && performance.now() < end && all.findings.length < MOST_FINDINGS; ) {
      const task: Task = {
        name,
        seed,
        from: next,
        to,
        seconds: Math.min((end - performance.now()) / 1000, 1e9),
        beats: join(folder, "beats"),
        mostFindings: MOST_FINDINGS - all.findings.length,
      };
      const { report, died } = await runChild(task);
      const at = readBeat(task.beats) ?? next;
      if (report) {
        all.cases += report.cases;
        for (const [word, count] of Object.entries(report.met)) all.met[word] = (all.met[word] ?? 0) + count;
        all.findings.push(...report.findings);
        break;
      }
      all.cases += at - next + 1;
      all.findings.push({ index: at, words: died });
      next = at + 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return all;
}

function readBeat(file: string): number | null {
  try {
    const bytes = readFileSync(file);
    return bytes.length < 8 ? null : new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 8))[0];
  } catch {
    return null;
  }
}

function runChild(task: Task): Promise<{ report: Report | null; died: string }> {
  return new Promise((resolve) => {
    const child = fork(CHILD, { execArgv: ["--import", "tsx"], stdio: ["ignore", "pipe", "pipe", "ipc"] });
    let said = "";
    const hear = (data: Buffer): void => {
      said = (said + data).slice(-4000);
    };
    child.stdout!.on("data", hear);
    child.stderr!.on("data", hear);
    let report: Report | null = null;
    let died = "";
    let last: number | null = null;
    let since = { clock: performance.now() / 1000, processor: 0 };
    const watch = setInterval(() => {
      const beat = readBeat(task.beats);
      const now = { clock: performance.now() / 1000, processor: processorSeconds(child.pid!) };
      if (beat !== last) [last, since] = [beat, now];
      const isLate = now.processor - since.processor > CASE_SECONDS || now.clock - since.clock > CLOCK_SECONDS;
      if (!isLate || died) return;
      died = `the case took more than ${CASE_SECONDS} s of the processor, or ${CLOCK_SECONDS} s in all`;
      child.kill("SIGKILL");
    }, 500);
    child.on("message", (message: Report) => (report = message));
    child.on("close", (status, signal) => {
      clearInterval(watch);
      resolve({ report, died: died || `the process ended with ${signal ?? status}: ${said}` });
    });
    child.send(task);
  });
}

/** What a process has had of the processor, where the system says so; else 0. */
function processorSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  } catch {
    return 0;
  }
}

/** A report as lines: counts, and where it failed. */
export function linesOf(fuzzer: Fuzzer, report: Report, seed: number, seconds: number): string {
  const lines = [lineOf(fuzzer, report, seconds)];
  for (const { index, words: why } of report.findings) {
    const again = index < 0 ? "of all cases together" : `npm run fuzz -- --seed ${seed} --case ${index} ${fuzzer.name}`;
    lines.push(`  ✘ ${again}`, ...why.split("\n").map((line) => `    ${line}`));
  }
  return lines.join("\n");
}

/** The counts of a report. */
export function lineOf({ name }: Fuzzer, { cases, met, findings }: Report, seconds: number): string {
  const words = Object.entries(met)
    .sort(([, a], [, b]) => b - a)
    .map(([word, count]) => `${word} ${count.toLocaleString("en")}`);
  const counts = `${cases.toLocaleString("en").padStart(11)} cases ${seconds.toFixed(1).padStart(7)} s`;
  return `${name.padEnd(14)} ${counts}  ${findings.length} findings  ${words.join(" · ")}`;
}
