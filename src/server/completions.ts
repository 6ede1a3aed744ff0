/** `/v1/completions`: texts that go on. */
import type { GenerateOptions, GenerationResult } from "../generate/generation.ts";
import { type Ask, answers } from "./answers.ts";
import { type Call, newId, now, streamForm } from "./call.ts";
import { fingerprint, finishReason, timingsOf, usageOf } from "./chat-completions.ts";
import { constraintOf, reasoningOf } from "./content.ts";
import type { Fields } from "./fields.ts";
import { textsOrIds } from "./inputs.ts";
import { NOTHING } from "./metrics.ts";
import type { Lease } from "./models.ts";
import { samplingOf, seedOf, stopsOf } from "./sampling.ts";
import { data, PING, streamed } from "./stream.ts";
import type { DrawnToken } from "./tokens.ts";

const MOST_TOKENS = 2 ** 31 - 1;
const DEFAULT_TOKENS = 256;
const MOST_ANSWERS = 16;
const MOST_PROMPTS = 64;

interface TextAsk extends Ask {
  /** What stands before each answer: its prompt, where that was asked for. */
  readonly before: readonly string[];
}

export async function completions(call: Call): Promise<Response> {
  const { fields } = call;
  const ask = askOf(fields);
  if (!fields.flag("stream")) return Response.json(await whole(call, ask));
  const wantsUsage = fields.object("stream_options")?.flag("include_usage") ?? false;
  const failure = (error: { body(): object }): string => data(error.body());
  return streamed(chunks(call, ask, wantsUsage), call.abort, streamForm(call, { ping: PING, failure }));
}

function askOf(fields: Fields): TextAsk {
  const prompts = textsOrIds(fields, "prompt", MOST_PROMPTS);
  const n = fields.whole("n", 1, MOST_ANSWERS) ?? 1;
  const limit = fields.whole("max_tokens", -1, MOST_TOKENS) ?? DEFAULT_TOKENS;
  const echoes = fields.flag("echo") ?? false;
  if (echoes && prompts.some((prompt) => typeof prompt !== "string")) {
    throw fields.wrong("echo", "goes with prompts of text, not of token ids");
  }
  return {
    model: fields.text("model"),
    prompts,
    n,
    suffix: fields.text("suffix"),
    maxTokens: limit === -1 ? undefined : limit,
    before: prompts.flatMap((prompt) => Array.from({ length: n }, () => (echoes ? (prompt as string) : ""))),
    seed: seedOf(fields),
    options: {
      ...samplingOf(fields),
      ...constraintOf(fields),
      ...reasoningOf(fields),
      ...logprobsOf(fields),
      ...(fields.has("stop") && { stop: stopsOf(fields, "stop") ?? [] }),
    },
  };
}

function logprobsOf(fields: Fields): GenerateOptions {
  const top = fields.whole("logprobs", 0, 20);
  return top === undefined ? {} : { logprobs: top };
}

function head(id: string, created: number, lease: Lease): object {
  return { id, object: "text_completion", created, model: lease.id, system_fingerprint: fingerprint(lease) };
}

/** Log probabilities in the older form, of tokens that begin at `offset` of the text. */
function logprobsBody(tokens: readonly DrawnToken[], offset: number): object {
  const offsets: number[] = [];
  let at = offset;
  for (const { token } of tokens) {
    offsets.push(at);
    at += token.length;
  }
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: tokens.map(({ top_logprobs: top }) =>
      Object.fromEntries(top.map(({ token, logprob }) => [token, logprob])),
    ),
    text_offset: offsets,
  };
}

async function whole(call: Call, ask: TextAsk): Promise<object> {
  const tokens: DrawnToken[][] = ask.before.map(() => []);
  const results: GenerationResult[] = [];
  let lease: Lease | undefined;
  const steps = answers(call, ask);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) {
      return {
        ...head(newId("cmpl-"), now(), lease!),
        choices: results.map((result, index) => ({
          index,
          text: ask.before[index] + result.text,
          logprobs: ask.options.logprobs === undefined ? null : logprobsBody(tokens[index], ask.before[index].length),
          finish_reason: finishReason(result),
        })),
        usage: usageOf(value),
        seed: ask.seed,
        timings: timingsOf(results[0]),
      };
    }
    if (value.kind === "begin") ({ lease } = value);
    else if (value.kind === "end") results[value.index] = value.result;
    else if (value.piece.logprob !== undefined) tokens[value.index].push(await lease!.tokens.drawn(value.piece));
  }
}

async function* chunks(call: Call, ask: TextAsk, wantsUsage: boolean): AsyncGenerator<string, void, undefined> {
  const [id, created] = [newId("cmpl-"), now()];
  let lease: Lease | undefined;
  let first: GenerationResult | undefined;
  const written = ask.before.map(() => 0);
  const chunk = (choices: object[], more: object = {}): string =>
    data({ ...head(id, created, lease!), choices, ...more });
  const choice = (index: number, text: string, logprobs: object | null, finish: string | null = null): string => {
    written[index] += text.length;
    return chunk([{ index, text, logprobs, finish_reason: finish }], wantsUsage ? { usage: null } : {});
  };
  const steps = answers(call, ask);
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        const told = { usage: usageOf(value), seed: ask.seed, timings: timingsOf(first!) };
        if (wantsUsage) yield chunk([], told);
        yield "data: [DONE]\n\n";
        return;
      }
      if (value.kind === "begin") {
        ({ lease } = value);
        for (const [index, before] of ask.before.entries()) if (before !== "") yield choice(index, before, null);
      } else if (value.kind === "end") {
        if (value.index === 0) first = value.result;
        yield choice(value.index, "", null, finishReason(value.result));
      } else {
        const { index, piece } = value;
        const drawn = piece.logprob === undefined ? null : await lease!.tokens.drawn(piece);
        if (piece.text === "" && !drawn) continue;
        yield choice(index, piece.text, drawn && logprobsBody([drawn], written[index]));
      }
    }
  } finally {
    await steps.return(NOTHING);
  }
}
