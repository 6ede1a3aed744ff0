/** A server of models: OpenAI's routes and their like over `(Request) => Promise<Response>`, which every host calls its own. */
import { callback, listOf, type OptionTable, readOptions, text, whole } from "../host/arguments.ts";
import type { Call, ServerState } from "./call.ts";
import { chatCompletions } from "./chat-completions.ts";
import { completions } from "./completions.ts";
import { detokenize, embeddings, rerank, tokenize } from "./embeddings.ts";
import { knownError, RequestError, unknownError } from "./errors.ts";
import { readFields } from "./fields.ts";
import { Gate, type GateOptions } from "./gate.ts";
import { countTokens, messages } from "./messages.ts";
import { Metrics } from "./metrics.ts";
import { MODEL_LIMITS, type ModelOptions, Models, type ServedModel } from "./models.ts";
import { responses } from "./responses.ts";

/** Who may ask a server, and how much it takes on. */
export interface ServerOptions extends GateOptions, ModelOptions {
  /** Milliseconds of silence after which a stream says that it goes on. Default: 10,000. */
  ping?: number;
  /** Is told of errors that are nobody's request's fault. Default: `console.error`. */
  onError?: (error: unknown) => void;
}

/** Answers requests, and gives back what it holds with `dispose`. */
export interface Handler {
  /** The answer to a request; it never throws. */
  (request: Request): Promise<Response>;
  /** Loads a model before anybody asks for it; without a name the first. */
  load(model?: string): Promise<void>;
  /** Puts the models away that it has loaded, and refuses what comes after. */
  dispose(): void;
}

const anyOrTexts = (name: string, value: unknown): "*" | readonly string[] =>
  value === "*" ? "*" : listOf(text)(name, value);

const SERVER_OPTIONS: OptionTable<ServerOptions> = {
  keys: listOf(text),
  cors: anyOrTexts,
  hosts: anyOrTexts,
  ...MODEL_LIMITS,
  ping: whole(1, 2 ** 31 - 1),
  onError: callback,
};

const PING_MS = 10_000;

type Route = (call: Call) => Promise<Response>;

const POSTS: Readonly<Record<string, Route>> = {
  "/v1/chat/completions": chatCompletions,
  "/v1/completions": completions,
  "/v1/embeddings": embeddings,
  "/v1/responses": responses,
  "/v1/rerank": rerank,
  "/v1/messages": messages,
  "/v1/messages/count_tokens": countTokens,
  "/tokenize": tokenize,
  "/detokenize": detokenize,
};

const GETS: Readonly<Record<string, (server: ServerState) => Response>> = {
  "/v1/models": ({ models }) => Response.json({ object: "list", data: models.states.map(modelBody) }),
  "/health": () => Response.json({ status: "ok" }),
  "/metrics": ({ models, metrics }) =>
    new Response(metrics.text(models), { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } }),
};

/** What anybody may ask who reaches the server: whether it is there. */
const OPEN = "/health";
const MODEL = "/v1/models/";

/**
 * A server of these models, by their names: those that are not loaded yet are when somebody asks for them. Give it to
 * `Deno.serve`, to `Bun.serve({ fetch })`, to a Worker's `export default { fetch }`, or to Node by `listener`.
 *
 *     const answer = handler({ "smollm2": "smollm2-135m-instruct-q4_1.gguf" });
 */
export function handler(models: Readonly<Record<string, ServedModel>>, options: ServerOptions = {}): Handler {
  const { ping = PING_MS, onError = console.error, ...given } = readOptions(options, SERVER_OPTIONS);
  const server: ServerState = { models: new Models(models, given), metrics: new Metrics(), pingMs: ping, onError };
  const gate = new Gate(given);
  const answer = async (request: Request): Promise<Response> => {
    const { route, response } = await answered(request, server, gate);
    server.metrics.requested(route, response.status);
    return response;
  };
  const load = async (model?: string): Promise<void> => {
    (await server.models.lease(model, new AbortController().signal)).release();
  };
  return Object.assign(answer, { load, dispose: () => server.models.dispose() });
}

/** The answer, and the route that made it: whatever is thrown becomes one, too. */
async function answered(
  request: Request,
  server: ServerState,
  gate: Gate,
): Promise<{ route: string; response: Response }> {
  let route = "none";
  let headers: Record<string, string> = {};
  let isAnthropic = false;
  try {
    const path = new URL(request.url).pathname.replace(/(.)\/$/, "$1");
    isAnthropic = path.startsWith("/v1/messages");
    gate.requirePlace(request);
    headers = gate.headers(request);
    if (request.method === "OPTIONS") return { route, response: gate.preflight(request) };
    if (path !== OPEN) gate.requireKey(request);
    route = routeOf(request.method, path);
    const response = await run(request, path, server);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return { route, response };
  } catch (error) {
    const known = knownError(error) ?? (request.signal.aborted ? gone() : null);
    if (!known) server.onError(error);
    const said = known ?? unknownError();
    const body = isAnthropic ? said.anthropicBody() : said.body();
    return { route, response: Response.json(body, { status: said.status, headers: { ...headers, ...said.headers } }) };
  }
}

/** What nobody reads any more; it is counted by nginx's number. */
function gone(): RequestError {
  return new RequestError("invalid_request_error", "who asked is gone", { code: "client_closed_request", status: 499 });
}

/** The route of a path, by the name that it has in metrics; what there is none of is refused. */
function routeOf(method: string, path: string): string {
  const isGet = method === "GET" || method === "HEAD";
  if (isGet && Object.hasOwn(GETS, path)) return path;
  if (isGet && path.startsWith(MODEL)) return MODEL;
  if (method === "POST" && Object.hasOwn(POSTS, path)) return path;
  const other = Object.hasOwn(GETS, path) ? "GET" : Object.hasOwn(POSTS, path) ? "POST" : null;
  if (other === null) {
    const all = [...Object.keys(POSTS), ...Object.keys(GETS)].join(", ");
    throw new RequestError("not_found_error", `there is no such route: there are ${all}`, { code: "route_not_found" });
  }
  throw new RequestError("invalid_request_error", `this route is asked by ${other}`, {
    code: "method_not_allowed",
    status: 405,
  });
}

async function run(request: Request, path: string, server: ServerState): Promise<Response> {
  if (Object.hasOwn(GETS, path)) return GETS[path](server);
  if (path.startsWith(MODEL)) return oneModel(decodeName(path.slice(MODEL.length)), server);
  const abort = new AbortController();
  const signal = AbortSignal.any([request.signal, abort.signal]);
  const fields = await readFields(request);
  return POSTS[path]({ fields, server, signal, abort });
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function oneModel(name: string, { models }: ServerState): Response {
  const found = models.states.find(({ id }) => id === name);
  if (found) return Response.json(modelBody(found));
  throw new RequestError("not_found_error", `there is no model ${JSON.stringify(name.slice(0, 100))}`, {
    param: "model",
    code: "model_not_found",
  });
}

function modelBody({ id, created, held, base }: Models["states"][number]): object {
  const { model, context, chat } = held ?? {};
  return {
    ...{ id, object: "model", created, owned_by: "limpet", loaded: held !== null },
    ...(base !== null && { parent: base }),
    ...(model && { context_length: context, architecture: model.info.architecture, makes: model.info.makes, chat }),
  };
}
