/**
 * `limpet inspect`: a file's metadata and tensors, as tables or as JSON; or the program of a model, and what its steps take.
 */
import { NO_FLAG, NO_JSON } from "../../assembly/wasi/usage.ts";
import { type ProgramTimes, sum, timeProgram } from "../generate/step-times.ts";
import type { Build } from "../host/wasm.ts";
import type { MetadataValue } from "../load/info.ts";
import { type FileContents, inspectFile, inspectProgram } from "../load/inspect.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { shortest, table } from "./columns.ts";
import { noteWarnings, writeJson } from "./common.ts";
import type { Io } from "./io.ts";

/** Longer texts are cut in the table. */
const TEXT_LIMIT = 72;

export async function inspect(args: Arguments, io: Io): Promise<void> {
  if (args.has("time") && !args.has("program")) throw new UsageError(NO_FLAG, "--program");
  if (args.has("program")) {
    if (args.has("json")) throw new UsageError(NO_JSON, "--program");
    io.write(await (args.has("time") ? timed(args, io) : inspectProgram(args.needed("MODEL"), { signal: io.signal })));
    return;
  }
  const contents = await inspectFile(args.needed("MODEL"), { signal: io.signal });
  if (args.has("json")) writeJson(io, asJson(contents));
  else {
    noteWarnings(contents, io);
    io.write(asTables(contents));
  }
}

/** The page with the times of steps before their lines, and the sums behind it. */
async function timed(args: Arguments, io: Io): Promise<string> {
  const times = await timeProgram(args.needed("MODEL"), {
    build: args.text("build") as Build,
    signal: io.signal,
    onProgress: (loaded, total) => io.progress("loading", loaded, total),
  });
  io.endProgress();
  return withTimes(times);
}

function withTimes({ program, prompt, token }: ProgramTimes): string {
  const sums = [sum(prompt), sum(token)];
  const columns = (ms: readonly number[]) =>
    ms.map((value, i) => (value ? fixed(value, 3, 10) + fixed((value * 100) / sums[i], 1, 7) : "".padEnd(17))).join("");
  const lines = program.trimEnd().split("\n");
  const margins = lines.map((line, i) => {
    if (i === 0) return "        32 tokens          1 token  ";
    if (i === 2) return "        ms      %        ms      %  ";
    const step = /^ +(\d+) /.exec(line);
    if (step) return `${columns([prompt[Number(step[1])], token[Number(step[1])]])}  `;
    return line && "".padEnd(36);
  });
  return [...lines.map((line, i) => margins[i] + line), `${columns(sums)}  in all\n`].join("\n");
}

function fixed(value: number, digits: number, width: number): string {
  return value.toFixed(digits).padStart(width);
}

function asJson({ version, metadata, tensors, tableBytes, warnings }: FileContents): unknown {
  const values = [...metadata].map(([key, { value, count }]) => {
    // A vocabulary is no reading matter: of a long array its length and its beginning.
    if (Array.isArray(value) && count !== null && count > value.length) return [key, { count, first: value }];
    return [key, value];
  });
  return {
    version,
    metadata: Object.fromEntries(values.map(([key, value]) => [key, plain(value)])),
    tensors,
    table_bytes: tableBytes,
    warnings,
  };
}

/** JSON has no bigint: numbers beyond 2^53 go as text. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "number" ? shortest(value) : value;
}

function asTables({ version, metadata, tensors, tableBytes }: FileContents): string {
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  const total = `${tensors.length} tensors, ${short(parameters)} parameters, ${(bytes / 1e6).toFixed(1)} MB`;
  const keys = [...metadata].map(([key, { value, count }]) => [key, show(value, count)]);
  const rows = tensors.map(({ name, type, shape, bytes: size }) => [name, type, shape.join(" × "), String(size)]);
  return [
    `GGUF version ${version}: ${total}\n`,
    ...(tableBytes
      ? [`look-up tables: ${(tableBytes / 1e6).toFixed(1)} MB, which --tables stream leaves in the file\n`]
      : []),
    table([["key", "value"], ...keys], []),
    ...(rows.length ? [table([["tensor", "type", "shape", "bytes"], ...rows], [3])] : []),
  ].join("\n");
}

function show(value: MetadataValue, count: number | null): string {
  if (Array.isArray(value)) {
    const first = value.slice(0, 4).map((item) => show(item, null));
    return `[${first.join(", ")}${count! > first.length ? `, … ${count} in all` : ""}]`;
  }
  if (typeof value !== "string") return String(plain(value));
  const text = JSON.stringify(value);
  return text.length > TEXT_LIMIT ? `${text.slice(0, TEXT_LIMIT)}… (${value.length} characters)` : text;
}

function short(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} M` : `${(value / 1e3).toFixed(1)} K`;
}
