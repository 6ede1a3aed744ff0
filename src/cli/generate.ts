/** `limpet generate`: the continuation of a text, or the answer to it, as it comes. */

import { NO_PROMPT, NOT_TOGETHER } from "../../assembly/wasi/commands.ts";
import { SURPLUS_ARGUMENT } from "../../assembly/wasi/usage.ts";
import { createFile } from "../../bindings/new-file.ts";
import { readFile, statOf } from "../../bindings/node.ts";
import type { Model } from "../api/model.ts";
import type { Message } from "../generate/messages.ts";
import { recommendedOf, withRecommended } from "../generate/recommended.ts";
import type { Form } from "../generate/sequence-pool.ts";
import { messageOf } from "../host/errors.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { adaptersOf, openModel, rate, samplingOf, speculateOf, stream, tellEnd, writeJson } from "./common.ts";
import { constraintOf } from "./grammar.ts";
import type { Io } from "./io.ts";

export async function generate(args: Arguments, io: Io): Promise<void> {
  const suffix = args.text("suffix");
  const system = args.text("system");
  const chats = args.has("chat") || system !== undefined;
  if (suffix !== undefined && chats) throw new UsageError(NOT_TOGETHER, "--suffix");
  const given = { ...samplingOf(args), ...constraintOf(args, io) };
  const prompt = await promptOf(args, io);
  const model = await openModel(args, io);
  const options = withRecommended(recommendedOf(model.metadata(1)), {
    ...given,
    form: args.text("form") as Form,
    adapters: await adaptersOf(args, io, model),
    speculate: await speculateOf(args, io),
    signal: io.signal,
  });
  const messages: Message[] = [{ role: "user", content: prompt }];
  if (system !== undefined) messages.unshift({ role: "system", content: system });
  const cache = args.text("prompt-cache");
  if (cache !== undefined) {
    const tokens = chats ? await model.chatTokens(messages) : model.tokenize(prompt, { bos: true });
    await keepPrompt(model, cache, tokens, io);
  }
  const generation = chats ? model.chat(messages, options) : model.generate(prompt, { ...options, suffix });
  if (!args.has("json")) {
    if (!chats) io.echo(prompt);
    const result = await stream(generation, io);
    tellEnd(result, args.isGiven("max-tokens") ? args.text("max-tokens") : undefined, options.seed!, io);
    return;
  }
  await generation.text();
  const { text, tokens, finishReason, timings, drafted, accepted } = generation.result!;
  writeJson(io, {
    text,
    tokens,
    finish_reason: finishReason,
    prefill_tps: rate(timings.prefillTokens, timings.prefillMs),
    decode_tps: rate(timings.decodeTokens, timings.decodeMs),
    prompt_tokens: timings.prefillTokens,
    seed: Number(options.seed),
    ...(drafted !== undefined && { drafted, accepted }),
  });
}

/** Reads the prompt, of which a file may hold the beginning, and writes it there. */
async function keepPrompt(model: Model, path: string, tokens: readonly number[], io: Io): Promise<void> {
  let there: readonly number[] = [];
  try {
    if (statOf(path)) there = (await model.prefix({ tokens: [], bytes: readFile(path) })).tokens;
  } catch (error) {
    io.note(`limpet: ${path}: ${messageOf(error)}; the prompt is read anew`);
  }
  if (there.length === tokens.length && there.every((id, i) => id === tokens[i])) return;
  const { bytes } = await model.prefix(tokens, { signal: io.signal });
  const file = createFile(path);
  file.write(bytes);
  file.finish();
}

/** The text of an argument or of --prompt, with that of a pipe behind it; that of stdin where there is neither. */
async function promptOf(args: Arguments, io: Io): Promise<string> {
  const text = args.argument("TEXT");
  const flag = args.text("prompt");
  if (flag !== undefined && text !== undefined) throw new UsageError(SURPLUS_ARGUMENT, text);
  const given = flag ?? text;
  if (given === "-") return io.readInput();
  if (given !== undefined) {
    const more = io.piped ? withoutEnd(await io.readInput()) : "";
    return more === "" ? given : `${given}\n\n${more}`;
  }
  const input = io.interactive ? "" : withoutEnd(await io.readInput());
  if (input === "") throw new UsageError(NO_PROMPT);
  return input;
}

/** A text without the end of its last line, which the program that wrote it has put there. */
function withoutEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}
