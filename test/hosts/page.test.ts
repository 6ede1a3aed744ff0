/**
 * The page that `limpet serve` opens, in Chromium: its flows, with nothing in the console that is not meant to be there. The
 * server is the command line as users start it; the model in the page is the one that ships, or one that recites.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DEMO_TEXT, modelBytes, temporaryFile } from "../support/models.ts";
import { servedFiles } from "../support/served.ts";
import { answered, bring, enter, holds, lastText, press, reads, type Served, say, serving, Visitor } from "./page.ts";
import { withTools } from "./tools.ts";

const IN_PAGE = "#model=page:shipped";
const FIRST_WORD_MS = 3000;
const RECITER = temporaryFile("reciter.gguf", modelBytes("demo"));

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  const visitor = new Visitor(chromium);
  const { talker } = servedFiles();
  let server: Served;

  test.before(async () => {
    server = await serving(`talker=${talker}`, "--ctx", "400", "--build", "portable");
  });
  test.after(async () => {
    await server.stop();
    await visitor.close();
  });

  test("from a cold start to the model's first word: no press but the reader's own", async () => {
    const times: number[] = [];
    for (let tries = 0; tries < 3 && !(Math.min(...times) <= FIRST_WORD_MS); tries++) {
      await visitor.visit({ settings: { seed: "", build: "auto" } }, async (page) => {
        const start = performance.now();
        // Written before the page's scripts are there.
        await page.goto(`${server.base}/${IN_PAGE}`);
        await page.fill("#message", "Once upon a time");
        await holds(page, "document.documentElement.dataset.ready === 'yes'");
        await page.keyboard.press("Enter");
        await reads(page, ".turn.assistant .body", /Once upon a time\S*\s*\w+/);
        times.push(performance.now() - start);
        await answered(page);
      });
    }
    console.log(`first word after ${times.map((ms) => Math.round(ms)).join(", ")} ms`);
    assert.ok(Math.min(...times) <= FIRST_WORD_MS, `${times}`);
  });

  test("a model of the server talks; an answer again, an edit, and the way back", () =>
    // With this seed the portable build is cut in the middle of the answer, in every host.
    visitor.visit({ settings: { seed: "3" } }, async (page) => {
      await enter(page, server.base);
      await reads(page, "#model", /talker.*on the server/);
      await say(page, "Hello");
      const [question] = ["[...document.querySelectorAll('.turn.user .body')].at(-1).textContent"];
      assert.is(await page.evaluate(question), "Hello");
      assert.match((await page.textContent(".turn.assistant .figures")) ?? "", /\d+ tokens? · .* a second/);
      // What was cut goes on where it stands.
      const cut = await lastText(page);
      await press(page, "Go on");
      await holds(page, `document.querySelector(".turn.assistant .body").textContent.length > ${cut.length}`);
      await answered(page);
      const first = await lastText(page);
      assert.ok(first.trim().startsWith(cut.trim()), `${cut} … ${first}`);
      assert.is(await page.evaluate("document.querySelectorAll('.turn').length"), 2);
      await press(page, "Answer again");
      await holds(page, "/2 of 2/.test(document.querySelector('.turn.assistant .versions')?.textContent)");
      await answered(page);
      await press(page, "The one before");
      await reads(page, ".turn.assistant .versions", /1 of 2/);
      assert.is(await lastText(page), first);
      await page.click(".turn.user button[aria-label=Edit]");
      await page.fill(".edit", "Good day");
      await page.keyboard.press("Enter");
      await reads(page, ".turn.user .body", /Good day/);
      await answered(page);
      await page.click('.turn.user button[aria-label="The one before"]');
      await reads(page, ".turn.user .body", /Hello/);
      // The next turn is told what was said before.
      await say(page, "And now?");
      assert.is(await page.evaluate("document.querySelectorAll('.turn').length"), 4);
      await page.click("#new-talk");
      await holds(page, "!document.querySelector('#empty').hidden");
    }));

  test("a tale in the page: stopped, gone on with, kept through a reload in the middle, and there in a second tab", () =>
    visitor.visit({ settings: { maxTokens: "" } }, async (page, another) => {
      await enter(page, server.base, IN_PAGE);
      // Stop is pressed by the page itself, once there is some text: from here the model would be done before the click.
      await page.evaluate(`new MutationObserver((_, observer) => {
        if ((document.querySelector(".turn .body")?.textContent.length ?? 0) < 40) return;
        observer.disconnect();
        document.querySelector("#send").click();
      }).observe(document.querySelector("#turns"), { childList: true, subtree: true, characterData: true })`);
      await page.fill("#message", "Once upon a time");
      await page.keyboard.press("Enter");
      await reads(page, ".turn .figures", /stopped · \d+ tokens/);
      const stopped = await lastText(page);
      await press(page, "Go on");
      await holds(page, "document.querySelectorAll('.turn.assistant').length === 2");
      // In the middle of an answer the page is opened anew; of one that the model has ended by then, the end is there.
      const middle = "document.querySelector('.turn.running .body')?.textContent.length > 250";
      await holds(page, `${middle} || document.querySelectorAll(".turn .figures:not(:empty)").length === 2`);
      await page.reload();
      await reads(page, ".turn.assistant:last-child .figures", /the page was closed|tokens/);
      assert.is(await page.evaluate("document.querySelector('.turn .body').textContent"), stopped);
      assert.ok((await lastText(page)).length > 10);
      // Another tab has the talk, and goes on with it, while the first one is open.
      const tab = await another();
      await enter(tab, server.base, IN_PAGE);
      await tab.click("#talks .open");
      await reads(tab, ".turn .body", /^Once upon a time/);
      await tab.click("#new-talk");
      await say(tab, "The sea");
      await holds(page, "document.querySelectorAll('#talks .open').length === 2");
      await say(page, "The end");
      await holds(tab, "document.querySelectorAll('#talks .open').length === 2");
    }));

  test("what a model writes does no harm; code has a copy button; right-to-left reads so", () =>
    // What the sanitiser looks at, the page's policy refuses besides, and says so.
    visitor.visit({ noise: /violates the following Content Security Policy/ }, async (page) => {
      await enter(page, server.base);
      const text = [
        '<script>globalThis.harm = 1</script><img src="x" onerror="globalThis.harm = 2"><svg onload="globalThis.harm = 3">',
        '<a href="javascript:globalThis.harm = 4">a</a> [b](javascript:globalThis.harm=5) [c](data:text/html,x) [d](/v1/models)',
        '<iframe src="https://example.com"></iframe><form action="https://example.com"><input name="q"></form><style>*{display:none}</style>',
        '<p class="trouble" id="settings" style="position:fixed">not of the page</p> ![picture](https://example.com/x.png)',
        "[good](https://example.com/a) **bold**",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "```js\nlet a = 1;\n\nlet b = '<b>';\n```",
        "שלום עולם, זה טקסט בעברית.",
        "- [x] done\n- one",
        "| x |\n|---|\n| ישן |",
        "1. one\n\n- אחת\n- שתיים",
      ].join("\n\n");
      await bring(page, { text, reasoning: "<img src=x onerror='globalThis.harm = 6'>" });
      const inAnswer = (code: string) =>
        page.evaluate<unknown>(
          `(() => { const body = document.querySelector(".turn.assistant .body"); return ${code}; })()`,
        );
      assert.is(
        await inAnswer(
          `body.querySelectorAll("script, img, svg:not(.icon), iframe, form, style, input, [onerror], [style], [id]").length`,
        ),
        0,
      );
      assert.equal(await inAnswer(`[...body.querySelectorAll("a[href]")].map((a) => [a.href, a.rel])`), [
        ["https://example.com/a", "noopener noreferrer nofollow"],
      ]);
      assert.is(await inAnswer(`body.querySelectorAll(".trouble").length`), 0);
      await inAnswer(`body.querySelectorAll("a").forEach((a) => a.href || a.click())`);
      assert.is(await page.evaluate("globalThis.harm"), undefined);
      assert.is(
        await inAnswer(`body.querySelector("strong").textContent + body.querySelector("td").textContent`),
        "bold1",
      );
      await page.click('.code button[aria-label="Copy the code"]');
      await reads(page, ".code button", /Copied/);
      assert.is(await page.evaluate("navigator.clipboard.readText()"), "let a = 1;\n\nlet b = '<b>';\n");
      const direction = (words: string) =>
        inAnswer(
          `getComputedStyle([...body.querySelectorAll("p")].find((p) => p.textContent.includes("${words}"))).direction`,
        );
      assert.is(await direction("שלום"), "rtl");
      assert.is(await direction("bold"), "ltr");
      assert.is(await inAnswer(`getComputedStyle([...body.querySelectorAll("ul")].at(-1)).direction`), "rtl");
      await page.fill("#message", "مرحبا");
      assert.is(await page.evaluate("getComputedStyle(document.querySelector('#message')).direction"), "rtl");
    }));

  test("Enter within a composition writes and does not send; Shift+Enter begins a line; an arrow edits what was said last", () =>
    visitor.visit({}, async (page) => {
      await enter(page, server.base);
      await page.fill("#message", "日本");
      const key = (init: string) =>
        page.evaluate(
          `document.querySelector("#message").dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ${init} }))`,
        );
      // Not prevented: it belongs to the input method.
      assert.is(await key("isComposing: true"), true);
      assert.is(await key("keyCode: 229"), true);
      assert.is(await page.inputValue("#message"), "日本");
      await page.keyboard.press("Shift+Enter");
      await page.keyboard.type("x");
      assert.is(await page.inputValue("#message"), "日本\nx");
      assert.is(await page.evaluate("document.querySelectorAll('.turn').length"), 0);
      await page.keyboard.press("Enter");
      await answered(page);
      await page.evaluate("document.querySelector('#message').focus()");
      await page.keyboard.press("ArrowUp");
      assert.is(await page.inputValue(".edit"), "日本\nx");
      await page.keyboard.press("Escape");
      await holds(page, "!document.querySelector('.edit')");
    }));

  test("a file of the reader's, picked or dropped; one that is no model; plots say in words what they show", () =>
    visitor.visit({ settings: { maxTokens: "" } }, async (page) => {
      await enter(page, server.base);
      await page.click("#model");
      await page.setInputFiles("#model-file", RECITER);
      await reads(page, "#model", /reciter.*in this page/);
      await page.click("#measure");
      await page.click("#open-settings");
      await page.fill("#set-temperature", "0");
      await page.keyboard.press("Escape");
      await say(page, "A limpet");
      assert.is(await lastText(page), DEMO_TEXT);
      const says = [/own clock/, /KB for \d+ tokens.*2\.0 times/, /9\d\.\d %/, /MB in all/];
      for (const [at, words] of says.entries()) {
        const plot = `document.querySelectorAll("#drawer figure")[${at}]`;
        await holds(page, `${words}.test(${plot}.querySelector(".words").textContent)`);
        assert.match(await page.evaluate<string>(`${plot}.querySelector("svg").getAttribute("aria-label")`), words);
      }
      const drop = (name: string, bytes: string) =>
        page.evaluate(`(async () => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([${bytes}], "${name}"));
          for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
          }
        })()`);
      await drop("notes.gguf", `"these are no weights"`);
      await reads(page, "#notice", /This file is no model, or it is broken.*Choose a model/);
      await drop("tales.gguf", `await (await fetch("models/tales-plm-q4_k_m.gguf")).arrayBuffer()`);
      await reads(page, "#model", /in this page/);
      await holds(page, "document.querySelector('#notice').hidden");
      assert.ok((await say(page, "Once upon a time")).length > 20);
    }));

  test("a download: its bytes, paused and gone on with by range; kept, and deleted", async () => {
    const bytes = readFileSync(RECITER);
    const ranges: (string | undefined)[] = [];
    // Half of the file, and then nothing more; the rest when that is asked for.
    const files = createServer(({ method, headers }, response) => {
      for (const name of ["origin", "headers"]) response.setHeader(`access-control-allow-${name}`, "*");
      response.setHeader("access-control-expose-headers", "*");
      if (method === "OPTIONS") return void response.end();
      ranges.push(headers.range);
      const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0);
      response.setHeader("etag", '"one"');
      if (from > 0) response.setHeader("content-range", `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
      response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes.length - from });
      if (from > 0) response.end(bytes.subarray(from));
      else response.write(bytes.subarray(0, bytes.length >> 1));
    });
    await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
    const address = `http://127.0.0.1:${(files.address() as AddressInfo).port}/held.gguf`;
    try {
      await visitor.visit({}, async (page) => {
        await enter(page, server.base);
        await reads(page, "#model", /talker/);
        await page.click("#model");
        await page.fill("#model-name", "no name of a model");
        await page.keyboard.press("Enter");
        await reads(page, "#model-name-error", /hf:owner\/repository/);
        await page.fill("#model-name", address);
        await page.keyboard.press("Enter");
        await reads(page, "#model-lists .now", /^[\d.]+ KB of [\d.]+ [KM]B/);
        // The one before answers on, meanwhile.
        await page.keyboard.press("Escape");
        await say(page, "Hello");
        assert.match((await page.textContent(".turn.assistant .who")) ?? "", /talker/);
        await page.click("#model");
        await page.click('button[aria-label="Pause held"]');
        await reads(page, "#model", /talker.*on the server/);
        await page.click('button[aria-label^="Resume at"]');
        await reads(page, "#model", /held.*in this page/);
        assert.is(ranges.length, 2);
        assert.match(ranges[1] ?? "", /^bytes=[1-9]\d*-$/);
        await page.click("#new-talk");
        await page.fill("#message", "A limpet");
        await page.keyboard.press("Enter");
        await answered(page);
        // It is there again without being asked for, also by another visit of the page.
        await page.reload();
        await reads(page, "#model", /held.*in this page/);
        assert.is(ranges.length, 2);
        await page.click("#model");
        await page.click('button[aria-label="Use: talker"]');
        await reads(page, "#model", /talker.*on the server/);
        await page.click("#model");
        await page.click('button[aria-label="Delete held from this browser"]');
        await holds(page, "!/held/.test(document.querySelector('#model-lists').textContent)");
      });
    } finally {
      files.closeAllConnections();
      files.close();
    }
  });

  test("a model of the list: fetched from the hub by its format; one that is not for everybody is told so", () =>
    visitor.visit({ noise: /401 \(Unauthorized\)|status of 401/ }, async (page) => {
      await enter(page, server.base);
      const bytes = readFileSync(RECITER);
      const headers = { "access-control-allow-origin": "*" };
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const listed = ["SmolLM2-135M-Instruct-Q8_0.gguf", "SmolLM2-135M-Instruct-Q4_K_M.gguf"].map((path) => {
        return { type: "file", path, size: bytes.length, lfs: { oid: sha256 } };
      });
      await page.route(
        "https://huggingface.co/api/models/bartowski/**",
        (route) => void route.fulfill({ headers, json: listed }),
      );
      await page.route("https://huggingface.co/bartowski/**", (route) => {
        const isMeant = /-Q4_K_M\.gguf$/.test(route.request().url());
        void route.fulfill(isMeant ? { headers, body: bytes } : { headers, status: 404 });
      });
      await page.route(
        "https://huggingface.co/api/models/LiquidAI/**",
        (route) => void route.fulfill({ headers, status: 401 }),
      );
      await page.click("#model");
      await page.click('button[aria-label="Download: LFM2 350M"]');
      await reads(page, "#notice", /could not be fetched.*not for everybody/);
      await page.keyboard.press("Escape");
      await page.click("#model");
      await page.click('button[aria-label="Download: SmolLM2 135M"]');
      await reads(page, "#model", /SmolLM2 135M.*in this page/);
      await page.click("#model");
      await reads(page, "#model-lists li.current", /SmolLM2 135M/);
    }));

  test("a model of the server that does not chat goes on with a text; a tale longer than its context goes on", async () => {
    const own = await serving("--ctx", "300", "--build", "portable");
    try {
      await visitor.visit(
        { settings: { maxTokens: "150", seed: "1" }, noise: /400 \(Bad Request\)|status of 400/ },
        async (page) => {
          await enter(page, own.base);
          await reads(page, "#empty-title", /Begin a tale/);
          assert.match(await say(page, "The king had a daughter"), /^The king had a daughter.{20}/s);
          const isLeft = `/no longer fitted/.test(document.querySelector("#turns").textContent)`;
          for (let times = 2; times < 10 && !(await page.evaluate(isLeft)); times++) {
            await press(page, "Go on");
            await holds(page, `document.querySelectorAll(".turn.assistant").length === ${times}`);
            await answered(page);
          }
          await reads(page, "#turns", /no longer fitted into the context: the beginning/);
          assert.is(await page.evaluate("document.querySelectorAll('.trouble').length"), 0);
        },
      );
    } finally {
      await own.stop();
    }
  });

  test("the settings go to the model: samplers, schema, tools; thoughts and calls are shown, and a call's result goes back", () =>
    visitor.visit({ settings: { maxTokens: "", seed: "" } }, async (page) => {
      await enter(page, server.base);
      const asked: { messages: { role: string }[]; tools: object[] }[] = [];
      const chunk = (delta: object, more: object = {}) =>
        `data: ${JSON.stringify({ choices: [{ index: 0, delta, ...more }] })}\n\n`;
      const call = { index: 0, id: "call00000", function: { name: "weather", arguments: '{"place":"Brest"}' } };
      const answers = [
        chunk({ reasoning_content: "They want the weather." }) +
          chunk({ tool_calls: [call] }) +
          chunk({}, { finish_reason: "tool_calls" }),
        chunk({ content: "It rains." }) + chunk({}, { finish_reason: "stop" }),
      ];
      await page.route("**/v1/chat/completions", (route) => {
        asked.push(route.request().postDataJSON() as (typeof asked)[number]);
        void route.fulfill({ contentType: "text/event-stream", body: `${answers.shift()}data: [DONE]\n\n` });
      });
      await page.click("#open-settings");
      await page.fill("#set-system", "Be short.");
      await page.fill("#set-temperature", "0.75");
      await page.fill("#set-topK", "-3");
      await reads(page, "#set-topK-error", /whole number from 0/);
      await page.fill("#set-topK", "20");
      await page.fill("#set-schema", "{ no");
      await reads(page, "#set-schema-error", /is JSON, and this is none/);
      await page.fill("#set-schema", "");
      await page.fill(
        "#set-tools",
        '[{ "name": "weather", "description": "Tells it", "parameters": { "type": "object" } }]',
      );
      await page.keyboard.press("Escape");
      await say(page, "How is it in Brest?");
      await reads(page, ".turn.assistant .thoughts", /Thoughts.*They want the weather/);
      await reads(page, ".call", /Calls weather.*"place": "Brest"/s);
      await page.fill(".call-field textarea", "rain");
      await page.click(".call-field button");
      await holds(
        page,
        "[...document.querySelectorAll('.turn.assistant .body')].at(-1).textContent.trim() === 'It rains.'",
      );
      assert.match((await page.textContent(".call-result")) ?? "", /rain/);
      assert.equal(
        asked.map(({ messages }) => messages.map(({ role }) => role)),
        [
          ["system", "user"],
          ["system", "user", "assistant", "tool"],
        ],
      );
      const { messages, tools, ...rest } = asked[0];
      assert.equal(rest, {
        temperature: 0.75,
        top_k: 20,
        model: "talker",
        stream: true,
        stream_options: { include_usage: true },
      } as object);
      assert.is(tools.length, 1);
    }));

  test("a talk is renamed, exported, deleted, and brought back by undoing that", () =>
    visitor.visit({}, async (page) => {
      await enter(page, server.base);
      await say(page, "Hello");
      await page.hover("#talks li");
      await page.click('#talks button[aria-label^="Rename"]');
      await page.fill("#talks input", "A greeting");
      await page.keyboard.press("Enter");
      await reads(page, "#talks .open", /A greeting/);
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.click('#talks button[aria-label^="Export"]'),
      ]);
      assert.is(download.suggestedFilename(), "A-greeting.md");
      assert.match(readFileSync(await download.path(), "utf8"), /^# A greeting\n\n## You\n\nHello\n\n## talker\n\n/);
      await page.click('#talks button[aria-label^="Delete"]');
      await holds(page, "!document.querySelector('#talks .open')");
      await page.click("#notice .small");
      await reads(page, "#talks .open", /A greeting/);
    }));

  test("a server that wants a key: the page says so, takes it, and talks", async () => {
    const own = await serving(`talker=${talker}`, "--key", "secret");
    try {
      await visitor.visit({ noise: /status of 401/ }, async (page) => {
        await enter(page, own.base);
        await reads(page, "#notice", /The server wants a key/);
        // Meanwhile the page has a model of its own.
        await reads(page, "#model", /Tales.*in this page/);
        await page.click("#notice .helps button");
        await page.fill("#set-key", "secret");
        await page.keyboard.press("Escape");
        await reads(page, "#model", /talker.*on the server/);
        await say(page, "Hello");
        assert.match((await page.textContent(".turn.assistant .who")) ?? "", /talker/);
      });
    } finally {
      await own.stop();
    }
  });

  test("the server goes: words, and the model of the page goes on with the same talk", async () => {
    const own = await serving(`talker=${talker}`);
    await visitor.visit({ noise: /ERR_CONNECTION_REFUSED/ }, async (page) => {
      // What the page needs of the server, it has asked for by then.
      await enter(page, own.base, IN_PAGE);
      await say(page, "Once");
      await page.click("#model");
      await page.click('button[aria-label="Use: talker"]');
      await reads(page, "#model", /talker.*on the server/);
      await own.stop();
      await page.fill("#message", "Hello");
      await page.keyboard.press("Enter");
      await reads(page, ".trouble", /The server does not answer.*Is limpet serve still running\?.*Try again/);
      assert.is(await page.evaluate("document.querySelectorAll('.turn .body').length > 1"), true);
    });
  });

  test("after the first visit the page works without its server", async () => {
    const own = await serving(`talker=${talker}`);
    await visitor.visit({ worker: true, noise: /ERR_CONNECTION_REFUSED|Failed to fetch/ }, async (page) => {
      await enter(page, own.base, IN_PAGE);
      await say(page, "Once upon a time");
      await holds(
        page,
        `caches.keys().then(async ([name]) => {
        const urls = (await (await caches.open(name)).keys()).map(({ url }) => url).join(" ");
        return /app\\.js/.test(urls) && /limpet[\\w.]*\\.wasm/.test(urls) && /\\.gguf/.test(urls);
      })`,
        "all is kept",
      );
      await own.stop();
      await page.reload();
      await holds(page, "document.documentElement.dataset.ready === 'yes'");
      await reads(page, ".turn .body", /Once upon a time/);
      await reads(page, "#model", /Tales.*in this page/);
      assert.ok((await say(page, "The king")).length > 20);
    });
  });

  test("axe-core finds nothing serious, wide and on a phone, light and dark, whatever is open", async () => {
    const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    for (const dark of [false, true]) {
      await visitor.visit({ dark, ...(dark && { width: 360, height: 740, touch: true }) }, async (page) => {
        await enter(page, server.base);
        await page.evaluate(axe);
        const look = async (what: string) => {
          const found = await page.evaluate<
            string[]
          >(`axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
            violations.filter(({ impact }) => impact === "serious" || impact === "critical").flatMap(({ id, nodes }) =>
              nodes.map(({ html, failureSummary }) => id + ": " + html + " " + failureSummary)))`);
          assert.equal(found, [], what);
          const width = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
          assert.is(width, 0, `${what}: nothing hangs out at the side`);
        };
        await look("empty");
        const over = async () => dark && page.click("#menu");
        await over();
        await look("the list");
        const call = { id: "c", name: "tool", arguments: "{}" };
        await bring(page, {
          text: "# A\n\ntext `code`\n\n```js\n1\n```\n\n| a |\n|---|\n| b |",
          reasoning: "r",
          toolCalls: [call],
          end: "tool_calls",
        });
        await look("a talk");
        await page.click("#model");
        await look("the models");
        await page.keyboard.press("Escape");
        await page.click("#open-settings");
        await page.fill("#set-topK", "x");
        await look("the settings");
        await page.keyboard.press("Escape");
        await page.click("#measure");
        await reads(page, "#drawer", /SIMD: yes/);
        await look("the drawer");
      });
    }
  });
});

test.run();
