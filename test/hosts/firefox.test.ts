/** Firefox, driven by puppeteer-core through WebDriver BiDi. */
import { test } from "uvu";
import { type Browser, browserHost, driver } from "./browsers.ts";
import { output, withTools } from "./tools.ts";

interface Puppeteer {
  launch(options: { browser: "firefox"; executablePath: string; headless: boolean }): Promise<Browser>;
}

withTools(["firefox-esr", "npm:puppeteer-core"], (firefox) => {
  const puppeteer = driver<{ default?: Puppeteer } & Puppeteer>("puppeteer-core")!;
  const version = output(firefox, "--version").match(/[\d.]+/)![0];
  browserHost(`Firefox ${version.split(".")[0]}`, () => {
    return (puppeteer.default ?? puppeteer).launch({ browser: "firefox", executablePath: firefox, headless: true });
  });
});

test.run();
