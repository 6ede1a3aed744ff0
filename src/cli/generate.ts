/** `limpet generate`: the continuation of a text, or the answer to it, as it comes. */
import { NOT_TOGETHER } from "../../assembly/wasi/commands.ts";
import type { Form } from "../generate/sequence-pool.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { openModel, rate, samplingOf, stream, writeJson } from "./common.ts";
import { constraintOf } from "./grammar.ts";
import type { Io } from "./io.ts";

export async function generate(args: Arguments, io: Io): Promise<void> {
  const given = args.required("prompt");
  const suffix = args.text("suffix");
  if (suffix !== undefined && args.has("chat")) throw new UsageError(NOT_TOGETHER, "--suffix");
  const prompt = given === "-" ? await io.readInput() : given;
  const sampling = samplingOf(args);
  const model = await openModel(args, io);
  const options = {
    ...sampling,
    ...constraintOf(args),
    maxTokens: args.number("max-tokens"),
    form: args.text("form") as Form,
    signal: io.signal,
  };
  const generation = args.has("chat")
    ? model.chat([{ role: "user", content: prompt }], options)
    : model.generate(prompt, { ...options, suffix });
  if (!args.has("json")) {
    await stream(generation, io);
    return;
  }
  await generation.text();
  const { text, tokens, finishReason, timings } = generation.result!;
  writeJson(io, {
    text,
    tokens,
    finish_reason: finishReason,
    prefill_tps: rate(timings.prefillTokens, timings.prefillMs),
    decode_tps: rate(timings.decodeTokens, timings.decodeMs),
  });
}
