/** Chromium, driven by playwright-core. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { browserHost, driver, launchChromium, type Page, type Playwright, watch } from "./browsers.ts";
import { record, reference } from "./conformance.ts";
import { serve } from "./server.ts";
import { output, withTools } from "./tools.ts";

/** What this driver can besides: to speak with the browser itself. */
interface ContextOfChromium {
  newPage(): Promise<Page>;
  newCDPSession(page: Page): Promise<{ send(method: string, what: object): Promise<unknown> }>;
}

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  const playwright = driver<Playwright>("playwright-core")!;
  const version = output(chromium, "--version").match(/[\d.]+/)![0];
  const host = `Chromium ${version.split(".")[0]}`;
  const launch = () => launchChromium(playwright, chromium);
  browserHost(host, launch);

  test(`${host}: the cache: a quota that is used up`, async () => {
    if (reference("stories260K").path === null) return;
    const [server, browser] = await Promise.all([serve(), launch()]);
    try {
      const context = (await browser.newContext!()) as ContextOfChromium;
      const page = await context.newPage();
      const said = watch(page);
      await page.goto(`${server.base}/blank/`);
      const session = await context.newCDPSession(page);
      const fetched = `import("/build/js/cache.js").then(({ cached }) => cached("/models/stories260K.gguf")).then(
        ({ size }) => size > 0, ({ code, message }) => \`\${code}: \${message}\`)`;
      await session.send("Storage.overrideQuotaForOrigin", { origin: server.base, quotaSize: 100_000 });
      assert.match(await page.evaluate<string>(fetched), /^HOST: .*delete other models, or load it without the cache/);
      // The same page goes on when there is room again.
      await session.send("Storage.overrideQuotaForOrigin", { origin: server.base });
      assert.is(await page.evaluate<boolean>(fetched), true);
      assert.equal(said, []);
      record({ host, build: "portable, module page" }, "the cache: a quota that is used up", "ok");
    } finally {
      await browser.close();
      server.close();
    }
  });
});

test.run();
