/** Routes that generate nothing: `/v1/embeddings`, `/v1/rerank`, `/tokenize` and back. */
import { printable } from "../host/arguments.ts";
import type { Call } from "./call.ts";
import { RequestError } from "./errors.ts";
import { Fields } from "./fields.ts";
import { requireShort, textsOrIds } from "./inputs.ts";
import type { Lease } from "./models.ts";

const MOST_TEXTS = 2048;
const MOST_IDS = 1 << 20;

/** Vectors of texts. */
export async function embeddings(call: Call): Promise<Response> {
  const { fields } = call;
  const texts = textsOrIds(fields, "input", MOST_TEXTS);
  const dimensions = fields.whole("dimensions", 1, 2 ** 20);
  const format = fields.text("encoding_format") ?? "float";
  if (format !== "float" && format !== "base64") {
    throw fields.wrong("encoding_format", `is float or base64, not ${printable(format)}`);
  }
  return leased(call, async ({ id, model, adapters }) => {
    const ids: ArrayLike<number>[] = [];
    for (const text of texts) requireShort(text.length, model.info.contextLength);
    for (const text of texts) ids.push(typeof text === "string" ? await model.tokenize(text, { bos: true }) : text);
    const vectors = await model.embed(ids, { ...(dimensions && { dimensions }), adapters, signal: call.signal });
    const tokens = ids.reduce((sum, { length }) => sum + length, 0);
    return {
      object: "list",
      data: vectors.map((vector, index) => ({
        object: "embedding",
        index,
        embedding: format === "float" ? Array.from(vector) : base64(vector),
      })),
      model: id,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
  });
}

/** Documents by how well they answer a query. */
export async function rerank(call: Call): Promise<Response> {
  const { fields } = call;
  const query = fields.required("query", fields.text("query"));
  const documents = documentsOf(fields);
  const top = fields.whole("top_n", 1, MOST_TEXTS);
  const showsTexts = fields.flag("return_documents") ?? false;
  return leased(call, async ({ id, model, adapters }) => {
    if (model.info.makes !== "scores") {
      const words = `the model ${id} makes ${model.info.makes} of texts, and ranks none`;
      throw new RequestError("invalid_request_error", words, { param: "model", code: "unsupported" });
    }
    for (const text of [query, ...documents]) requireShort(text.length, model.info.contextLength);
    const ranked = await model.rerank(query, documents, { ...(top && { top }), adapters, signal: call.signal });
    let tokens = 0;
    for (const text of documents) tokens += (await model.tokenize(text)).length;
    tokens += documents.length * (await model.tokenize(query)).length;
    return {
      id: crypto.randomUUID(),
      model: id,
      results: ranked.map(({ index, score }) => ({
        index,
        relevance_score: score,
        ...(showsTexts && { document: { text: documents[index] } }),
      })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
  });
}

/** Token ids of a text. */
export async function tokenize(call: Call): Promise<Response> {
  const { fields } = call;
  const content = fields.required("content", fields.text("content"));
  const bos = fields.flag("add_special") ?? false;
  const special = fields.flag("parse_special") ?? false;
  const showsPieces = fields.flag("with_pieces") ?? false;
  return leased(call, async ({ model, context }) => {
    requireShort(content.length, context);
    const ids = await model.tokenize(content, { bos, special });
    if (!showsPieces) return { tokens: ids };
    const tokens: object[] = [];
    for (const id of ids) tokens.push({ id, piece: await model.detokenize([id], { special: true }) });
    return { tokens };
  });
}

/** The text of token ids. */
export async function detokenize(call: Call): Promise<Response> {
  const { fields } = call;
  const given = fields.required("tokens", fields.list("tokens", MOST_IDS));
  const [tokens] = given.length > 0 ? (textsOrIds(fields, "tokens", MOST_IDS) as number[][]) : [[]];
  return leased(call, async ({ model }) => ({ content: await model.detokenize(tokens, { special: true }) }));
}

function documentsOf(fields: Fields): string[] {
  const list = fields.required("documents", fields.list("documents", MOST_TEXTS));
  if (list.length === 0) throw fields.wrong("documents", "is empty");
  return list.map((document, i) => {
    if (typeof document === "string") return document;
    const path = `documents[${i}]`;
    const of = Fields.of(document, path);
    return of.required("text", of.text("text"));
  });
}

/** JSON that a model makes, which is held meanwhile. */
async function leased(call: Call, make: (lease: Lease) => Promise<object>): Promise<Response> {
  const lease = await call.server.models.lease(call.fields.text("model"), call.signal);
  try {
    return Response.json(await make(lease));
  } finally {
    lease.release();
  }
}

/** The bytes of f32 values, little endian as every host's are. */
function base64(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  let letters = "";
  for (let at = 0; at < bytes.length; at += 8192) letters += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(letters);
}
