/** The demo page (examples/browser) in Chromium: its flows, with nothing in the console that is not meant to be there. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { serveStatic } from "../../scripts/static-server.mjs";
import { DEMO_TEXT, modelBytes, temporaryFile } from "../support/models.ts";
import { type Browser, driver, launchChromium, type Page, type Playwright, watch } from "./browsers.ts";
import { ROOT, withTools } from "./tools.ts";

/** What playwright's page has besides. */
interface DemoPage extends Page {
  click(selector: string): Promise<void>;
  fill(selector: string, text: string): Promise<void>;
  textContent(selector: string): Promise<string | null>;
  selectOption(selector: string, value: string): Promise<unknown>;
  setInputFiles(selector: string, file: string): Promise<void>;
  setViewportSize(size: { width: number; height: number }): Promise<void>;
  keyboard: { press(key: string): Promise<void> };
  route(url: string, handler: (route: { fulfill(answer: object): Promise<void> }) => void): Promise<void>;
  waitForFunction(code: string, argument: null, options: { timeout: number }): Promise<unknown>;
}

/** The model that ships, in whose place a model comes that recites. */
const SHIPPED_URL = "**/models/tales-plm-*.gguf";

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  const playwright = driver<Playwright>("playwright-core")!;

  /** Opens the page, and demands a silent console of whatever is done in it. */
  async function visit(use: (page: DemoPage) => Promise<void>, { isolated = true, noise = /^$/ } = {}): Promise<void> {
    const server = await serveStatic(ROOT, { isolated });
    let browser: Browser | null = null;
    try {
      browser = await launchChromium(playwright, chromium);
      const page = (await browser.newPage()) as DemoPage;
      const said = watch(page);
      const body = Buffer.from(modelBytes("demo"));
      await page.route(SHIPPED_URL, (route) => void route.fulfill({ body, contentType: "application/octet-stream" }));
      await page.goto(`${server.base}/examples/browser/`);
      await until(page, "#features", ".");
      await use(page);
      assert.equal(
        said.filter((line) => !noise.test(line)),
        [],
      );
    } finally {
      await browser?.close();
      server.close();
    }
  }

  /** Waits for words in an element. */
  async function until(page: DemoPage, selector: string, words: string): Promise<string> {
    const code = `new RegExp(${JSON.stringify(words)}).test(document.querySelector(${JSON.stringify(selector)}).textContent)`;
    await page.waitForFunction(code, null, { timeout: 20_000 }).catch(async (error) => {
      throw new Error(`${selector} says "${await page.textContent(selector)}", not ${words}: ${error.message}`);
    });
    return (await page.textContent(selector)) ?? "";
  }

  test("a model is loaded and recites; each plot says in words what it shows", () =>
    visit(async (page) => {
      assert.is(await page.evaluate("document.querySelector('#generate').disabled"), true);
      await page.fill("#prompt", "A limpet");
      await page.fill("#temperature", "0");
      await page.click("#load");
      await until(page, "#model-status", "^Loaded: limpet demo.*plm, 1 layer");
      // The keyboard goes on from where loading left it.
      assert.is(await page.evaluate("document.activeElement.id"), "generate");
      await page.keyboard.press("Enter");
      assert.match(await until(page, "#text-status", "tokens;"), /ended by an end token/);
      assert.is(await page.textContent("#output"), DEMO_TEXT);
      assert.is(await page.evaluate("document.querySelector('#output').getAttribute('aria-busy')"), "false");
      const says = {
        rate: /at most.*own clock/,
        cache: /KB for \d+ tokens.*2\.0 times/,
        zeros: /9\d\.\d %/,
        memory: /MB in all/,
      };
      for (const [id, words] of Object.entries(says)) {
        assert.match((await page.textContent(`#${id} .figures`)) ?? "", words);
        assert.match(
          await page.evaluate<string>(`document.querySelector('#${id} svg').getAttribute('aria-label')`),
          words,
        );
      }
    }));

  test("a file of the user's; Stop ends a generation and keeps its text", () =>
    visit(async (page) => {
      await page.selectOption("#source", "file");
      await page.setInputFiles("#file", temporaryFile("plm-1m.gguf", modelBytes("plm-1m", "Q4_0")));
      await page.click("#load");
      await until(page, "#model-status", "^Loaded: .*plm, 4 layers");
      await page.fill("#tokens", "1000");
      await page.fill("#temperature", "1");
      // Stop is pressed by the page itself, once there is some text: from here the model would be done before the click.
      await page.evaluate(`new MutationObserver((_, observer) => {
        if (document.querySelector("#output").textContent.length < 40) return;
        observer.disconnect();
        document.querySelector("#stop").click();
      }).observe(document.querySelector("#output"), { childList: true, subtree: true, characterData: true })`);
      await page.click("#generate");
      const words = await until(page, "#text-status", "Stopped");
      assert.match(words, /Stopped after [1-9]\d* tokens/);
      assert.ok(((await page.textContent("#output")) ?? "").length >= 40);
      await until(page, "#zeros .figures", "4 layers");
      assert.is(await page.evaluate("document.activeElement.id"), "generate");
      // The model is as good as before.
      await page.fill("#tokens", "5");
      await page.click("#generate");
      await until(page, "#text-status", "^5 tokens; ended by as many tokens");
    }));

  test("a wrong URL, a file that is no model, nothing chosen: words, and the next model loads", () =>
    visit(
      async (page) => {
        await page.selectOption("#source", "url");
        await page.click("#load");
        await until(page, "#model-status", "write the URL of a GGUF file first");
        await page.fill("#url", "/nowhere/model.gguf");
        await page.click("#load");
        await until(page, "#model-status", "answers 404");
        await page.fill("#url", "/examples/browser/");
        await page.click("#load");
        await until(page, "#model-status", "not a GGUF file");
        await page.selectOption("#source", "shipped");
        await page.click("#load");
        await until(page, "#model-status", "^Loaded");
      },
      { noise: /404 \(Not Found\)/ },
    ));

  test("without COOP and COEP the page says so, offers one thread, and works on a phone's width", () =>
    visit(
      async (page) => {
        await page.setViewportSize({ width: 360, height: 740 });
        await until(page, "#advice", "not cross-origin isolated.*Cross-Origin-Opener-Policy: same-origin");
        assert.is(await page.evaluate("document.querySelector('#threads').disabled"), true);
        await page.click("#load");
        await until(page, "#model-status", "^Loaded");
        await page.click("#generate");
        await until(page, "#text-status", "tokens;");
        await page.click("#check");
        await until(page, "#check-status", "portable: \\d+ kernels right.*scalar: \\d+ kernels right");
        assert.is(await page.evaluate("document.documentElement.scrollWidth"), 360);
      },
      { isolated: false },
    ));
});

test.run();
