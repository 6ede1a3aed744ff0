/**
 * Tests in a browser, whichever drives it: the checks in a module page, a module worker and a service worker, and nothing
 * in the console but what the browser itself says of the downloads that are meant to fail.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { javascriptHost, type Outcome } from "./javascript.ts";
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

export function launchChromium({ chromium }: Playwright, executablePath: string): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"];
  return chromium.launch({ executablePath, args });
}

/** Registers the tests of a browser. */
export function browserHost(host: string, launch: () => Promise<Browser>): void {
  for (const way of WAYS) {
    javascriptHost(host, way, { workers: way !== "service worker", cache: true }, async (job) => {
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
    });
  }
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
