/** `limpet slim`: a wasm with only what some models need, compiled anew in a checkout of limpet. */
import { existsSync } from "node:fs";
import { BAD_CHOICE } from "../../assembly/wasi/usage.ts";
import { LimpetError } from "../host/errors.ts";
import { inspectFile } from "../load/inspect.ts";
import { operatorsOf } from "../load/tflite.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Io } from "./io.ts";

/** What scripts/slim.mjs of the checkout has. */
interface Slim {
  /** The builds of language models, and those of networks. */
  readonly NAMES: readonly string[];
  readonly GRAPH_NAMES: readonly string[];
  slimBuild(models: readonly Needs[], like: string): SlimBuild;
  slimGraphs(networks: readonly Network[], like: string): SlimBuild;
  compile(build: SlimBuild, out: string, signal: AbortSignal): Promise<{ bytes: number; full: number }>;
}

interface SlimBuild {
  readonly file: string;
  readonly architectures: readonly string[];
  readonly formats: readonly string[];
  readonly tokenizers: readonly string[];
  readonly families?: readonly string[];
}

/** What a model's file names. */
interface Needs {
  readonly model: string;
  readonly architecture: string;
  readonly types: readonly string[];
  readonly tokenizer: string;
  readonly chat: boolean;
}

/** What a .tflite file names. */
interface Network {
  readonly model: string;
  readonly operators: readonly string[];
}

/** By its name: what is read of the file differs. */
const NETWORK = /\.tflite$/i;

export async function slim(args: Arguments, io: Io): Promise<void> {
  const out = args.required("out");
  const checkout = findCheckout();
  const scripts: Slim = await import(new URL("scripts/slim.mjs", checkout).href);
  const files = args.all("MODEL...");
  const networks = files.filter((file) => NETWORK.test(file));
  const other = files.find((file) => !NETWORK.test(file));
  if (networks.length > 0 && other !== undefined) {
    const words = `a build holds networks or language models, not both: ${networks[0]} and ${other}`;
    throw new LimpetError("BAD_ARGUMENT", words);
  }
  const names = networks.length > 0 ? scripts.GRAPH_NAMES : scripts.NAMES;
  const like = args.text("like") ?? names[0];
  if (!names.includes(like)) throw new UsageError(BAD_CHOICE + names.join(", "), "--like");
  let build: SlimBuild;
  if (networks.length > 0) {
    const needs = networks.map((model) => ({ model, operators: operatorsOf(io.readFile(model), model) }));
    build = inWords(() => scripts.slimGraphs(needs, like));
  } else {
    const needs: Needs[] = [];
    for (const model of files) needs.push(await needsOf(model, io.signal));
    build = inWords(() => scripts.slimBuild(needs, like));
  }
  io.note(`compiling ${build.file} with ${partsOf(build)}`);
  const { bytes, full } = await scripts.compile(build, out, io.signal);
  const share = Math.round((bytes / full) * 100);
  io.note(`${out}: ${count(bytes)} bytes, ${share} % of the ${count(full)} of ${build.file}`);
}

async function needsOf(model: string, signal: AbortSignal): Promise<Needs> {
  const { metadata, tensors } = await inspectFile(model, { signal });
  const text = (key: string) => String(metadata.get(key)?.value ?? "");
  return {
    model,
    architecture: text("general.architecture"),
    types: [...new Set(tensors.map(({ type }) => type))],
    tokenizer: text("tokenizer.ggml.model"),
    chat: metadata.has("tokenizer.chat_template"),
  };
}

/** The folder of the checkout: two above both src/cli/ and build/js/. */
function findCheckout(): URL {
  const root = new URL("../../", import.meta.url);
  const wanted = ["builds.json", "scripts/slim.mjs", "assembly/parts.ts", "node_modules/assemblyscript/bin/asc.js"];
  if (root.protocol === "file:" && wanted.every((path) => existsSync(new URL(path, root)))) return root;
  throw new LimpetError(
    "UNSUPPORTED",
    "slim compiles limpet anew: it works in a checkout of limpet's repository after `npm ci`, not in the installed package",
  );
}

/** What a file asks for and limpet has not is an error as any other. */
function inWords<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new LimpetError("UNSUPPORTED", (error as Error).message, { cause: error });
  }
}

function partsOf({ architectures, formats, tokenizers, families }: SlimBuild): string {
  if (families) return families.map((name) => name.replace(/^graph-/, "")).join(", ");
  return [...architectures, "F32, F16, Q8_0", ...formats, ...tokenizers].join(", ");
}

function count(bytes: number): string {
  return bytes.toLocaleString("en");
}
