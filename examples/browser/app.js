/**
 * The demo page: a model in a worker of its own, its text as it comes, and plots of what that takes. Static files only:
 * it lies two folders beside build/, which holds limpet, and models/, which holds the model that ships.
 */
import { doctor, Model } from "../../build/js/index.js";
import { CachePlot, MemoryPlot, RatePlot, ZerosPlot } from "./plots.js";

const SHIPPED = new URL("../../models/tales-plm-q4_k_m.gguf", import.meta.url).href;
/** Tokens that a rate is taken over. */
const SPAN = 8;
/** Milliseconds between two drawings. */
const DRAW_MS = 80;

const $ = (id) => document.getElementById(id);
const plots = {
  rate: new RatePlot($("rate")),
  cache: new CachePlot($("cache")),
  zeros: new ZerosPlot($("zeros")),
  memory: new MemoryPlot($("memory"), { strip: true }),
};

let model = null;
/** Of the load or the generation that goes on. */
let controller = null;

function say(id, words, wrong = false) {
  $(id).textContent = words;
  $(id).classList.toggle("wrong", wrong);
}

/** What can be pressed now. Whoever pressed what is now disabled finds the focus on `next`. */
function enable(next = null) {
  const busy = controller !== null;
  const had = document.activeElement;
  $("load").disabled = busy;
  $("generate").disabled = busy || model === null;
  $("stop").disabled = !busy;
  if (next && (had?.disabled || had === document.body)) $(next).focus();
}

function chooseSource() {
  const source = $("source").value;
  $("file-field").hidden = source !== "file";
  $("url-field").hidden = source !== "url";
}

/** What to load; throws words where nothing was chosen. */
function chosenSource() {
  const source = $("source").value;
  if (source === "shipped") return SHIPPED;
  if (source === "file") {
    const [file] = $("file").files;
    if (!file) throw new Error("choose a GGUF file first");
    return file;
  }
  const url = $("url").value.trim();
  if (!url) throw new Error("write the URL of a GGUF file first");
  return new URL(url, location.href).href;
}

async function load() {
  controller = new AbortController();
  model?.dispose();
  model = null;
  idle();
  enable("stop");
  $("progress").hidden = false;
  $("progress").value = 0;
  say("model-status", "Loading …");
  try {
    const source = chosenSource();
    model = await Model.load(source, {
      worker: true,
      threads: Number($("threads").value) || 1,
      signal: controller.signal,
      onProgress: (done, all) => {
        if (all) $("progress").value = done / all;
      },
    });
    const { name, fileName, architecture, parameters, layers } = model.info;
    const size = parameters >= 1e9 ? `${(parameters / 1e9).toFixed(1)} G` : `${(parameters / 1e6).toFixed(1)} M`;
    const many = `${layers} layer${layers === 1 ? "" : "s"}`;
    say("model-status", `Loaded: ${name || fileName || "a model"} (${architecture}, ${many}, ${size} parameters).`);
    plots.memory.draw(await model.memory());
  } catch (error) {
    if (error.name === "AbortError") say("model-status", "Loading was stopped. No model is loaded.");
    else say("model-status", `The model was not loaded: ${error.message}`, true);
  } finally {
    controller = null;
    $("progress").hidden = true;
    enable(model ? "generate" : "load");
  }
}

async function generate() {
  controller = new AbortController();
  const { signal } = controller;
  enable("stop");
  const output = $("output");
  const chat = $("chat").checked;
  const prompt = $("prompt").value;
  const given = Object.assign(document.createElement("span"), { className: "given", textContent: chat ? "" : prompt });
  const text = document.createElement("span");
  output.replaceChildren(given, text);
  // A screen reader hears the text once, when it is whole.
  output.setAttribute("aria-busy", "true");
  say("text-status", "Generating …");
  const run = { rates: [], times: [performance.now()], drawn: 0, drawing: 0 };
  let session = null;
  try {
    session = await model.session();
    const options = {
      maxTokens: Number($("tokens").value) || 256,
      temperature: Number($("temperature").value) || 0,
      signal,
    };
    const generation = chat ? session.chat(prompt, options) : session.generate(prompt, options);
    for await (const piece of generation) {
      text.append(piece.text);
      output.scrollTop = output.scrollHeight;
      clock(run);
      if (performance.now() - run.drawn > DRAW_MS) await draw(session, run);
    }
    const { timings, finishReason } = generation.result;
    const mean = timings.decodeMs > 0 ? (timings.decodeTokens / timings.decodeMs) * 1000 : null;
    await draw(session, run, mean);
    const why = { stop: "an end token", length: "as many tokens as asked for", context: "a full context" }[
      finishReason
    ];
    say("text-status", `${run.rates.length} tokens; ended by ${why}.`);
  } catch (error) {
    if (signal.aborted) say("text-status", `Stopped after ${run.rates.length} tokens.`);
    else say("text-status", `Generating failed: ${error.message}`, true);
    if (signal.aborted && session) await draw(session, run).catch(() => {});
  } finally {
    session?.dispose();
    output.setAttribute("aria-busy", "false");
    controller = null;
    enable("generate");
  }
}

/** Notes when a token came, drawing not counted. The first waits for the prompt to be read, and has no rate of its own. */
function clock({ rates, times, drawing }) {
  times.push(performance.now() - drawing);
  const back = Math.min(SPAN, times.length - 2);
  const passed = times.at(-1) - times.at(-1 - back);
  rates.push(back > 0 && passed > 0 ? (back * 1000) / passed : (rates.at(-1) ?? 0));
}

async function draw(session, run, mean = null) {
  const started = performance.now();
  const [tokens, activity, memory] = await Promise.all([session.tokens(), session.activity(), model.memory()]);
  plots.rate.draw(run.rates.slice(1), mean);
  plots.cache.draw(tokens.length, memory.cacheBytesPerToken, memory.fullCacheBytesPerToken);
  plots.zeros.draw(activity, true);
  plots.memory.draw(memory);
  run.drawn = performance.now();
  run.drawing += run.drawn - started;
}

/** The plots before anything was computed. */
function idle() {
  plots.rate.draw([]);
  plots.cache.draw(0, 0, 0);
  plots.zeros.draw({ zeros: [], activations: [] }, false);
  plots.memory.draw(null);
}

/** What this browser has, and what is short. `builds`: whose kernels are tried. */
async function examine(builds) {
  const report = await doctor({ builds });
  const { simd, relaxedSimd, threads } = report.features;
  const has = (name, there) => `${name}: ${there ? "yes" : "no"}`;
  $("features").textContent = [
    has("SIMD", simd),
    has("relaxed SIMD", relaxedSimd),
    has("threads", threads),
    has("cross-origin isolated", report.isolated),
    `memory up to ${(report.memoryLimit / 2 ** 30).toFixed(1)} GiB`,
    `build: ${report.build}, because ${report.why}`,
  ].join(" · ");
  const items = report.advice.map(({ lack, remedy }) => {
    const item = document.createElement("li");
    item.append(
      Object.assign(document.createElement("strong"), { textContent: `${lack}.` }),
      ` What helps: ${remedy}.`,
    );
    return item;
  });
  $("advice").replaceChildren(...items);
  $("threads").disabled = !threads;
  $("threads-note").hidden = threads;
  $("threads-note").textContent = "One thread only: this page lacks COOP and COEP (see below).";
  return report;
}

async function check() {
  say("check-status", "Testing …");
  const { selfTests } = await examine(["portable", "scalar"]);
  const words = selfTests.map(({ build, right, error, kernels, ms }) => {
    const wrong = kernels.filter((kernel) => !kernel.right).map(({ name }) => name);
    if (right) return `${build}: ${kernels.length} kernels right, bit for bit (${ms.toFixed(0)} ms)`;
    return `${build}: ${error ?? `wrong: ${wrong.join(", ")}`}`;
  });
  say("check-status", `${words.join("; ")}.`, !selfTests.every(({ right }) => right));
}

const submit = (form, work) =>
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    if (!controller) work();
  });

$("boot").remove();
submit("model-form", load);
submit("prompt-form", () => model && generate());
$("source").addEventListener("change", chooseSource);
$("stop").addEventListener("click", () => controller?.abort());
$("check").addEventListener("click", check);
// What a browser remembers of the last visit.
chooseSource();
idle();
enable();
await examine([]);
