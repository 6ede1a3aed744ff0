/**
 * Search by meaning: paragraphs become vectors once, a question each time, and the nearest paragraphs are shown. The
 * vectors have length 1, so a product of two is their cosine. Static files only, beside build/, which holds limpet.
 */
import { Model } from "../../build/js/index.js";

/** Paragraphs that are read at once, so that the page can show how far it is. */
const AT_ONCE = 64;
const SHOWN = 5;

const $ = (id) => document.getElementById(id);

let model = null;
let paragraphs = [];
let vectors = [];

const say = (words) => {
  $("status").textContent = words;
};

async function paragraphsGiven() {
  const [file] = $("texts").files;
  const text = file ? await file.text() : $("lines").value;
  return text.split(/\r?\n/).filter((line) => line.trim() !== "");
}

/** Loads the model and reads the paragraphs. */
async function load() {
  const [file] = $("model").files;
  if (!file) throw new Error("choose a GGUF file first");
  await model?.dispose();
  model = null;
  $("search").disabled = true;
  $("progress").hidden = false;
  const loaded = await Model.load(file, {
    worker: true,
    onProgress: (done, all) => ($("progress").value = done / all),
  });
  if (loaded.info.makes === "scores") throw new Error("this model ranks documents: it makes no vectors");
  paragraphs = await paragraphsGiven();
  vectors = [];
  const started = performance.now();
  for (let at = 0; at < paragraphs.length; at += AT_ONCE) {
    vectors.push(...(await loaded.embed(paragraphs.slice(at, at + AT_ONCE), { truncate: true })));
    $("progress").value = vectors.length / paragraphs.length;
    say(`${vectors.length} of ${paragraphs.length} paragraphs are read.`);
  }
  model = loaded;
  $("search").disabled = false;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(`${paragraphs.length} paragraphs are read in ${seconds} s; ask for something.`);
}

/** Shows the paragraphs nearest to the question. */
async function search() {
  const [query] = await model.embed([$("query").value], { truncate: true });
  const near = vectors
    .map((vector, i) => ({ i, score: vector.reduce((sum, value, k) => sum + value * query[k], 0) }))
    .sort((a, b) => b.score - a.score)
    .slice(0, SHOWN);
  $("found").replaceChildren(
    ...near.map(({ i, score }) => {
      const line = document.createElement("li");
      const mark = document.createElement("span");
      mark.className = "score";
      mark.textContent = score.toFixed(2);
      line.append(mark, paragraphs[i]);
      return line;
    }),
  );
}

const handle = (work) => async (event) => {
  event.preventDefault();
  try {
    await work();
  } catch (error) {
    say(error.message);
  } finally {
    $("progress").hidden = true;
  }
};

$("load-form").addEventListener("submit", handle(load));
$("search-form").addEventListener("submit", handle(search));
