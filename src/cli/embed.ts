/** `limpet embed` and `limpet rerank`: vectors of texts, and documents by their scores, a line of JSON each. */
import type { Pooling } from "../generate/embedding.ts";
import type { Arguments } from "./arguments.ts";
import { adaptersOf, openModel, writeJson } from "./common.ts";
import type { Io } from "./io.ts";

export async function embed(args: Arguments, io: Io): Promise<void> {
  const texts = await textsOf(args, io);
  const model = await openModel(args, io);
  const pooling = args.text("pooling");
  const vectors = await model.embed(texts, {
    pooling: pooling === "file" ? undefined : (pooling as Pooling),
    dimensions: args.numberOrNone("dimensions"),
    prompt: args.text("prompt-name"),
    normalize: !args.has("raw"),
    truncate: args.has("truncate"),
    adapters: await adaptersOf(args, io, model),
    signal: io.signal,
  });
  for (const [index, vector] of vectors.entries()) writeJson(io, { index, embedding: Array.from(vector, shortest) });
}

export async function rerank(args: Arguments, io: Io): Promise<void> {
  const texts = await textsOf(args, io);
  const model = await openModel(args, io);
  const ranked = await model.rerank(args.needed("QUERY"), texts, {
    top: args.numberOrNone("top"),
    truncate: args.has("truncate"),
    adapters: await adaptersOf(args, io, model),
    signal: io.signal,
  });
  for (const { index, score } of ranked) writeJson(io, { index, score: shortest(score), text: texts[index] });
}

/** The texts of the command line; for one of `-` the lines of stdin. */
async function textsOf(args: Arguments, io: Io): Promise<string[]> {
  const texts: string[] = [];
  for (const text of args.all("TEXT...")) {
    if (text !== "-") texts.push(text);
    else for await (const line of io.inputLines()) texts.push(line.replace(/\r$/, ""));
  }
  return texts;
}

/** As few digits as tell an f32 from its neighbours. */
function shortest(value: number): number {
  const wanted = Math.fround(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(wanted.toPrecision(digits));
    if (Math.fround(short) === wanted) return short;
  }
  return Number(wanted.toPrecision(9));
}
