/** `limpet bench`: loading, prefill and decoding of made-up tokens, as JSON. */
import type { Session } from "../session.ts";
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
  // Spread over the vocabulary, as the bench of native llama.cpp does it.
  const range = Math.min(model.info.vocabulary, 30000) - 4;
  const prompt = Array.from({ length: prefill }, (_, i) => (range > 0 ? 3 + ((i * 7919) % range) : 0));
  const session = model.session();
  await run(session, prompt.slice(0, WARM_UP.prefill), Math.min(decode, WARM_UP.decode), io.signal);
  session.rewind(0);
  const times = await run(session, prompt, decode, io.signal);
  const { linear, cacheBytesPerToken } = model.memory;
  writeJson(io, {
    load_ms: Number(loadMs.toFixed(1)),
    prefill_tps: rate(prefill, times.prefillMs),
    decode_tps: rate(decode, times.decodeMs),
    memory_bytes: linear,
    rss_peak_bytes: io.peakMemory(),
    kv_bytes_per_token: cacheBytesPerToken,
    build: model.build,
  });
}

/** Times of a prompt up to its first token, and of `decode` more; an end token does not end it. */
async function run(
  session: Session,
  prompt: number[],
  decode: number,
  signal: AbortSignal,
): Promise<{ prefillMs: number; decodeMs: number }> {
  const first = session.generate(prompt, { maxTokens: decode + 1, signal });
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
  return times;
}
