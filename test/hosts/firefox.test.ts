/** Firefox, driven by puppeteer-core through WebDriver BiDi. */
import { test } from "uvu";
import { type Browser, browserHost, driver } from "./browsers.ts";
import { output, withTools } from "./tools.ts";

interface Puppeteer {
  launch(options: {
    browser: "firefox";
    executablePath: string;
    headless: boolean;
    protocolTimeout: number;
  }): Promise<Browser>;
}

withTools(["firefox-esr", "npm:puppeteer-core"], (firefox) => {
  const puppeteer = driver<{ default?: Puppeteer } & Puppeteer>("puppeteer-core")!;
  const version = output(firefox, "--version").match(/[\d.]+/)![0];
  browserHost(`Firefox ${version.split(".")[0]}`, () => {
    const how = { executablePath: firefox, headless: true, protocolTimeout: 50_000 };
    return (puppeteer.default ?? puppeteer).launch({ browser: "firefox", ...how });
  });
});

test.run();
