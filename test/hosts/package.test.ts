/**
 * The package as users get it: packed, installed into empty projects, and used there by the real tools, unconfigured. Each
 * has to say nothing on stderr. Then what it promises of itself: sizes, declarations, entries.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type LimpetError, Model } from "../../src/index.ts";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import { driver, launchChromium, type Playwright, watch } from "./browsers.ts";
import { record, reference } from "./conformance.ts";
import { finish } from "./javascript.ts";
import { assertStory, install, pack, project, quietly, run, WORK, withServer } from "./project.ts";
import { serve } from "./server.ts";
import { output, ROOT, withTools } from "./tools.ts";

const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** What every project does: a model, and 24 tokens. */
const SPEAK = `
export async function speak(source) {
  const model = await Model.load(source);
  return model.generate(${JSON.stringify(stories.prompt)}, { maxTokens: 24 }).text();
}
`;
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>app</title>`;

const model = (): string | null => reference("stories260K").path;
const checked = (host: string, check: string) => record({ host, build: "installed package" }, check, "ok");

test("Node: an empty project", async () => {
  const path = model();
  if (path === null) return;
  const folder = await project("in-node", {
    "main.js": `import { Model } from "limpet";${SPEAK}console.log(await speak(process.argv[2]));`,
    "inline.js": `import { Model } from "limpet/inline";${SPEAK}console.log(await speak(process.argv[2]));`,
    "kernels.js": `import { kernels } from "limpet/kernels";
      console.log((await kernels()).matmul(Float32Array.of(2), Float32Array.of(3), { m: 1, k: 1, n: 1 })[0]);`,
  });
  assertStory(await quietly(process.execPath, ["main.js", path], folder));
  assertStory(await quietly(process.execPath, ["inline.js", path], folder));
  assert.is(await quietly(process.execPath, ["kernels.js"], folder), "6\n");
  assert.match(await quietly(join(folder, "node_modules/.bin/limpet"), ["--help"], folder), /generate/);
  checked("Node", "package");
});

test("Node: limpet serve gives out the page, its wasm and its model", async () => {
  const folder = await install();
  const child = spawn(join(folder, "node_modules/.bin/limpet"), ["serve", "--port", "0"], { cwd: folder });
  try {
    const base = await new Promise<string>((resolve, reject) => {
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text) => {
        said += text;
        const place = /a page to talk in: (http:\S+)\/\n/.exec(said)?.[1];
        if (place) resolve(place);
      });
      child.on("close", () => reject(new Error(said)));
    });
    for (const path of ["/", "/app/app.js", "/limpet.relaxed.threads.wasm", "/models/tales-plm-q4_k_m.gguf"]) {
      assert.is((await fetch(`${base}${path}`)).status, 200, path);
    }
  } finally {
    child.kill();
  }
});

test("without the model that ships, a command that names none says how to get one", async () => {
  const folder = await project("without-model", {});
  rmSync(join(folder, "node_modules/limpet/models"), { recursive: true });
  const cli = join(folder, "node_modules/limpet/build/js/cli.js");
  for (const words of [
    ["generate", "-p", "Once"],
    ["serve", "--port", "0"],
  ]) {
    const { status, stdout, stderr } = await finish(process.execPath, [cli, ...words], { cwd: folder, ms: 20_000 });
    assert.is(status, 1);
    assert.is(stdout, "");
    assert.match(stderr, /^limpet: the model that ships was left out here .*hf:owner\/repository/);
  }
  const path = model();
  if (path !== null) await run(process.execPath, [cli, "generate", path, "-p", "Once", "-n", "3"], folder);
});

withTools(["deno"], (deno) => {
  const speak = `${SPEAK}console.log(await speak(Deno.args[0]));`;

  test("Deno: a project with npm's packages, by name and by npm: specifier", async () => {
    const path = model();
    if (path === null) return;
    const folder = await project("in-deno", {
      "main.js": `import { Model } from "limpet";${speak}`,
      "specifier.js": `import { Model } from "npm:limpet@${MANIFEST.version}";${speak}`,
    });
    assertStory(await quietly(deno, ["run", "--allow-read", "main.js", path], folder));
    assertStory(await quietly(deno, ["run", "--allow-read", "specifier.js", path], folder));
    checked("Deno", "package");
  });

  test("Deno: JSR would take the sources", async () => {
    const { stderr } = await run(deno, ["publish", "--dry-run", "--allow-dirty", "--config", "jsr.json"], ROOT);
    assert.match(stderr, /Dry run complete/);
  });

  test("Deno: an import map, and no permission but to read the model", async () => {
    const path = model();
    if (path === null) return;
    const folder = await project("in-deno-map", {
      "main.js": `import { Model } from "limpet";${speak}`,
      "deno.json": JSON.stringify({
        nodeModulesDir: "none",
        imports: { limpet: "./node_modules/limpet/build/js/inline.js" },
      }),
    });
    rmSync(join(folder, "package.json"));
    assertStory(await quietly(deno, ["run", "--no-lock", `--allow-read=${path}`, "main.js", path], folder));
    checked("Deno", "import map");
  });
});

withTools(["chromium", "npm:playwright-core", "npm:vite", "npm:vite7", "npm:webpack"], (...paths) => {
  const [chromium, , vite, vite7, webpack] = paths;
  const app = (entry: string): string => `import { Model } from "${entry}";${SPEAK}globalThis.speak = speak;`;

  /** Opens a folder in Chromium. */
  async function open(folder: string): Promise<void> {
    const server = await serve(folder);
    try {
      await look(server.base, `${server.base}/models/stories260K.gguf`);
    } finally {
      server.close();
    }
  }

  /** A page in Chromium, where globalThis.speak has to write the story and the console to stay empty. */
  async function look(base: string, model: string): Promise<void> {
    const browser = await launchChromium(driver<Playwright>("playwright-core")!, chromium);
    try {
      const page = await browser.newPage();
      const said = watch(page);
      await page.goto(`${base}/`);
      for (let tries = 0; tries < 100 && !(await page.evaluate<boolean>("!!globalThis.speak")); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assertStory(await page.evaluate<string>(`speak("${model}")`));
      assert.is(said.filter((words) => !words.includes("[vite]")).join("\n"), "");
    } finally {
      await browser.close();
    }
  }

  for (const [name, folder] of Object.entries({ 7: vite7, 8: vite })) {
    test(`Vite ${name} serves an app in dev, a worker too`, async () => {
      const path = model();
      if (path === null) return;
      const both = `import { Model } from "limpet";${SPEAK}
        globalThis.speak = async (source) => {
          const there = await Model.load(source, { worker: true });
          const text = await there.generate(${JSON.stringify(stories.prompt)}, { maxTokens: 24 }).text();
          if (text !== (await speak(source))) throw new Error("the worker says something else");
          return text;
        };`;
      const files = { "index.html": `${PAGE}<script type="module" src="/index.js"></script></html>`, "index.js": both };
      const app = await project(`in-vite-${name}`, files);
      mkdirSync(join(app, "public"));
      cpSync(path, join(app, "public/model.gguf"));
      const words = (port: number): string[] => {
        return [join(folder, "bin/vite.js"), "--host", "127.0.0.1", "--port", `${port}`];
      };
      await withServer(process.execPath, words, app, (base) => look(base, "/model.gguf"));
      checked(`Vite ${name}`, "package");
    });
  }

  test("Vite builds an app", async () => {
    if (model() === null) return;
    const folder = await project("in-vite", {
      "index.html": `${PAGE}<script type="module" src="/src/index.js"></script></html>`,
      "src/index.js": app("limpet"),
    });
    const { stderr } = await run(process.execPath, [join(vite, "bin/vite.js"), "build"], folder);
    // On a busy machine it says how long its own plugins took.
    assert.is(stderr.replace(/\S*\[PLUGIN_TIMINGS\][\s\S]*bundlertimings for more details\.\s*/, ""), "");
    await open(join(folder, "dist"));
    checked("Vite", "package");
  });

  test("webpack builds an app", async () => {
    if (model() === null) return;
    const folder = await project("in-webpack", { "src/index.js": app("limpet") });
    const said = await quietly(process.execPath, [join(webpack, "bin/webpack.js"), "--mode", "production"], folder);
    assert.not.match(said, /ERROR/);
    // It warns of the optional peer, which is not installed, and of a build with threads, which no page has to load.
    const warnings = said.match(/WARNING in .*(\n.+)*/g) ?? [];
    for (const warning of warnings)
      assert.match(warning, /Can't resolve '@huggingface\/jinja'|threads\.wasm|asset size limit/);
    writeFileSync(join(folder, "dist/index.html"), `${PAGE}<script src="main.js"></script></html>`);
    await open(join(folder, "dist"));
    checked("webpack", "package");
  });

  test("esbuild bundles the inline entry", async () => {
    if (model() === null) return;
    const folder = await project("in-esbuild", {
      "index.js": app("limpet/inline"),
      "dist/index.html": `${PAGE}<script src="app.js"></script></html>`,
    });
    const program = join(ROOT, "node_modules/esbuild/bin/esbuild");
    const args = ["index.js", "--bundle", "--minify", "--outfile=dist/app.js", "--log-level=warning"];
    await quietly(program, args, folder);
    await open(join(folder, "dist"));
    checked("esbuild", "package");
  });
});

withTools(["npm:publint", "npm:@arethetypeswrong/cli"], (publint, attw) => {
  test("publint finds nothing", async () => {
    const said = await quietly(process.execPath, [join(publint, "src/cli.js"), await pack()], WORK);
    assert.match(said, /All good!/);
  });

  test("arethetypeswrong finds nothing", async () => {
    const files = Object.keys(MANIFEST.exports).filter((name) => /\.(wasm|json|gguf)$/.test(name));
    const skipped = files.map((name) => name.slice(2));
    const args = [await pack(), "--profile", "esm-only", "--format", "json", "--exclude-entrypoints", ...skipped];
    await run(process.execPath, [join(attw, "dist/index.js"), ...args], WORK);
  });
});

// 155 KB until composed pieces, budgets of rows, core neurons and kernels for few tokens came.
test("the wasm that a browser downloads stays below 500 KB, and below 168 KB with brotli", () => {
  const wasm = readFileSync(join(ROOT, "build/limpet.wasm"));
  assert.ok(wasm.length < 500_000, `${wasm.length} bytes`);
  const packed = brotliCompressSync(wasm).length;
  assert.ok(packed < 168_000, `${packed} bytes with brotli`);
});

test("the script that a browser downloads stays below 58 KB with gzip, unminified", async () => {
  const { outputFiles } = await esbuild.build({
    entryPoints: [join(ROOT, "build/js/index.js")],
    bundle: true,
    format: "esm",
    // What doctor(), threads, workers, streamed tables, grammars, tools, templates run by Jinja, names of a hub and disks need
    // are files of their own: no page downloads them before it asks.
    external: [
      "@huggingface/jinja",
      "./doctor-report-*.js",
      "./thread-pool-*.js",
      "./weight-source-*.js",
      "./ranges-*.js",
      "./worker-model-*.js",
      "./compile-*.js",
      "./calls-*.js",
      "./by-name-*.js",
      "./prefixes-disk-*.js",
      "./qwen-text-*.js",
      "./rendered-*.js",
      "./tool-words-*.js",
    ],
    write: false,
    logLevel: "error",
  });
  const size = gzipSync(outputFiles[0].contents).length;
  assert.ok(size < 58_000, `${size} bytes`);
  assert.not.match(outputFiles[0].text, /graph_create|limpet\.graph/, "graphs are entries of their own");
});

test("no script of the package names itself as a worker: Turbopack would follow it for ever", () => {
  const scripts = readdirSync(join(ROOT, "build/js"));
  for (const name of scripts) {
    const text = readFileSync(join(ROOT, "build/js", name), "utf8");
    assert.not.ok(text.includes(`new URL("./${name}", import.meta.url)`), name);
  }
  assert.ok(scripts.includes("model-worker.mjs") && scripts.includes("thread.mjs"));
});

test("what webpack makes of a file's place for servers is told, with what helps", async () => {
  const moved = {
    href: "/_next/static/media/model.gguf",
    protocol: "",
    toString: () => "/_next/static/media/model.gguf",
  };
  const why = async (work: () => unknown): Promise<LimpetError> => {
    try {
      await work();
    } catch (error) {
      return error as LimpetError;
    }
    throw new Error("it was taken");
  };
  const one = await why(() => Model.load(moved as unknown as URL));
  const other = await why(() => Model.load(new Uint8Array(8), { wasm: moved as unknown as URL }));
  for (const error of [one, other]) {
    assert.is(error.code, "HOST");
    assert.match(error.message, /serverExternalPackages/);
  }
});

test("a compiled wasm is instantiated within 20 ms", () => {
  const module = new WebAssembly.Module(readFileSync(join(ROOT, "build/limpet.wasm")));
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    new WebAssembly.Instance(module);
    return performance.now() - start;
  });
  assert.ok(Math.min(...times) < 20, `${times}`);
});

test("what is not used of the package leaves no trace in a bundle", async () => {
  const { outputFiles } = await esbuild.build({
    stdin: {
      contents: `import { LimpetError } from "./build/js/index.js"; console.log(LimpetError);`,
      resolveDir: ROOT,
    },
    bundle: true,
    format: "esm",
    external: ["@huggingface/jinja"],
    write: false,
    logLevel: "error",
  });
  assert.ok(outputFiles[0].contents.length < 8_000, `${outputFiles[0].contents.length} bytes`);
});

test("the package holds what its entries name, and no sources of others", async () => {
  const folder = join(await install(), "node_modules/limpet");
  const named = JSON.stringify([MANIFEST.exports, MANIFEST.bin]).match(/build\/[^"]+/g)!;
  const there = readdirSync(folder, { recursive: true }).map(String);
  for (const path of named) assert.ok(there.includes(path), path);
  assert.not.ok(there.some((path) => /\.test\.|node_modules/.test(path)));
  assert.is(output(process.execPath, join(folder, "build/js/cli.js"), "--help").includes("limpet"), true);
});

test.run();
