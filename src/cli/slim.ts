/** `limpet slim`: a wasm with only what some models need, compiled anew in a checkout of limpet. */
import { existsSync } from "node:fs";
import { BAD_CHOICE } from "../../assembly/wasi/usage.ts";
import { LimpetError } from "../host/errors.ts";
import { inspectFile } from "../load/inspect.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Io } from "./io.ts";

/** What scripts/slim.mjs of the checkout has. */
interface Slim {
  readonly NAMES: readonly string[];
  slimBuild(models: readonly Needs[], like: string): SlimBuild;
  compile(build: SlimBuild, out: string, signal: AbortSignal): Promise<{ bytes: number; full: number }>;
}

interface SlimBuild {
  readonly file: string;
  readonly architectures: readonly string[];
  readonly formats: readonly string[];
  readonly tokenizers: readonly string[];
}

/** What a model's file names. */
interface Needs {
  readonly model: string;
  readonly architecture: string;
  readonly types: readonly string[];
  readonly tokenizer: string;
  readonly chat: boolean;
}

export async function slim(args: Arguments, io: Io): Promise<void> {
  const out = args.required("out");
  const checkout = findCheckout();
  const { NAMES, slimBuild, compile }: Slim = await import(new URL("scripts/slim.mjs", checkout).href);
  const like = args.required("like");
  if (!NAMES.includes(like)) throw new UsageError(BAD_CHOICE + NAMES.join(", "), "--like");
  const models: Needs[] = [];
  for (const model of args.all("MODEL...")) models.push(await needsOf(model, io.signal));
  const build = inWords(() => slimBuild(models, like));
  io.note(`compiling ${build.file} with ${partsOf(build)}`);
  const { bytes, full } = await compile(build, out, io.signal);
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

function partsOf({ architectures, formats, tokenizers }: SlimBuild): string {
  return [...architectures, "F32, F16, Q8_0", ...formats, ...tokenizers].join(", ");
}

function count(bytes: number): string {
  return bytes.toLocaleString("en");
}
