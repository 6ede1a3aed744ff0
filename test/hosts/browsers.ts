/**
 * Tests in a browser, whichever drives it: the checks in a module page, a module worker and a service worker, and nothing
 * in the console but what the browser itself says of the downloads that are meant to fail.
 */
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Hub } from "../support/hub.ts";
import { record, reference } from "./conformance.ts";
import { type Job, javascriptHost, type Outcome } from "./javascript.ts";
import { serve } from "./server.ts";
import { ROOT } from "./tools.ts";

/** A page, as both drivers have it. */
export interface Page {
  goto(url: string): Promise<unknown>;
  evaluate<T>(code: string): Promise<T>;
  on(event: "console", listener: (message: ConsoleMessage) => void): unknown;
  on(event: "pageerror", listener: (error: Error) => void): unknown;
}

interface ConsoleMessage {
  type(): string;
  text(): string;
  /** A function in one driver, an object in the other's. */
  location(): { url?: string };
}

export interface Browser {
  newPage(): Promise<Page>;
  /** Of the driver whose pages share nothing, unless they are of one context. */
  newContext?(): Promise<{ newPage(): Promise<Page> }>;
  close(): Promise<void>;
}

export const WAYS = ["module page", "module worker", "service worker"] as const;

/** The driver that .ci/hosts installs, or null. */
export function driver<T>(name: string): T | null {
  try {
    return createRequire(join(ROOT, "build/hosts/npm/package.json"))(name) as T;
  } catch {
    return null;
  }
}

export interface Playwright {
  chromium: { launch(options: { executablePath: string; args: string[] }): Promise<Browser> };
}

export function launchChromium(
  { chromium }: Playwright,
  executablePath: string,
  more: readonly string[] = [],
): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", ...more];
  return chromium.launch({ executablePath, args });
}

export interface Puppeteer {
  launch(options: {
    browser: "firefox";
    executablePath: string;
    headless: boolean;
    protocolTimeout: number;
  }): Promise<Browser>;
}

/** As a driver's module may have it: itself, or as its default. */
export type PuppeteerModule = { default?: Puppeteer } & Puppeteer;

export function launchFirefox(puppeteer: PuppeteerModule, executablePath: string): Promise<Browser> {
  const how = { executablePath, headless: true, protocolTimeout: 40_000 };
  return (puppeteer.default ?? puppeteer).launch({ browser: "firefox", ...how });
}

/** Registers the tests of a browser. */
export function browserHost(host: string, launch: () => Promise<Browser>): void {
  twoTabs(host, launch);
  packedElsewhere(host, launch);
  namedModel(host, launch);
  for (const way of WAYS) {
    const has = { workers: way !== "service worker", cache: true };
    javascriptHost(host, way, has, (job) => runInBrowser(launch, way, job));
  }
}

/** A browser that answers nothing at all is closed and a new one asked, so often. */
const TRIES = 3;

/** Runs the job in a browser of its own. */
export async function runInBrowser(launch: () => Promise<Browser>, way: string, job: Job): Promise<Outcome> {
  for (let left = TRIES; ; ) {
    try {
      return await runOnce(launch, way, job);
    } catch (error) {
      // Firefox's module workers hang now and then, on a busy machine, in a worker of a worker: the driver then gives up.
      if (--left === 0 || !/timed out/.test(`${error}`)) throw error;
      console.log(`${way}: the browser does not answer, another one is asked`);
    }
  }
}

async function runOnce(launch: () => Promise<Browser>, way: string, job: Job): Promise<Outcome> {
  const browser = await launch();
  try {
    const page = await browser.newPage();
    const said = watch(page);
    await page.goto(`${job.base}/hosts/page.html`);
    for (let tries = 0; tries < 100 && !(await page.evaluate<boolean>("!!globalThis.check")); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const outcome = await page.evaluate<Outcome>(`check(${JSON.stringify(way)}, ${JSON.stringify(job)})`);
    return { ...outcome, said: said.join("\n") };
  } finally {
    await browser.close();
  }
}

/** Two tabs of one browser ask for a model at once, whose download breaks off: one fetches it, both have it. */
function twoTabs(host: string, launch: () => Promise<Browser>): void {
  const check = "the cache: two tabs at once";
  test(`${host}: ${check}`, async () => {
    const { path: file } = reference("stories260K");
    if (file === null) return;
    const [server, browser] = await Promise.all([serve(), launch()]);
    try {
      const context = (await browser.newContext?.()) ?? browser;
      const tabs = await Promise.all([context.newPage(), context.newPage()]);
      const said = tabs.map(watch);
      await Promise.all(tabs.map((tab) => tab.goto(`${server.base}/blank/`)));
      const path = "/once/two-tabs/stories260K.gguf";
      const code = `import("/build/js/cache.js").then(({ cached }) => cached("${path}")).then((file) => file.size)`;
      const sizes = await Promise.all(tabs.map((tab) => tab.evaluate<number>(code)));
      const { size } = statSync(file);
      assert.equal(sizes, [size, size]);
      // The first time, and the rest by range.
      assert.is(server.asked.get(path), 2);
      assert.equal(said, [[], []]);
      record({ host, build: "portable, module page" }, check, "ok");
    } finally {
      await browser.close();
      server.close();
    }
  });
}

/** A model that another origin sends packed, which the page does not see, is a sound one, in the cache too. */
function packedElsewhere(host: string, launch: () => Promise<Browser>): void {
  const check = "a packed model of another origin";
  test(`${host}: ${check}`, async () => {
    const { path: file } = reference("stories260K");
    if (file === null) return;
    const [server, elsewhere, browser] = await Promise.all([serve(), serve(), launch()]);
    try {
      const page = await browser.newPage();
      const said = watch(page);
      await page.goto(`${server.base}/blank/`);
      const url = `${elsewhere.base}/packed/stories260K.gguf`;
      const loaded = `import("/build/js/index.js").then(({ Model }) => Model.load("${url}")).then((m) => m.info.bytes)`;
      assert.ok((await page.evaluate<number>(loaded)) > 100_000);
      const kept = `import("/build/js/cache.js").then(({ cached }) => cached("${url}")).then((file) => file.size)`;
      assert.is(await page.evaluate<number>(kept), statSync(file).size);
      assert.equal(said, []);
      record({ host, build: "portable, module page" }, check, "ok");
    } finally {
      await browser.close();
      server.close();
      elsewhere.close();
    }
  });
}

/**
 * A model by its hub's name: a page keeps it in its own file system, a worker and a second visit take it from there, and the
 * token stays with the hub.
 */
function namedModel(host: string, launch: () => Promise<Browser>): void {
  const check = "a model by its hub's name";
  test(`${host}: ${check}`, async () => {
    const { path: file } = reference("stories260K");
    if (file === null) return;
    const bytes = new Uint8Array(readFileSync(file));
    const files = { "stories-Q8_0.gguf": bytes, "split-00001-of-00002.gguf": bytes };
    const hub = await new Hub({ "cut/stories": files }).open();
    const [server, browser] = await Promise.all([serve(), launch()]);
    try {
      hub.gated.set("cut/stories", "hf_right");
      hub.cuts.push(100_000);
      const page = await browser.newPage();
      const said = watch(page);
      await page.goto(`${server.base}/blank/`);
      const load = (options: object) =>
        page.evaluate<string>(`import("/build/js/index.js").then(async ({ Model }) => {
          const options = { hub: "${hub.address}", ...${JSON.stringify(options)} };
          const model = await Model.load("hf:cut/stories:Q8_0", options).catch((error) => error);
          if (model instanceof Error) return model.code + ": " + model.message;
          return model.generate("Once", { maxTokens: 8 }).text();
        })`);
      const text = await load({ token: "hf_right" });
      assert.ok(text.length > 5 && !text.includes("HOST"), text);
      for (const { where, authorization } of hub.asked) {
        assert.is(authorization, where === "hub" ? "Bearer hf_right" : undefined, where);
      }
      assert.is(hub.count("store"), 2, "it broke off once");
      const asked = hub.asked.length;
      hub.close();
      assert.is(await load({}), text, "without the hub");
      assert.is(await load({ worker: true }), text, "in a worker");
      assert.is(hub.asked.length, asked);
      assert.equal(said, []);
      record({ host, build: "portable, module page" }, check, "ok");
    } finally {
      await browser.close();
      server.close();
      hub.close();
    }
  });
}

/** Collects what a page says in its console, warnings and errors of its own. */
export function watch(page: Page): string[] {
  const said: string[] = [];
  page.on("pageerror", (error) => said.push(`${error.stack ?? error}`));
  page.on("console", (message) => {
    const { url = "" } = message.location() ?? {};
    const meant = /\/(cut|once|none|html|slow)\b/.test(`${url} ${message.text()}`);
    if (!meant && /error|warn/.test(message.type())) said.push(`${message.type()}: ${message.text()} (${url})`);
  });
  return said;
}

/** What a folder's page has written once its output has so many letters, and its title; its console has to stay empty. */
export async function shownInChromium(
  chromium: string,
  folder: string,
  letters: number,
): Promise<{ text: string; title: string }> {
  const server = await serve(folder);
  const browser = await launchChromium(driver<Playwright>("playwright-core")!, chromium);
  try {
    const page = await browser.newPage();
    const said = watch(page);
    await page.goto(`${server.base}/`);
    let text = "";
    for (let tries = 0; tries < 200 && text.length < letters; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      text = await page.evaluate<string>("document.querySelector('output').textContent");
    }
    assert.is(said.join("\n"), "");
    return { text, title: await page.evaluate<string>("document.title") };
  } finally {
    await browser.close();
    server.close();
  }
}
