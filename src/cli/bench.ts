/** `limpet bench`: loading, prefill and decoding of made-up tokens, as JSON. */
import type { Model } from "../api/model.ts";
import type { Session } from "../api/session.ts";
import { spreadTokens } from "../generate/step-times.ts";
import type { TableUse } from "../load/tables.ts";
import type { Arguments } from "./arguments.ts";
import { openModel, rate, writeJson } from "./common.ts";
import type { Io } from "./io.ts";

/** Enough for the engine to have compiled the kernels to their best. */
const WARM_UP = { prefill: 32, decode: 8 };

export async function bench(args: Arguments, io: Io): Promise<void> {
  const prefill = Math.max(args.number("prefill"), 1);
  const decode = args.number("decode");
  const started = performance.now();
  const model = await openModel(args, io, { context: args.numberOrNone("ctx") ?? prefill + decode + 1 });
  const loadMs = performance.now() - started;
  const prompt = spreadTokens(model.info.vocabulary, prefill);
  const session = model.session();
  await run(model, session, prompt.slice(0, WARM_UP.prefill), Math.min(decode, WARM_UP.decode), io.signal);
  session.rewind(0);
  const times = await run(model, session, prompt, decode, io.signal);
  const { tables } = times;
  const { linear, cacheBytesPerToken } = model.memory;
  writeJson(io, {
    load_ms: Number(loadMs.toFixed(1)),
    prefill_tps: rate(prefill, times.prefillMs),
    decode_tps: rate(decode, times.decodeMs),
    memory_bytes: linear,
    rss_peak_bytes: io.peakMemory(),
    kv_bytes_per_token: cacheBytesPerToken,
    build: model.build,
    // Of a decoded token.
    ...(tables && {
      tables: {
        bytes: tables.bytes,
        rows_wanted: perToken(tables.rowsWanted, decode),
        rows_read: perToken(tables.rowsRead, decode),
        bytes_read: perToken(tables.bytesRead, decode),
      },
    }),
  });
}

function perToken(count: number, tokens: number): number {
  return Number((count / tokens).toPrecision(6));
}

/**
 * Times of a prompt up to its first token, and of `decode` more, with what these read of streamed tables; an end token
 * does not end it.
 */
async function run(
  model: Model,
  session: Session,
  prompt: number[],
  decode: number,
  signal: AbortSignal,
): Promise<{ prefillMs: number; decodeMs: number; tables: TableUse | null }> {
  const first = session.generate(prompt, { maxTokens: decode + 1, signal });
  await first.next();
  const before = model.memory.tables;
  await first.text();
  const { prefillMs, decodeMs, decodeTokens } = first.result!.timings;
  const times = { prefillMs, decodeMs };
  for (let done = decodeTokens; done < decode; ) {
    const more = session.generate(undefined, { maxTokens: decode - done, signal });
    await more.text();
    const { timings } = more.result!;
    times.decodeMs += timings.prefillMs + timings.decodeMs;
    done += timings.decodeTokens + 1;
  }
  const after = model.memory.tables;
  if (!before || !after || decode === 0) return { ...times, tables: null };
  const tables = {
    bytes: after.bytes,
    rowsWanted: after.rowsWanted - before.rowsWanted,
    rowsRead: after.rowsRead - before.rowsRead,
    bytesRead: after.bytesRead - before.bytesRead,
  };
  return { ...times, tables };
}
