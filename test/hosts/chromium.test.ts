/** Chromium, driven by playwright-core. */
import { test } from "uvu";
import { type Browser, browserHost, driver } from "./browsers.ts";
import { output, withTools } from "./tools.ts";

interface Playwright {
  chromium: { launch(options: { executablePath: string; args: string[] }): Promise<Browser> };
}

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  const playwright = driver<Playwright>("playwright-core")!;
  const version = output(chromium, "--version").match(/[\d.]+/)![0];
  browserHost(`Chromium ${version.split(".")[0]}`, () => {
    return playwright.chromium.launch({
      executablePath: chromium,
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"],
    });
  });
});

test.run();
