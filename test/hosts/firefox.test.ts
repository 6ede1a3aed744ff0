/** Firefox, driven by puppeteer-core through WebDriver BiDi. */
import { test } from "uvu";
import { browserHost, driver, launchFirefox, type PuppeteerModule } from "./browsers.ts";
import { output, withTools } from "./tools.ts";

withTools(["firefox-esr", "npm:puppeteer-core"], (firefox) => {
  const puppeteer = driver<PuppeteerModule>("puppeteer-core")!;
  const version = output(firefox, "--version").match(/[\d.]+/)![0];
  browserHost(`Firefox ${version.split(".")[0]}`, () => launchFirefox(puppeteer, firefox));
});

test.run();
