/** `limpet bench`: loading, prefill and decoding of made-up tokens, as JSON. */
import type { Model } from "../api/model.ts";
import type { ModelMemory } from "../api/options.ts";
import type { Session } from "../api/session.ts";
import { spreadTokens } from "../generate/step-times.ts";
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
  const { cache } = session;
  const { tables, experts } = decode > 0 ? times : { tables: null, experts: null };
  const { linear, cacheBytesPerToken } = model.memory;
  writeJson(io, {
    load_ms: Number(loadMs.toFixed(1)),
    prefill_tps: rate(prefill, times.prefillMs),
    decode_tps: rate(decode, times.decodeMs),
    memory_bytes: linear,
    rss_peak_bytes: io.peakMemory(),
    kv_bytes_per_token: cacheBytesPerToken,
    kv_bytes: cache.bytes,
    kv_rows: Math.max(...cache.rows),
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
    ...(experts && {
      experts: {
        bytes: experts.bytes,
        slabs_wanted: perToken(experts.slabsWanted, decode),
        slabs_read: perToken(experts.slabsRead, decode),
        bytes_read: perToken(experts.bytesRead, decode),
      },
    }),
  });
}

function perToken(count: number, tokens: number): number {
  return Number((count / tokens).toPrecision(6));
}

/**
 * Times of a prompt up to its first token, and of `decode` more, with what these read of streamed tables and experts; an
 * end token does not end it.
 */
async function run(
  model: Model,
  session: Session,
  prompt: number[],
  decode: number,
  signal: AbortSignal,
): Promise<{ prefillMs: number; decodeMs: number } & Pick<ModelMemory, "tables" | "experts">> {
  const first = session.generate(prompt, { maxTokens: decode + 1, signal });
  await first.next();
  const before = model.memory;
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
  const after = model.memory;
  return { ...times, tables: since(before.tables, after.tables), experts: since(before.experts, after.experts) };
}

/** What was counted between two times; `bytes` is what there is. */
function since<T extends { readonly bytes: number }>(before: T | null, after: T | null): T | null {
  if (!before || !after) return null;
  const from = { ...before, bytes: 0 } as Record<string, number>;
  return Object.fromEntries(Object.entries(after).map(([key, count]) => [key, count - from[key]])) as unknown as T;
}
