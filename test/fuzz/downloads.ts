/**
 * Downloads from servers that lie, break off, change the file meanwhile or answer with something else: what loads is one
 * version of the file, whole and bit for bit, also when its tables stay there; what is cached is one version, and whole.
 * A server's strong tag is its word: all else may be wrong.
 */
import * as assert from "uvu/assert";
import { cached, deleteCached, listCached } from "../../src/cache.ts";
import { Model } from "../../src/index.ts";
import { sameBits } from "../support/core.ts";
import { installOpfs } from "../support/opfs.ts";
import { Finding, type Fuzzer, guardModule, type Run, refusal } from "./fuzzer.ts";
import { woundFile } from "./mutate.ts";
import type { Random } from "./random.ts";
import { makeSeeds, type Seed } from "./seeds.ts";

const IDS = [1, 70, 100, 5];
/** Requests of one load: more are no end. */
const MOST_REQUESTS = 500;

export const downloads: Fuzzer = {
  name: "downloads",
  about: "URLs of servers that lie and break off: loads, streamed tables, the cache, files sound and wounded",
  cases: 200,
  share: 5,
  prepare,
};

/** A file that a server may have: its bytes and tags. */
interface Version {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly etag: string;
  readonly modified: string;
}

/** How often a server of a case does what it should not: one time in so many answers; 0: never. */
interface Manners {
  readonly tags: "strong" | "weak" | "dates" | "none";
  readonly ranges: boolean;
  readonly breaks: number;
  readonly changes: number;
  readonly errors: number;
  readonly lies: number;
  readonly packed: boolean;
  /** From another origin: what the answer is encoded with is not seen. */
  readonly opaque: boolean;
}

class Server {
  readonly random: Random;
  readonly versions: readonly Version[];
  readonly manners: Manners;
  now = 0;
  requests = 0;

  constructor(random: Random, versions: readonly Version[]) {
    this.random = random;
    this.versions = versions;
    const often = (): number => random.pick([0, 0, 2, 4, 9]);
    this.manners = {
      tags: random.pick(["strong", "strong", "weak", "dates", "none"]),
      ranges: !random.oneIn(4),
      breaks: often(),
      changes: often(),
      errors: random.oneIn(3) ? often() : 0,
      lies: random.oneIn(3) ? often() : 0,
      packed: random.oneIn(8),
      opaque: random.oneIn(4),
    };
  }

  #does(what: "breaks" | "changes" | "errors" | "lies"): boolean {
    return this.manners[what] > 0 && this.random.oneIn(this.manners[what]);
  }

  async answer(url: string, headers: Headers, signal: AbortSignal | null | undefined): Promise<Response> {
    if (++this.requests > MOST_REQUESTS) throw new Finding(`${MOST_REQUESTS} requests, and no end`);
    signal?.throwIfAborted();
    const { random, manners } = this;
    if (this.#does("errors")) {
      if (random.oneIn(3)) throw new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED") });
      return finished(new Response("no", { status: random.pick([404, 403, 500, 503, 416, 408]) }), url);
    }
    if (this.#does("changes")) this.now = random.below(this.versions.length);
    const version = this.versions[this.now];
    const said = new Headers();
    if (manners.tags === "strong") said.set("etag", `"${version.etag}"`);
    if (manners.tags === "weak") said.set("etag", `W/"${version.etag}"`);
    if (manners.tags === "dates") said.set("last-modified", version.modified);
    const size = version.bytes.length;
    const ifRange = headers.get("if-range");
    const range = headers.get("range")?.match(/^bytes=(\d+)-(\d*)$/);
    const isOther = ifRange !== null && ifRange !== said.get("etag");
    if (!range || !manners.ranges || isOther) return this.#whole(url, version, said);
    const from = Number(range[1]);
    const to = Math.min(range[2] ? Number(range[2]) : size - 1, size - 1);
    if (from >= size) return finished(new Response("", { status: 416 }), url);
    return this.#part(url, version, said, from, to);
  }

  #whole(url: string, { bytes }: Version, said: Headers): Response {
    const { random, manners } = this;
    const length = bytes.length;
    if (manners.packed) {
      // The body is unpacked by the time it is seen, and the length is that of what was sent.
      if (!manners.opaque) said.set("content-encoding", "gzip");
      said.set("content-length", String(Math.ceil(length / random.from(1, 3))));
    } else if (!random.oneIn(6)) said.set("content-length", String(length));
    if (this.#does("lies")) {
      said.set("content-length", random.pick(["abc", "-1", "1e9", "99999999999999999999", "", String(length)]));
    }
    return finished(new Response(this.#body(bytes), { status: 200, headers: said }), url, manners.opaque);
  }

  #part(url: string, { bytes }: Version, said: Headers, wantedFrom: number, wantedTo: number): Response {
    const { random } = this;
    const size = bytes.length;
    let [from, to] = [wantedFrom, wantedTo];
    // What it says is what it gives, though not what was asked for.
    if (this.#does("lies")) {
      const other = random.below(3);
      if (other === 0) from = random.below(size);
      if (other === 1) to = Math.min(size - 1, from + random.below(size));
      if (other === 2) from = 0;
      if (from > to) [from, to] = [to, from];
    }
    // A server may give less of a range than was asked for.
    if (random.oneIn(6)) to = from + random.below(to - from + 1);
    let words = `bytes ${from}-${to}/${size}`;
    if (this.#does("lies")) {
      words = random.pick([`bytes ${from}-${to}/*`, `bytes ${to}-${from}/${size}`, "bytes", `items 0-1/2`, words]);
    }
    said.set("content-range", words);
    if (random.oneIn(2)) said.set("content-length", String(to - from + 1));
    return finished(new Response(this.#body(bytes.subarray(from, to + 1)), { status: 206, headers: said }), url);
  }

  #body(bytes: Uint8Array): ReadableStream<Uint8Array> {
    const { random } = this;
    const breaks = this.#does("breaks");
    // Whoever unpacks an answer meets its end; of one whose packing nobody sees, nobody else could.
    const silent = breaks && random.oneIn(3) && !(this.manners.packed && this.manners.opaque);
    const end = breaks ? random.below(bytes.length + 1) : bytes.length;
    const size = random.pick([1 << 20, 9000, 1000]);
    let at = 0;
    return new ReadableStream({
      type: random.oneIn(2) ? "bytes" : undefined,
      pull(controller) {
        if (at < end) {
          controller.enqueue(bytes.slice(at, (at = Math.min(end, at + random.from(1, size)))));
        } else if (breaks && !silent) controller.error(new TypeError("terminated", { cause: new Error("reset") }));
        else {
          controller.close();
          (controller as ReadableByteStreamController).byobRequest?.respond(0);
        }
      },
    } as UnderlyingByteSource);
  }
}

/** What `fetch` gives has a place, and a type. */
function finished(response: Response, url: string, opaque = false): Response {
  Object.defineProperty(response, "url", { value: url });
  Object.defineProperty(response, "type", { value: opaque ? "cors" : "basic" });
  return response;
}

/** Of two files one is the other with other weights, so that a mixture of both is sound, and says something else. */
function versionsOf(seed: Seed): Version[] {
  const other = seed.bytes.slice();
  for (let at = seed.header + 4; at < other.length; at += 97) other[at] ^= 1;
  return [seed.bytes, other].map((bytes, i) => ({ bytes, ...tagsOf(i) }));
}

const tagsOf = (i: number): Omit<Version, "bytes"> => ({
  etag: `v${i}`,
  modified: `Sun, 0${i + 1} Feb 2026 10:00:00 GMT`,
});

interface Known {
  readonly seed: Seed;
  readonly versions: readonly Version[];
  readonly logits: readonly Float32Array[];
}

async function prepare(): Promise<Run> {
  const wasm = guardModule();
  const root = installOpfs();
  const seeds = makeSeeds().filter(({ name }) => /^(llama F32|memoryformer|qwen2 F32)/.test(name));
  const known: Known[] = [];
  for (const seed of seeds) {
    const versions = versionsOf(seed);
    const logits: Float32Array[] = [];
    for (const { bytes } of versions) logits.push(await logitsOf(await Model.load(bytes, { wasm })));
    assert.not.ok(sameBits(logits[0], logits[1]), `${seed.name}: the versions differ`);
    known.push({ seed, versions, logits });
  }
  let server: Server | null = null;
  const real = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    if (!server || !url.startsWith("http:")) return real(input, init);
    return server.answer(url, new Headers(init?.headers), init?.signal);
  };
  // Pauses between tries are for networks; what is said after seconds of silence stays as it is.
  const later = globalThis.setTimeout;
  const quick = (work: () => void, ms?: number, ...rest: never[]) =>
    later(work, ms !== undefined && ms < 4000 ? 0 : ms, ...rest);
  globalThis.setTimeout = Object.assign(quick, { __promisify__: later.__promisify__ }) as typeof setTimeout;
  let cases = 0;

  const load = async (url: string, random: Random, { logits }: Known, isSound: boolean): Promise<string> => {
    const tables = random.oneIn(2) ? "stream" : "resident";
    const model = await Model.load(url, { wasm, tables, tableCache: random.pick([0, 1000, 1 << 20]) });
    try {
      const found = await model.logits(IDS);
      // Ranges without any tag are of one file or of two: nobody can tell.
      const canTell = tables === "resident" || server!.manners.tags !== "none";
      if (isSound && canTell && !logits.some((one) => sameBits(one, found))) throw new Finding("a mixture of versions");
    } finally {
      model.dispose();
    }
    return `loaded, ${tables}`;
  };

  const keep = async (url: string, random: Random, versions: readonly Version[]): Promise<string> => {
    const tries = random.from(1, 3);
    let word = "";
    for (let i = 0; i < tries; i++) {
      const controller = new AbortController();
      const stop = random.oneIn(6) ? random.below(20_000) : Number.POSITIVE_INFINITY;
      const onProgress = (bytes: number) => void (bytes > stop && controller.abort());
      try {
        const file = await cached(url, { signal: controller.signal, onProgress });
        const bytes = new Uint8Array(await file.arrayBuffer());
        if (!versions.some((version) => sameBits(version.bytes, bytes)))
          throw new Finding("no version has these bytes");
        word = "cached";
      } catch (error) {
        word = controller.signal.aborted && error === controller.signal.reason ? "aborted" : refusal(error);
      }
      for (const { complete, bytes } of await listCached()) {
        if (complete && !versions.some((version) => version.bytes.length === bytes)) {
          throw new Finding(`complete, with ${bytes} bytes`);
        }
      }
    }
    if (random.oneIn(2)) await deleteCached(url);
    return word;
  };

  const one = async (random: Random): Promise<string> => {
    const of = random.pick(known);
    const isSound = !random.oneIn(4);
    const versions = isSound
      ? of.versions
      : [of.versions[0], { bytes: woundFile(random, of.seed), ...tagsOf(1) } satisfies Version];
    server = new Server(random, versions);
    const url = `http://host/${random.pick(["m.gguf", "m.gguf?download=true", "m-00001-of-00001.gguf"])}`;
    root.content.clear();
    try {
      if (random.oneIn(3)) return await keep(url, random, versions);
      return await load(url, random, of, isSound);
    } catch (error) {
      return refusal(error);
    } finally {
      server = null;
      if (++cases % 100 === 0) {
        const logits = await logitsOf(await Model.load(of.seed.bytes, { wasm }));
        assert.ok(sameBits(logits, of.logits[0]), "a sound file's answer");
      }
    }
  };
  return { one };
}

async function logitsOf(model: Model): Promise<Float32Array> {
  const logits = await model.logits(IDS);
  model.dispose();
  return logits;
}
