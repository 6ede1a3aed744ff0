/**
 * Runs a job in a page of a fresh Chromium: a static server on 127.0.0.1 whose pages are cross-origin isolated, and a
 * browser without the traffic of its own that would disturb figures. CHROMIUM names another one.
 */
import { chromium } from "playwright-core";
import { openServer, pathOf, sendFile } from "../../scripts/static-server.mjs";
import { peakMemory } from "../lib/machine.mjs";
import { ROOT } from "../limpet.mjs";

export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const JOB_MS = 40 * 60 * 1000;

/** Serves build/ and bench/ of the repository. */
function serve() {
  return openServer((request, response) => {
    const path = pathOf(request);
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
    sendFile(request, response, /^\/(build|bench)\//.test(path) ? ROOT + path.slice(1) : null);
  });
}

/**
 * What `measure(job)` of bench/pages/PAGE.mjs gives, with the browser's version and the largest renderer's peak memory.
 * @param {string} page @param {any} job
 */
export async function measureInChromium(page, job) {
  const server = await serve();
  const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: ARGUMENTS });
  try {
    const result = await measureInTab(await browser.newPage(), server.base, page, job);
    const cdp = await browser.newBrowserCDPSession();
    const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
    const peaks = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => peakMemory(id) ?? 0);
    return { ...result, rssPeakBytes: Math.max(...peaks) || null, host: `Chromium ${browser.version()}` };
  } finally {
    await browser.close();
    server.close();
  }
}

/**
 * The same in a browser that keeps its files in the folder `profile`, and has for a page as much room as the disk; without
 * the peak.
 * @param {string} profile @param {string} page @param {any} job
 */
export async function measureWithProfile(profile, page, job) {
  const server = await serve();
  const how = { executablePath: CHROMIUM, headless: true, args: ARGUMENTS };
  const context = await chromium.launchPersistentContext(profile, how);
  try {
    const tab = await context.newPage();
    const result = await measureInTab(tab, server.base, page, job);
    const agent = await tab.evaluate(() => navigator.userAgent);
    return { ...result, host: `Chromium ${/Chrome\/([\d.]+)/.exec(agent)?.[1]}` };
  } finally {
    await context.close();
    server.close();
  }
}

/** @param {import("playwright-core").Page} tab @param {string} url @param {string} page @param {any} job */
async function measureInTab(tab, url, page, job) {
  tab.setDefaultTimeout(JOB_MS);
  if (process.env.BENCH_VERBOSE) tab.on("console", (message) => console.error(message.text()));
  const failed = new Promise((_, reject) => {
    tab.on("pageerror", reject);
    tab.on("crash", () => reject(new Error("the page crashed")));
  });
  await tab.goto(`${url}/bench/pages/index.html`);
  const work = tab.evaluate(
    async ([module, given]) => {
      if (!globalThis.crossOriginIsolated) throw new Error("the page is not cross-origin isolated");
      return (await import(module)).measure(given);
    },
    [`/bench/pages/${page}.mjs`, { ...job, source: job.source && `/${job.source.slice(ROOT.length)}` }],
  );
  return Promise.race([work, failed]);
}
