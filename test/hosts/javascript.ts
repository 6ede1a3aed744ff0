/**
 * Tests of a JavaScript host: one run of test/hosts/checks.mjs in it, and a test for each thing that came out.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RELAXED_SIMD } from "../../bindings/relaxed.ts";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import {
  assertText,
  assertVectors,
  conform,
  EMBEDDER_NAMES,
  fastHash,
  type Host,
  LARGE_NAMES,
  PROMPT,
  REFERENCE_NAMES,
  record,
  reference,
  SENTENCES,
  TEXT_NAMES,
  TEXT_TOKENS,
} from "./conformance.ts";
import { serve } from "./server.ts";
import { ROOT, workFolder } from "./tools.ts";

type BuildName = "portable" | "scalar";

interface Source {
  name: string;
  tokens: readonly number[];
  path: string;
  url: string;
}

export interface Job {
  entry: string;
  kernels: string;
  worker: string;
  models: Source[];
  texts: Source[];
  text: { prompt: string; tokens: number };
  embedders: Source[];
  sentences: readonly string[];
  builds: BuildName[];
  /** A module that only hosts with relaxed SIMD take. */
  relaxedSimd: number[];
  base: string;
  /** The folder of the models, with a slash at its end. */
  folder: string;
  golden: { prompt: string; text: string };
  /** The hash of plm-1m-q4_0's logits in the fast build. */
  fast: string;
  logitsOnly?: boolean;
}

export interface Outcome {
  logits: Record<string, Record<string, string>>;
  texts: Record<string, Record<string, string>>;
  vectors: Record<string, Record<string, string>>;
  checks: Record<string, string>;
  /** What the host said besides: nothing is expected. */
  said?: string;
}

/** What is checked besides logits, in the words of checks.mjs. */
const CHECKS = [
  "from a URL",
  "from a URL object",
  "from bytes",
  "from a Blob",
  "from a Response",
  "from a stream",
  "kernels",
  "the fast build's two sums of bytes give the bits of every host",
  "abort while it loads",
  "abort while it generates",
  "HTML in place of the wasm",
  "wasm of another MIME type",
  "no such model",
  "HTML in place of the model",
  "more memory than the limit",
  "a download that breaks off",
  "a download that breaks off once",
];
const WORKER_CHECKS = [
  "a worker: text, tokens, a session",
  "a worker: abort stops it",
  "a worker: errors keep their code",
  "a worker: crashes, and the next one loads",
  "a worker: more memory than the limit",
  "a worker: disposed of, it says so",
];
const CACHE_CHECKS = [
  "the cache: goes on where a download broke off",
  "the cache: a part is not a model",
  "the cache: another SHA-256",
  "the cache: a full disk",
  "the cache: two at once",
];
const PATH_CHECKS = ["from a path", "from a file: URL"];
const BUILDS: readonly BuildName[] = ["portable", "scalar"];

/** The job of a host that reaches the test's server at `base`. */
export function jobAt(base: string, names: readonly string[] = REFERENCE_NAMES): Job {
  const sources = (list: readonly string[]): Source[] =>
    list.map(reference).flatMap(({ name, tokens, path }) => {
      return path === null ? [] : [{ name, tokens, path, url: `${base}/models/${name}.gguf` }];
    });
  const models = sources(names);
  return {
    entry: pathToFileURL(join(ROOT, "build/js/index.js")).href,
    kernels: pathToFileURL(join(ROOT, "build/js/kernels.js")).href,
    worker: pathToFileURL(join(ROOT, "build/js/worker.js")).href,
    models,
    texts: sources(TEXT_NAMES),
    text: { prompt: PROMPT, tokens: TEXT_TOKENS },
    embedders: sources(EMBEDDER_NAMES),
    sentences: SENTENCES,
    builds: [...BUILDS],
    relaxedSimd: [...RELAXED_SIMD],
    base,
    folder: `${dirname(models[0].path)}/`,
    golden: { prompt: stories.prompt, text: stories.text },
    fast: fastHash("plm-1m-q4_0"),
  };
}

/** The tests of one host: `run` gets a job, with a server that lives as long as it takes. */
export function javascriptHost(
  host: string,
  way: string,
  { paths = false, workers = false, cache = false }: { paths?: boolean; workers?: boolean; cache?: boolean },
  run: (job: Job) => Promise<Outcome>,
): void {
  let outcome: Promise<Outcome> | null = null;
  const given = (): Promise<Outcome> => {
    outcome ??= (async () => {
      const server = await serve();
      try {
        return await run(jobAt(server.base));
      } finally {
        server.close();
      }
    })();
    return outcome;
  };
  for (const build of BUILDS) {
    const row: Host = { host, build: way ? `${build}, ${way}` : build };
    for (const name of REFERENCE_NAMES) {
      test(`${host}, ${row.build}: the reference logits of ${name}`, async () => {
        const { hash, path } = reference(name);
        if (path === null) return;
        const found = (await given()).logits[build][name];
        record(row, name, found);
        assert.is(found, hash);
      });
    }
    for (const name of TEXT_NAMES) {
      test(`${host}, ${row.build}: the text of ${name}`, async () => {
        assertText(row, name, (await given()).texts[build][name]);
      });
    }
    for (const name of EMBEDDER_NAMES) {
      test(`${host}, ${row.build}: the vectors of ${name}`, async () => {
        assertVectors(row, name, (await given()).vectors[build][name]);
      });
    }
  }
  const checks = [
    ...(paths ? PATH_CHECKS : []),
    ...CHECKS,
    ...(workers ? WORKER_CHECKS : []),
    ...(cache ? CACHE_CHECKS : []),
  ];
  for (const check of checks) {
    test(`${host}${way && ", "}${way}: ${check}`, async () => {
      const found = (await given()).checks[check];
      record({ host, build: way ? `portable, ${way}` : "portable" }, check, found === "ok" ? "ok" : "failed");
      assert.is(found, "ok");
    });
  }
  test(`${host}${way && ", "}${way}: nothing on stderr or in the console`, async () => {
    assert.is((await given()).said ?? "", "");
  });
}

/** The logits of the large models in a host, and nothing else. */
export function largeModels(host: string, way: string, run: (job: Job) => Promise<Outcome>): void {
  const logits = async (name: string): Promise<string> => {
    const server = await serve();
    try {
      const only = { texts: [], embedders: [], builds: ["portable" as const], logitsOnly: true };
      const job: Job = { ...jobAt(server.base, [name]), ...only };
      return (await run(job)).logits.portable[name];
    } finally {
      server.close();
    }
  };
  conform({ host, build: `portable, ${way}` }, ({ name }) => logits(name), LARGE_NAMES);
}

/** Runs the job in a host with processes. */
export async function runProcess(program: string, first: string[], job: Job): Promise<Outcome> {
  const file = join(workFolder("jobs"), `${process.pid}-${Math.floor(performance.now() * 1000)}.json`);
  writeFileSync(file, JSON.stringify(job));
  const { stdout, stderr, status } = await finish(program, [...first, join(ROOT, "test/hosts/run.mjs"), file]);
  if (status !== 0) throw new Error(`${program} ended with ${status}\n${stderr}${stdout}`);
  return { ...(JSON.parse(stdout) as Outcome), said: stderr };
}

/** What a program says until it ends; the event loop, which the test's server needs, goes on. */
export function finish(
  program: string,
  args: string[],
  { cwd = ROOT, env = process.env, ms = 60_000 }: { cwd?: string; env?: NodeJS.ProcessEnv; ms?: number } = {},
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], timeout: ms });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data) => (stdout += data));
    child.stderr.on("data", (data) => (stderr += data));
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, stdout, stderr }));
  });
}
