/** What tests of the page share: a browser, a server as users start it, and what a reader does. */
import { type ChildProcess, spawn } from "node:child_process";
import * as assert from "uvu/assert";
import { CLI } from "../support/cli.ts";
import { type Browser, driver, launchChromium, type Page, type Playwright, watch } from "./browsers.ts";

/** A request that a test answers itself. */
interface Route {
  fulfill(answer: object): Promise<void>;
  request(): { url(): string; postDataJSON(): unknown };
}

/** What playwright's page has besides. */
export interface TalkPage extends Page {
  click(selector: string): Promise<void>;
  fill(selector: string, text: string): Promise<void>;
  reload(): Promise<unknown>;
  textContent(selector: string): Promise<string | null>;
  inputValue(selector: string): Promise<string>;
  setInputFiles(selector: string, file: string | { name: string; mimeType: string; buffer: Buffer }): Promise<void>;
  keyboard: { press(key: string): Promise<void>; type(text: string): Promise<void> };
  route(url: string, handler: (route: Route) => void): Promise<void>;
  waitForEvent(event: "download"): Promise<{ suggestedFilename(): string; path(): Promise<string> }>;
  hover(selector: string): Promise<void>;
  addInitScript(code: string): Promise<void>;
  screenshot(options: { path: string }): Promise<unknown>;
}

interface Context {
  newPage(): Promise<TalkPage>;
  close(): Promise<void>;
}

/** How a visit's browser is. */
export interface Visit {
  /** Where nothing is said: 1280 × 800. */
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly touch?: boolean;
  /** Whether the service worker may run: requests then pass by what a test answers. */
  readonly worker?: boolean;
  /** Settings that the reader has set before; where nothing is said, short answers that are the same each time. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Lines of the console that are meant. */
  readonly noise?: RegExp;
}

const WAIT_MS = 15_000;

/** A server that was started by the command line. */
export interface Served {
  readonly base: string;
  stop(): Promise<void>;
}

/** `limpet serve`, as a user starts it. */
export function serving(...args: string[]): Promise<Served> {
  return new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(process.execPath, [CLI, "serve", ...args, "--port", "0"]);
    process.on("exit", () => child.kill());
    const ended = new Promise<void>((end) => child.on("close", () => end()));
    let said = "";
    child.stderr!.setEncoding("utf8").on("data", (text) => {
      said += text;
      const base = /a page to talk in: (http:\S+)\/\n/.exec(said)?.[1];
      if (!base) return;
      child.unref();
      (child.stderr as unknown as { unref(): void }).unref();
      (child.stdout as unknown as { unref(): void }).unref();
      resolve({
        base,
        // A test that fails must not wait for it.
        stop: () => {
          child.ref();
          child.kill("SIGINT");
          return ended;
        },
      });
    });
    child.on("close", () => reject(new Error(said)));
  });
}

/** Chromium, in which each visit has nothing of the one before. */
export class Visitor {
  readonly #browser: Promise<Browser>;

  constructor(chromium: string, args: readonly string[] = []) {
    this.#browser = launchChromium(driver<Playwright>("playwright-core")!, chromium, args);
    this.#browser.catch(() => {});
  }

  /** Opens pages of one visit, and demands a silent console of whatever is done in them. */
  async visit(visit: Visit, use: (page: TalkPage, another: () => Promise<TalkPage>) => Promise<void>): Promise<void> {
    const {
      width = 1280,
      height = 800,
      dark = false,
      touch = false,
      worker = false,
      settings = {},
      noise = /^$/,
    } = visit;
    const browser = (await this.#browser) as unknown as { newContext(options: object): Promise<Context> };
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? "dark" : "light",
      ...(touch && { hasTouch: true, isMobile: true }),
      serviceWorkers: worker ? "allow" : "block",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    const consoles: string[][] = [];
    const open = async (): Promise<TalkPage> => {
      const page = await context.newPage();
      consoles.push(watch(page));
      const kept = JSON.stringify(JSON.stringify({ maxTokens: "24", seed: "1", build: "portable", ...settings }));
      await page.addInitScript(
        `localStorage.getItem("limpet settings") ?? localStorage.setItem("limpet settings", ${kept})`,
      );
      return page;
    };
    try {
      await use(await open(), open);
      // Where the service worker is left out, the driver says so.
      const said = consoles
        .flat()
        .filter((line) => !noise.test(line) && !/registration blocked by Playwright/.test(line));
      assert.equal(said, []);
    } finally {
      await context.close();
    }
  }

  async close(): Promise<void> {
    await (await this.#browser).close();
  }
}

/** Opens the page and waits until it is there; `hash` says with which model. */
export async function enter(page: TalkPage, base: string, hash: string = ""): Promise<void> {
  await page.goto(`${base}/${hash}`);
  await holds(page, "document.documentElement.dataset.ready === 'yes'", "the page is ready");
}

/** Waits until an expression of the page holds. The page's policy lets it evaluate no text by itself, so it is asked anew. */
export async function holds(page: TalkPage, code: string, what: string = code): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!(await page.evaluate<unknown>(code).catch(() => false))) {
    if (performance.now() > end) {
      const text = await page.evaluate<string>("document.body.innerText").catch((error) => `${error}`);
      throw new Error(`not so: ${what}. The page says:\n${text}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits for words in an element. */
export async function reads(page: TalkPage, selector: string, words: RegExp): Promise<string> {
  const found = `document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`;
  await holds(page, `${words}.test(${found})`, `${selector} has ${words}`);
  return page.evaluate<string>(found);
}

/** Says something, and waits for the end of the answer; its text. */
export async function say(page: TalkPage, text: string): Promise<string> {
  await page.fill("#message", text);
  await page.keyboard.press("Enter");
  await answered(page);
  return lastText(page);
}

/** Waits for the end of an answer: it stands last, and another one may be asked for. */
export async function answered(page: TalkPage): Promise<void> {
  const ended = `document.querySelector(".turn:last-child")?.matches(".assistant:not(.running)")`;
  const free = `document.querySelector("#send").getAttribute("aria-label") === "Send"`;
  await holds(page, `${ended} && ${free}`, "an answer has ended");
}

export function lastText(page: TalkPage): Promise<string> {
  return page.evaluate<string>("[...document.querySelectorAll('.turn.assistant .body')].at(-1).textContent");
}

/** Presses a button of the last answer, by its label. */
export function press(page: TalkPage, label: string): Promise<void> {
  return page.click(`.turn.assistant:last-child button[aria-label="${label}"]`);
}

/** Brings a talk with one answer to the page, as if a model had said it. */
export async function bring(page: TalkPage, turn: object, question = "Say it."): Promise<void> {
  const turns = [
    { id: "q", talk: "t", parent: null, role: "user", text: question, created: 1 },
    {
      id: "a",
      talk: "t",
      parent: "q",
      role: "assistant",
      mode: "chat",
      model: "somebody",
      end: "stop",
      text: "",
      created: 2,
      ...turn,
    },
  ];
  const talk = { id: "t", title: "Brought", system: "", leaf: "a", created: 1, updated: 2 };
  const buffer = Buffer.from(JSON.stringify({ kind: "limpet talks", talks: [{ talk, turns }] }));
  await page.setInputFiles("#import-file", { name: "talks.json", mimeType: "application/json", buffer });
  await page.click('[data-talk="t"]');
  await holds(page, "document.querySelector('.turn.assistant')");
}
