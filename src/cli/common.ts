/** What several commands do alike: load the model (where none is given, the one that ships), take the sampling flags, print JSON. */

import { BAD_BIASES, BAD_TOKEN_LIST, CUT_CONTEXT, CUT_LENGTH, FORGOT } from "../../assembly/wasi/commands.ts";
import { statOf } from "../../bindings/node.ts";
import { Model } from "../api/model.ts";
import type { Adapter, AdapterSet } from "../generate/adapter.ts";
import type { Speculate } from "../generate/drafts.ts";
import type { GenerateOptions, Generation, GenerationResult } from "../generate/generation.ts";
import type { CacheOptions, CachePolicy, CacheType } from "../generate/kept-rows.ts";
import { randomSeed } from "../generate/recommended.ts";
import type { SamplingOptions } from "../generate/sampling.ts";
import { LimpetError } from "../host/errors.ts";
import { escapeLine } from "../host/escape.ts";
import { isHubName } from "../host/names.ts";
import type { BuildChoice } from "../host/wasm.ts";
import type { ExpertOptions, Experts } from "../load/experts.ts";
import type { ModelInfo } from "../load/info.ts";
import type { TableOptions, Tables } from "../load/tables.ts";
import { located } from "../store/by-name.ts";
import { defaultModel } from "../store/default-model.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Io } from "./io.ts";
import { fetching } from "./pull.ts";

/** The model that ships may have been left out of an application. */
export function requireShipped(): void {
  if (statOf(defaultModel)) return;
  const words = `the model that ships was left out here (${String(defaultModel.pathname.split("/").pop())} of models/)`;
  const help = "name one (model.gguf, hf:owner/repository), or put that file there: the package limpet has it";
  throw new LimpetError("HOST", `${words}: ${help}`);
}

export async function openModel(
  args: Arguments,
  io: Io,
  options: { vocabularyOnly?: boolean; context?: number } = {},
): Promise<Model> {
  const name = args.argument("MODEL");
  if (name !== undefined && isHubName(name)) {
    // Fetched before it is loaded, so that a person sees which of the two goes on.
    await located(name, { signal: io.signal, onProgress: fetching(io) });
    io.endProgress();
  }
  if (name === undefined) requireShipped();
  const model = await Model.load(name ?? defaultModel, {
    threads: (!options.vocabularyOnly && args.number("threads")) || 1,
    build: (args.text("best") ?? args.text("build") ?? "portable") as BuildChoice,
    kv: cacheOptionsOf(args),
    ...streamingOf(args),
    context: options.context ?? args.numberOrNone("ctx"),
    vocabularyOnly: options.vocabularyOnly,
    signal: io.signal,
    onProgress: (loaded, total) => io.progress("loading", loaded, total),
  });
  io.endProgress();
  noteWarnings(model.info, io);
  return model;
}

/** The cache: its type, and which rows stay of it. */
function cacheOptionsOf(args: Arguments): CacheType | CacheOptions {
  const type = (args.text("kv") ?? "f16") as CacheType;
  const policy = args.text("kv-policy") ?? "off";
  if (policy !== "off") return { type, policy: policy as CachePolicy, budget: args.given("kv-budget") };
  if (args.isGiven("kv-budget")) throw new UsageError("--kv-budget goes with --kv-policy");
  return type;
}

/** Which weights stay in the file, and the memory for what is read of them. */
export function streamingOf(args: Arguments): TableOptions & ExpertOptions {
  const bytes = (flag: string) => {
    const given = args.text(flag);
    return given === undefined ? undefined : Number(given) * 2 ** 20;
  };
  return {
    tables: (args.text("tables") ?? "resident") as Tables,
    tableCache: bytes("table-cache"),
    experts: (args.text("experts") ?? "resident") as Experts,
    expertCache: bytes("expert-cache"),
  };
}

/** FILE, or FILE=WEIGHT. */
export function weightedFile(word: string): [file: string, weight: number] {
  const [, file, weight] = word.match(/^(.*)=([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)$/is) ?? [word, word, "1"];
  return [file, Number(weight)];
}

/** The adapters of --lora, FILE or FILE=WEIGHT each, loaded; undefined where none are given. */
export async function adaptersOf(args: Arguments, io: Io, model: Model): Promise<AdapterSet | undefined> {
  const given = args.texts("lora");
  if (given.length === 0) return undefined;
  const set: [Adapter, number][] = [];
  for (const one of given) {
    const [file, weight] = weightedFile(one);
    if (isHubName(file)) {
      await located(file, { signal: io.signal, onProgress: fetching(io) });
      io.endProgress();
    }
    set.push([await model.adapter(file, { signal: io.signal }), weight]);
  }
  return set;
}

/** Where drafts come from, as the flags say it. */
export async function speculateOf(args: Arguments, io: Io): Promise<Speculate> {
  const name = args.text("draft");
  const word = args.text("speculate") as "off" | "prompt" | "auto";
  if (name === undefined) return word === "off" ? false : word;
  if (isHubName(name)) {
    await located(name, { signal: io.signal, onProgress: fetching(io) });
    io.endProgress();
  }
  const draft = await Model.load(name, {
    build: (args.text("best") ?? "portable") as BuildChoice,
    threads: args.number("threads") || 1,
    signal: io.signal,
  });
  return { draft };
}

/** What is doubtful about a file, a line each. */
export function noteWarnings({ warnings }: Pick<ModelInfo, "warnings">, io: Io): void {
  for (const { message } of warnings) io.note(`limpet: ${message}`);
}

/** Most tokens of an answer that the core counts. */
const MOST_TOKENS = 2 ** 31 - 1;
const MOST_U32 = 2 ** 32 - 1;

/** What the flags say of how tokens are chosen; undefined where the model is to say it (`withRecommended`). */
export function samplingOf(
  args: Arguments,
): Pick<GenerateOptions, keyof SamplingOptions | "stop" | "reasoning" | "maxTokens"> {
  const budget = args.upTo("reasoning-budget", MOST_TOKENS);
  return {
    reasoning: budget === undefined ? undefined : { budget },
    maxTokens: args.upTo("max-tokens", MOST_TOKENS) ?? args.upTo("answer", MOST_TOKENS),
    temperature: args.given("temp"),
    topK: args.upTo("top-k", MOST_U32),
    topP: args.given("top-p"),
    minP: args.given("min-p"),
    repeatPenalty: args.given("repeat-penalty"),
    repeatWindow: args.given("repeat-last-n"),
    presencePenalty: args.number("presence-penalty"),
    frequencyPenalty: args.number("frequency-penalty"),
    dryMultiplier: args.number("dry-multiplier"),
    dryBase: args.number("dry-base"),
    dryAllowedLength: args.number("dry-allowed-length"),
    dryWindow: args.number("dry-penalty-last-n"),
    topNSigma: args.number("top-n-sigma"),
    typicalP: args.number("typical-p"),
    xtcProbability: args.given("xtc-probability"),
    xtcThreshold: args.given("xtc-threshold"),
    dynamicRange: args.number("dynatemp-range"),
    dynamicExponent: args.number("dynatemp-exp"),
    mirostat: args.number("mirostat-ent"),
    mirostatRate: args.number("mirostat-lr"),
    logitBias: biasesOf(args),
    banTokens: listOf(args, "ban"),
    forceTokens: listOf(args, "force"),
    seed: BigInt(args.text("seed") ?? randomSeed()),
    stop: args.texts("stop"),
  };
}

/** Token ids with commas between; undefined where the flag was left out or is empty. */
function listOf(args: Arguments, id: string): number[] | undefined {
  return entriesOf(args, id)?.map((entry) => {
    if (/^\s*\d+\s*$/.test(entry) && Number(entry) < 2 ** 32) return Number(entry);
    throw new UsageError(BAD_TOKEN_LIST, `--${id}`);
  });
}

function biasesOf(args: Arguments): Record<number, number> | undefined {
  const entries = entriesOf(args, "logit-bias")?.map((entry): [string, number] => {
    const found = entry.match(/^\s*(\d+):([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*$/i);
    if (found && Number(found[1]) < 2 ** 32) return [found[1], Number(found[2])];
    throw new UsageError(BAD_BIASES, "--logit-bias");
  });
  return entries && Object.fromEntries(entries);
}

function entriesOf(args: Arguments, id: string): string[] | undefined {
  return args.text(id)?.split(",");
}

/** Writes text as it comes, and ends the line. */
export async function stream(generation: Generation, io: Io): Promise<GenerationResult> {
  for await (const { text } of generation) io.write(text);
  io.endLine();
  return generation.result!;
}

/**
 * What is said behind an answer: that it was cut (by a limit that was asked for: to a person alone), what was forgotten
 * for it, and to a person how quick it was and how it can be had again.
 */
export function tellEnd(result: GenerationResult, limit: string | undefined, seed: bigint | number, io: Io): void {
  const { finishReason, forgotten, tokens, timings, drafted, accepted } = result;
  if (forgotten) io.note(`limpet: ${FORGOT.replace("{}", String(forgotten))}`);
  if (finishReason === "context") io.note(`limpet: ${CUT_CONTEXT}`);
  if (finishReason === "length" && (limit === undefined || io.tellsPerson)) {
    io.note(`limpet: ${CUT_LENGTH.replace("{}", String(tokens.length))}`);
  }
  const { prefillTokens, prefillMs, decodeTokens, decodeMs } = timings;
  const speed = rate(decodeTokens, decodeMs);
  const seconds = (prefillMs / 1000).toFixed(2);
  io.aside(
    `${tokens.length} tokens${speed === null ? "" : `, ${speed} a second`}; ` +
      `${prefillTokens} of the prompt in ${seconds} s; ` +
      `${drafted === undefined ? "" : `${accepted} of ${drafted} drafts came true; `}seed ${seed}`,
  );
}

/** Tokens a second to three digits; null when there is nothing to count. */
export function rate(tokens: number, ms: number): number | null {
  return tokens > 0 && ms > 0 ? Number(((tokens / ms) * 1000).toPrecision(4)) : null;
}

/** JSON in one line, whose texts hold no control characters as they are. */
export function writeJson(io: Io, value: unknown): void {
  io.write(`${escapeLine(JSON.stringify(value))}\n`);
}
