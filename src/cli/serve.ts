/** `limpet serve`: models over HTTP, until Ctrl-C. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { CacheType } from "../generate/kept-rows.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import type { BuildChoice } from "../host/wasm.ts";
import { handler } from "../server/handler.ts";
import { listener } from "../server/listener.ts";
import type { ServedModel } from "../server/models.ts";
import { defaultModel } from "../store/default-model.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { requireShipped, streamingOf, weightedFile } from "./common.ts";
import type { Io } from "./io.ts";
import { page } from "./page.ts";

const LARGEST_PORT = 65535;
const BAD_PORT = "{} wants a port: 0 to 65535";
const ONE_BASE = "--lora wants one model beside it, and {} are given: serve each by a server of its own";
const NO_TWO = "{} is the name of two models: give one another, NAME=FILE";
const LOCAL = ["127.0.0.1", "::1", "localhost"];
/** Where a key may stand that is in no list of processes. */
const KEY_VARIABLE = "LIMPET_API_KEY";

export async function serve(args: Arguments, io: Io): Promise<void> {
  const models = modelsOf(args, io);
  const port = args.number("port");
  if (port > LARGEST_PORT) throw new UsageError(BAD_PORT, "--port");
  const host = args.text("host")!;
  const ownKey = process.env[KEY_VARIABLE];
  const keys = [...args.texts("key"), ...(ownKey ? [ownKey] : [])];
  const hosts = args.texts("allow-host");
  const cors = args.texts("cors");
  const megabytes = args.numberOrNone("models-memory");
  const answer = handler(models, {
    keys,
    cors: cors.includes("*") ? "*" : cors,
    ...(hosts.length > 0 && { hosts: hosts.includes("*") ? "*" : hosts }),
    parallel: args.number("parallel"),
    queue: args.number("queue"),
    context: args.numberOrNone("conversation"),
    memory: megabytes && megabytes * 2 ** 20,
    onError: (error) => io.note(`limpet: ${messageOf(error)}`),
  });
  const asked = page();
  const both = async (request: Request): Promise<Response> => (await asked(request)) ?? answer(request);
  const server = createServer(listener(Object.assign(both, { load: answer.load, dispose: answer.dispose })));
  try {
    await listening(server, port, host);
    // Who gives a wrong file hears of it at once.
    await answer.load();
    if (args.texts("adapted").length > 0) for (const name of Object.keys(models)) await answer.load(name);
    const { port: own } = server.address() as AddressInfo;
    const place = `http://${host.includes(":") ? `[${host}]` : host}:${own}`;
    io.note(`limpet serves ${Object.keys(models).join(", ")} at ${place}/v1`);
    io.note(`a page to talk in: ${place}/`);
    if (keys.length === 0 && !LOCAL.includes(host)) {
      io.note(`limpet: whoever reaches ${place} may use it: --key KEY, or ${KEY_VARIABLE}, keeps others out`);
    }
    await new Promise((resolve) => io.signal.addEventListener("abort", resolve, { once: true }));
  } finally {
    server.close();
    server.closeAllConnections();
    answer.dispose();
  }
}

/** The models by their names: `NAME=FILE`, or the file's own name. */
function modelsOf(args: Arguments, io: Io): Record<string, ServedModel> {
  const options = {
    threads: args.number("threads") || 1,
    build: args.text("best") as BuildChoice,
    kv: (args.text("kv") ?? "f16") as CacheType,
    ...streamingOf(args),
    onProgress: (loaded: number, total: number) => {
      if (loaded < total) io.progress("loading", loaded, total);
      else io.endProgress();
    },
  };
  const models: Record<string, ServedModel> = {};
  const given = args.all("MODEL...");
  const add = (word: string, modelOf: (place: string) => ServedModel): void => {
    const [, named, place] = /^(?:([\w.:/-]+)=)?(.+)$/s.exec(word) ?? [];
    const name = named ?? nameOf(place);
    if (Object.hasOwn(models, name)) throw new UsageError(NO_TWO, name);
    models[name] = modelOf(place);
  };
  for (const word of given) add(word, (source) => ({ source, ...options }));
  if (given.length === 0) requireShipped();
  if (given.length === 0) models["tales"] = { source: defaultModel, ...options };
  const adapters = args.texts("adapted");
  const [base, ...others] = Object.keys(models);
  if (adapters.length > 0 && others.length > 0) throw new UsageError(ONE_BASE, String(given.length));
  for (const word of adapters) {
    const [file, weight] = weightedFile(word);
    add(file, (source) => ({ base, adapters: [[source, weight]] }));
  }
  return models;
}

/** A file's name without its folder and its ending. */
function nameOf(place: string): string {
  const last = place
    .replace(/[?#].*$/, "")
    .replace(/[/\\]+$/, "")
    .split(/[/\\]/)
    .at(-1)!;
  return last.replace(/\.gguf$/i, "").replace(/-00001-of-\d+$/, "") || place;
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "somebody else listens there: --port N takes another" : error.message;
      reject(new LimpetError("HOST", `${host}:${port} cannot be listened at: ${why}`, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}
