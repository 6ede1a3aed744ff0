/** Chromium, driven by playwright-core. */
import { test } from "uvu";
import { browserHost, driver, launchChromium, type Playwright } from "./browsers.ts";
import { output, withTools } from "./tools.ts";

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  const playwright = driver<Playwright>("playwright-core")!;
  const version = output(chromium, "--version").match(/[\d.]+/)![0];
  browserHost(`Chromium ${version.split(".")[0]}`, () => launchChromium(playwright, chromium));
});

test.run();
