/**
 * What every JavaScript host runs through the package itself, in a page as in a process: the logits of the reference
 * models, the text of some and the vectors of embedders in both builds, a model from each kind of source, and what goes
 * wrong outside. Imports nothing, so that any host can load it; a job says which package, which models and where the test's
 * server is.
 *
 *     { models: [{ name, tokens, path, url }], texts: [{ name, path, url }], text: { prompt, tokens }, embedders: [{ name,
 *       path, url }], sentences, builds, relaxedSimd, base, golden: { prompt, text }, fast, paths, wasm, logitsOnly }
 */

/** Everything that the host gave: hashes by build and model, and for each check "ok" or what went wrong. */
export async function runChecks({ Model, LimpetError, WorkerModel, cache, kernels }, job) {
  const started = performance.now();
  const logits = {};
  const texts = {};
  const vectors = {};
  for (const build of job.builds) {
    logits[build] = {};
    for (const model of job.models) logits[build][model.name] = await hashLogits(Model, model, build, job);
    texts[build] = {};
    for (const model of job.texts) texts[build][model.name] = await write(Model, model, build, job);
    vectors[build] = {};
    for (const model of job.embedders) vectors[build][model.name] = await hashVectors(Model, model, build, job);
  }
  const checks = {};
  if (job.logitsOnly) return { logits, texts, vectors, checks, ms: performance.now() - started };
  for (const [name, check] of Object.entries({
    ...checksOf(Model, LimpetError, kernels, job),
    ...(cache && cacheChecks(cache, Model, job)),
    ...(WorkerModel && workerChecks(WorkerModel, Model, job)),
  })) {
    try {
      await within(20_000, check());
      checks[name] = "ok";
    } catch (error) {
      checks[name] = `${error?.stack ?? error}`;
    }
  }
  return { logits, texts, vectors, checks, ms: performance.now() - started };
}

function load(Model, { path, url }, build, job) {
  return Model.load(job.paths ? path : url, { build, wasm: wasmOf(job, build) });
}

async function write(Model, source, build, job) {
  const model = await load(Model, source, build, job);
  const text = await model.generate(job.text.prompt, { maxTokens: job.text.tokens }).text();
  model.dispose();
  return text;
}

async function hashLogits(Model, { tokens, ...source }, build, job) {
  const model = await load(Model, source, build, job);
  const logits = await model.logits(tokens, { form: "absorbed" });
  model.dispose();
  return fnv(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength));
}

async function hashVectors(Model, source, build, job) {
  const model = await load(Model, source, build, job);
  const vectors = Float32Array.from((await model.embed(job.sentences)).flatMap((vector) => [...vector]));
  model.dispose();
  return fnv(new Uint8Array(vectors.buffer));
}

function wasmOf(job, build) {
  return job.wasm?.[build];
}

function checksOf(Model, LimpetError, kernels, { models, base, golden, fast, paths, wasm, relaxedSimd }) {
  const options = { wasm: wasm?.portable };
  const stories = models.find(({ name }) => name === "stories260K");
  const { url } = stories ?? models[0];
  const speaks = async (source) => {
    const model = await Model.load(source, options);
    if (!stories) return;
    const text = await model.generate(golden.prompt, { maxTokens: 24 }).text();
    equal(golden.text.startsWith(text) && text.length > 40, true, `it said ${JSON.stringify(text)}`);
    model.dispose();
  };
  const bytes = async () => (await fetch(url)).arrayBuffer();
  const fails = async (code, words, run) => {
    try {
      await run();
    } catch (error) {
      equal(error instanceof LimpetError, true, `${error?.stack ?? error}`);
      equal(error.code, code, error.message);
      equal(words.test(error.message), true, error.message);
      return;
    }
    throw new Error("no error came");
  };
  const aborts = async (run) => {
    const error = await run().then(
      () => null,
      (error) => error,
    );
    equal(error?.name, "AbortError", `${error}`);
  };

  return {
    ...(paths && {
      "from a path": () => speaks((stories ?? models[0]).path),
      "from a file: URL": () => speaks(paths.url(url.split("/").pop())),
    }),
    "from a URL": () => speaks(url),
    "from a URL object": () => speaks(new URL(url)),
    "from bytes": async () => speaks(await bytes()),
    "from a Blob": async () => speaks(new Blob([await bytes()])),
    "from a Response": async () => speaks(await fetch(url)),
    "from a stream": async () => speaks((await fetch(url)).body),
    kernels: async () => {
      const k = await kernels(options);
      const product = k.matmul(Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8), { m: 2, k: 2, n: 2 });
      equal(Array.from(product).join(), "19,22,43,50", "the product");
    },
    "the fast build's two sums of bytes give the bits of every host": async () => {
      // Workerd is given modules, the portable one.
      if (wasm || !WebAssembly.validate(Uint8Array.from(relaxedSimd))) return;
      const { tokens, ...source } = models.find(({ name }) => name === "plm-1m-q4_0") ?? models[0];
      for (const byteDots of ["pairs", "quads"]) {
        const model = await Model.load(paths ? source.path : source.url, { build: "fast", byteDots });
        const logits = await model.logits(tokens, { form: "absorbed" });
        equal(
          fnv(new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength)),
          fast,
          `the logits, ${byteDots}`,
        );
        model.dispose();
      }
    },
    "abort while it loads": async () => {
      const controller = new AbortController();
      const loading = Model.load(`${base}/slow/model.gguf`, { ...options, signal: controller.signal });
      setTimeout(() => controller.abort(), 100);
      await aborts(() => loading);
    },
    "abort while it generates": async () => {
      const model = await Model.load(url, options);
      const controller = new AbortController();
      const generation = model.generate(golden.prompt, { maxTokens: 400, signal: controller.signal });
      for (let pieces = 0; pieces < 4; pieces++) await generation.next();
      controller.abort();
      await aborts(() => generation.text());
      if (stories)
        equal(golden.text.startsWith(await model.generate(golden.prompt, { maxTokens: 8 }).text()), true, "after");
      model.dispose();
    },
    "HTML in place of the wasm": () =>
      fails("HOST", /HTML/, () => Model.load(url, { wasm: async () => fetch(`${base}/html/limpet.wasm`) })),
    "wasm of another MIME type": async () => {
      // Where bytes cannot be compiled (workerd), no response can.
      if (wasm) return;
      const model = await Model.load(url, { wasm: `${base}/octets/limpet.wasm` });
      model.dispose();
    },
    "no such model": () => fails("HOST", /404/, () => Model.load(`${base}/none.gguf`, options)),
    "HTML in place of the model": () => fails("BAD_FILE", /GGUF/, () => Model.load(`${base}/html/model.gguf`, options)),
    "more memory than the limit": async () => {
      const load = (memoryLimit) => () => Model.load(url, { ...options, memoryLimit });
      await fails("OUT_OF_MEMORY", /not enough memory: .* take a smaller model/, load(600_000));
      await fails("BAD_ARGUMENT", /memoryLimit is a whole number of bytes, not 0/, load(0));
      (await load(64 << 20)()).dispose();
    },
    "a download that breaks off": () =>
      fails("HOST", /broke off|ended|lost/, () => Model.load(`${base}/cut/model.gguf`, options)),
    "a download that breaks off once": () => speaks(`${base}/once/${crypto.randomUUID()}/stories260K.gguf`),
  };
}

/** Models kept in the browser's file system. */
function cacheChecks({ cached, listCached, deleteCached }, Model, { base, golden }) {
  const fresh = () => `${base}/once/${crypto.randomUUID()}/stories260K.gguf`;
  const entryOf = async (url) => (await listCached()).find((entry) => entry.url === url);
  const failure = (promise) =>
    promise.then(
      () => null,
      (error) => error,
    );

  return {
    "the cache: goes on where a download broke off": async () => {
      const url = fresh();
      const bytes = await (await fetch(`${base}/models/stories260K.gguf`)).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      const seen = [];
      const file = await cached(url, { sha256, onProgress: (done) => seen.push(done) });
      equal(file.size, bytes.byteLength, "its size");
      equal(
        seen.every((done, i) => i === 0 || done > seen[i - 1]),
        true,
        `bytes were fetched again: ${seen}`,
      );
      const model = await Model.load(await cached(url, { sha256 }));
      equal(golden.text.startsWith(await model.generate(golden.prompt, { maxTokens: 8 }).text()), true, "its text");
      equal((await entryOf(url)).complete, true, "listed");
      equal(await deleteCached(url), true, "deleted");
      equal(await deleteCached(url), false, "deleted again");
      equal(await entryOf(url), undefined, "listed after that");
    },
    "the cache: a part is not a model": async () => {
      const url = `${base}/cut/model.gguf`;
      equal((await failure(cached(url)))?.code, "HOST", "the download");
      equal((await entryOf(url)).complete, false, "complete");
      equal((await failure(cached(url)))?.code, "HOST", "once more");
      await deleteCached(url);
    },
    "the cache: another SHA-256": async () => {
      const url = fresh();
      const error = await failure(cached(url, { sha256: "0".repeat(64) }));
      equal(error?.code, "BAD_FILE", `${error}`);
      equal(await entryOf(url), undefined, "kept");
    },
    "the cache: a full disk": async () => {
      const url = fresh();
      const { prototype } = FileSystemWritableFileStream;
      const { write } = prototype;
      prototype.write = async () => {
        throw new DOMException("the quota is used up", "QuotaExceededError");
      };
      try {
        const error = await failure(cached(url));
        equal(error?.code, "HOST", `${error}`);
        equal(/quota.*delete other models/.test(error.message), true, error.message);
      } finally {
        prototype.write = write;
      }
      equal((await cached(url)).size > 0, true, "with room again");
      await deleteCached(url);
    },
    "the cache: two at once": async () => {
      const url = fresh();
      const [one, two] = await Promise.all([cached(url), cached(url)]);
      equal(one.size, two.size, "their sizes");
      await deleteCached(url);
    },
  };
}

/** A model in a worker of its own. */
function workerChecks(WorkerModel, Model, { models, base, golden }) {
  const { url } = models.find(({ name }) => name === "stories260K") ?? models[0];
  const use = async (run) => {
    const model = await Model.load(url, { worker: true });
    try {
      equal(model instanceof WorkerModel, true, "its class");
      await run(model);
    } finally {
      model.dispose();
    }
  };
  const reason = (promise) =>
    promise.then(
      () => null,
      (error) => error,
    );

  return {
    "a worker: text, tokens, a session": () =>
      use(async (model) => {
        const pieces = [];
        for await (const { text } of model.generate(golden.prompt, { maxTokens: 24 })) pieces.push(text);
        const here = await Model.load(url);
        equal(pieces.join(""), await here.generate(golden.prompt, { maxTokens: 24 }).text(), "its text");
        here.dispose();
        equal(await model.detokenize(await model.tokenize("a limpet")), "a limpet", "there and back");
        const session = await model.session();
        await session.generate(golden.prompt, { maxTokens: 4 }).text();
        const again = await model.restore(await session.save());
        const rest = await again.generate([], { maxTokens: 4 }).text();
        equal(rest, await session.generate([], { maxTokens: 4 }).text(), "the restored session");
      }),
    "a worker: abort stops it": () =>
      use(async (model) => {
        const controller = new AbortController();
        // Ten answers: a worker that computes gives them between two slices of 25 ms, an idle one at once.
        const answers = async () => {
          let ms = 0;
          for (let i = 0; i < 10; i++) {
            // A pause, since what comes at once may be answered in one turn.
            await new Promise((resolve) => setTimeout(resolve, 5));
            const start = performance.now();
            await model.memory();
            ms += performance.now() - start;
          }
          return ms;
        };
        // Far more work than the test has time for: only the abort ends it.
        const tokens = Array.from({ length: 1_000_000 }, (_, i) => 300 + (i % 100));
        const work = reason(model.perplexity(tokens, { signal: controller.signal }));
        await model.memory();
        const busy = await answers();
        controller.abort();
        const aborted = performance.now();
        equal((await work)?.name, "AbortError", "the work");
        const ms = performance.now() - aborted;
        equal(ms < 2000, true, `it went on for ${ms} ms`);
        const idle = await answers();
        equal(idle < busy / 2, true, `${idle} ms for answers, and ${busy} while it computed: idle`);
        const slow = new AbortController();
        setTimeout(() => slow.abort(), 50);
        const loading = await reason(WorkerModel.load(`${base}/slow/model.gguf`, { signal: slow.signal }));
        equal(loading?.name, "AbortError", `${loading}`);
      }),
    "a worker: errors keep their code": async () => {
      const error = await reason(WorkerModel.load(`${base}/none.gguf`));
      equal(error?.code, "HOST", `${error}`);
      equal(/404/.test(error.message), true, error.message);
    },
    "a worker: crashes, and the next one loads": () =>
      withCrashes(async (crashes) => {
        for (const [way, crash] of Object.entries(crashes)) {
          const model = await WorkerModel.load(url);
          const generation = model.generate(golden.prompt, { maxTokens: 400 });
          await generation.next();
          const rest = reason(generation.text());
          crash();
          const errors = [await rest, await reason(model.tokenize("a"))];
          for (const error of errors) {
            equal(error?.code, "HOST", `${way}: ${error?.stack}`);
            equal(/the model's worker has ended/.test(error.message), true, `${way}: ${error.message}`);
          }
          await use(async (again) => equal(await again.detokenize(await again.tokenize("a")), "a", way));
        }
      }),
    "a worker: more memory than the limit": async () => {
      const error = await reason(WorkerModel.load(url, { memoryLimit: 600_000 }));
      equal(error?.code, "OUT_OF_MEMORY", `${error}`);
    },
    "a worker: disposed of, it says so": () =>
      use(async (model) => {
        const text = reason(model.generate(golden.prompt, { maxTokens: 400 }).text());
        model.dispose();
        equal((await text)?.code, "WRONG_STATE", "what waited");
        equal((await reason(model.tokenize("a")))?.code, "WRONG_STATE", "what comes later");
      }),
  };
}

/** Gives `run` the ways in which this host's workers can die; each kills the last one that was started. */
async function withCrashes(run) {
  const threads = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  const home = threads ?? globalThis;
  const { Worker } = home;
  let last;
  home.Worker = class extends Worker {
    constructor(url, options) {
      super(threads ? url : crashable(url), options);
      last = this;
    }
  };
  const tell = (message) => () => last.postMessage(message);
  const terminated = () => last.terminate();
  let ways = { terminated, threw: tell("throw"), closed: tell("close") };
  // What is no request throws in Node's; Deno's says so on stderr besides.
  if (threads) ways = globalThis.Deno ? { terminated } : { terminated, threw: tell(null) };
  try {
    await run(ways);
  } finally {
    home.Worker = Worker;
  }
}

/** A worker of the web that besides throws or closes itself when it is told to. */
function crashable(url) {
  const script = `import ${JSON.stringify(url.href)};
    addEventListener("message", ({ data }) => {
      if (data === "close") close();
      if (data === "throw") throw new Error("as it was told to");
    });`;
  return URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}

function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${ms / 1000} s`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function equal(given, expected, words) {
  if (given !== expected) throw new Error(`${words}: ${given}, expected ${expected}`);
}

/** FNV-1a of 64 bits, as conformance.ts has it. */
function fnv(bytes) {
  let high = 0xcbf29ce4;
  let low = 0x84222325;
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0;
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}
