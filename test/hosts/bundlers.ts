/**
 * The package under bundlers and frameworks, by hand:  npm run hosts:bundlers [-- FOLDER [PATTERN]]
 *
 * Packs limpet, installs it with what test/hosts/bundlers/package.json names (some 760 MB) into the folder, or a temporary
 * one, and builds and runs an application with each: as its users begin, with no configuration but where it says so. With
 * a pattern, those applications alone whose name it is in.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as everyTest } from "uvu";
import * as assert from "uvu/assert";
import { driver, launchChromium, type Playwright } from "./browsers.ts";
import { reference } from "./conformance.ts";
import { finish } from "./javascript.ts";
import { assertStory, pack, quietly, run, withServer } from "./project.ts";
import { serve } from "./server.ts";
import { ROOT, withTools } from "./tools.ts";

const SOURCES = join(ROOT, "test/hosts/bundlers");
const PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>app</title><output></output>`;
const [own, pattern] = process.argv.slice(2);
const FOLDER = own ?? mkdtempSync(join(tmpdir(), "limpet-bundlers-"));
if (own === undefined) process.on("exit", () => rmSync(FOLDER, { recursive: true, force: true }));
/** A test, if its name is asked for. */
function test(name: string, work: () => Promise<void>): void {
  if (pattern === undefined || new RegExp(pattern, "i").test(name)) everyTest(name, work);
}

/** So long a build may take [ms]. */
const BUILD_MS = 240_000;

/** An application's folder, with these files, and the model where a server of static files finds it. */
function app(name: string, files: Record<string, string>, model = "public/model.gguf"): string {
  const folder = join(FOLDER, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  const path = reference("stories260K").path;
  if (path === null) throw new Error("the matrix needs ../shared (data/stories260K.gguf)");
  for (const [file, text] of Object.entries({ ...files, [model]: "" })) {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  cpSync(path, join(folder, model));
  // Vite serves what lies below the application's folder.
  cpSync(join(FOLDER, "node_modules/limpet"), join(folder, "node_modules/limpet"), { recursive: true });
  return folder;
}

const source = (file: string): string => readFileSync(join(SOURCES, file), "utf8");
/** A program of the folder's packages. */
const program = (path: string): string => join(FOLDER, "node_modules", path);

await install();

async function install(): Promise<void> {
  const { dependencies } = JSON.parse(source("package.json"));
  const limpet = `file:${await pack()}`;
  const types = { "@ai-sdk/provider": "4.0.38", provider3: "npm:@ai-sdk/provider@3.0.19", "@types/node": "20.19.43" };
  const all = { private: true, type: "module", dependencies: { ...dependencies, ...types, limpet } };
  writeFileSync(join(FOLDER, "package.json"), JSON.stringify(all));
  rmSync(join(FOLDER, "node_modules/limpet"), { recursive: true, force: true });
  // With its lock file, by which Turbopack finds the root of a workspace.
  const words = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"];
  const { status, stderr } = await finish("npm", ["install", ...words], { cwd: FOLDER, ms: 300_000 });
  if (status !== 0) throw new Error(stderr);
}

withTools(["chromium", "npm:playwright-core", "node24"], (chromium, _, node24) => {
  /** A page of an application has to write the story, and to throw nothing. */
  async function open(url: string): Promise<void> {
    const browser = await launchChromium(driver<Playwright>("playwright-core")!, chromium);
    try {
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(String(error)));
      await page.goto(url);
      let text = "";
      for (let tries = 0; tries < 600 && !text; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        text = await page.evaluate<string>("document.querySelector('output')?.textContent ?? ''");
      }
      assertStory(text);
      assert.equal(errors, []);
    } finally {
      await browser.close();
    }
  }

  for (const vite of ["vite6", "vite7", "vite8"]) {
    const files = {
      "index.html": `${PAGE}<script type="module" src="/src/page.js"></script></html>`,
      "src/page.js": source("page.js"),
    };
    const words = (...more: string[]) => {
      return (port: number) => [program(`${vite}/bin/vite.js`), ...more, "--host", "127.0.0.1", "--port", `${port}`];
    };

    test(`${vite}: dev`, async () => {
      await withServer(node24, words(), app(`${vite}-dev`, files), open);
    });

    test(`${vite}: build and preview`, async () => {
      const folder = app(`${vite}-build`, files);
      await run(node24, [program(`${vite}/bin/vite.js`), "build"], folder, BUILD_MS);
      await withServer(node24, words("preview"), folder, open);
    });
  }

  test("webpack: a page", async () => {
    const folder = app("webpack-page", { "src/index.js": source("page.js") }, "dist/model.gguf");
    await run(process.execPath, [program("webpack/bin/webpack.js"), "--mode", "production"], folder, BUILD_MS);
    writeFileSync(join(folder, "dist/index.html"), `${PAGE}<script src="main.js"></script></html>`);
    const server = await serve(join(folder, "dist"));
    try {
      await open(`${server.base}/`);
    } finally {
      server.close();
    }
  });

  for (const bundler of ["turbopack", "webpack"]) {
    const external = `export default { serverExternalPackages: ["limpet"] };\n`;
    const files = {
      "app/layout.js": source("next-layout.js"),
      "app/page.js": source("next-page.js"),
      "app/api/tale/route.js": source("next-route.js"),
    };
    const next = program("next/dist/bin/next");
    const build = async (folder: string): Promise<void> => {
      const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1" };
      const { status, stdout, stderr } = await finish(node24, [next, "build", `--${bundler}`], {
        cwd: folder,
        env,
        ms: BUILD_MS,
      });
      assert.is(status, 0, `${stdout}${stderr}`);
    };
    const start = (port: number): string[] => [next, "start", "-H", "127.0.0.1", "-p", `${port}`];

    test(`Next.js with ${bundler}: a page, its worker, and a route`, async () => {
      const folder = app(`next-${bundler}`, files);
      await build(folder);
      await withServer(node24, start, folder, async (base) => {
        await open(base);
        const said = await (await fetch(`${base}/api/tale`)).json();
        // webpack gives servers an address in place of a file: that is said, with what helps.
        if (bundler === "webpack") assert.match(JSON.stringify(said), /HOST.*serverExternalPackages/);
        else assert.equal(said, { same: true });
      });
    });

    test(`Next.js with ${bundler}: a route with serverExternalPackages`, async () => {
      const folder = app(`next-${bundler}-external`, { ...files, "next.config.mjs": external });
      await build(folder);
      await withServer(node24, start, folder, async (base) => {
        assert.equal(await (await fetch(`${base}/api/tale`)).json(), { same: true });
      });
    });
  }
});

const SPEAK = `import { Model } from "limpet";
const model = await Model.load("model.gguf");
console.log(await model.generate("Once upon a time", { maxTokens: 24 }).text());
`;

test("webpack: a program for Node", async () => {
  const config = `export default {
    target: "node20", mode: "production", entry: "./main.js",
    experiments: { outputModule: true }, output: { module: true, chunkFormat: "module" },
  };`;
  const folder = app("webpack-node", { "main.js": SPEAK, "webpack.config.js": config }, "model.gguf");
  await run(process.execPath, [program("webpack/bin/webpack.js")], folder, BUILD_MS);
  assertStory(await quietly(process.execPath, ["dist/main.mjs"], folder));
});

test("Bun", async () => {
  const folder = app("bun", { "main.js": SPEAK }, "model.gguf");
  assertStory(await quietly(program("@oven/bun-linux-x64/bin/bun"), ["main.js"], folder));
});

withTools(["node24"], (node24) => {
  test("wrangler: a Worker in dev", async () => {
    const worker = `import { Model } from "limpet";
export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/") return new Response("ready");
    const model = await Model.load(await env.ASSETS.fetch("http://x/model.gguf"));
    return new Response(await model.generate("Once upon a time", { maxTokens: 24 }).text());
  },
};`;
    const config = {
      name: "worker",
      main: "main.js",
      compatibility_date: "2026-01-01",
      assets: { directory: "public", binding: "ASSETS", run_worker_first: true },
    };
    const folder = app("wrangler", { "main.js": worker, "wrangler.json": JSON.stringify(config) });
    const args = (port: number) => [
      program("wrangler/bin/wrangler.js"),
      "dev",
      "--ip",
      "127.0.0.1",
      "--port",
      `${port}`,
    ];
    await withServer(node24, args, folder, async (base) => {
      assertStory(await (await fetch(`${base}/tale`)).text());
    });
  });
});

for (const typescript of ["typescript57", join(ROOT, "node_modules/typescript")]) {
  const tsc = typescript.startsWith("/") ? join(typescript, "bin/tsc") : program(`${typescript}/bin/tsc`);
  for (const [what, lib] of [
    ["without DOM types", ["es2022"]],
    ["with DOM types", ["es2022", "dom", "dom.iterable"]],
  ] as const) {
    test(`${typescript.startsWith("/") ? "TypeScript of today" : "TypeScript 5.7"}, ${what}, skipLibCheck off`, async () => {
      const compilerOptions = {
        module: "nodenext",
        target: "es2022",
        lib,
        types: ["node"],
        strict: true,
        noEmit: true,
      };
      const folder = app(`types-${lib.length}`, {
        "use.mts": source("types.mts"),
        "tsconfig.json": JSON.stringify({ compilerOptions, include: ["use.mts"] }),
      });
      const { status, stdout } = await finish(process.execPath, [tsc, "-p", "."], { cwd: folder, ms: BUILD_MS });
      assert.is(status, 0, stdout);
    });
  }
}

everyTest.run();
