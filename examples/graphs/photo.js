/** The classes of ImageNet that a picture is most likely of. */

import { attempt, Clock, cropped, drawn, figures, kilobytes, model, pictures, say } from "./demo.js";
import { Graph } from "./js/graph.js";

const SHOWN = 5;
/** Of the pictures that it was trained with, red, green and blue. */
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];
const canvas = document.getElementById("view");
const clock = new Clock();
let graph = null;
let names = [];

async function look(picture) {
  drawn(canvas, picture);
  if (!graph) {
    graph = await Graph.load(await model("photo"));
    names = namesOf(new TextDecoder().decode(await model("classes")));
  }
  const [input] = graph.inputs;
  const [, channels, height, width] = input.shape;
  const pixels = cropped(picture, width, height);
  const values = new Int8Array(channels * width * height);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < width * height; i++) {
      const real = (pixels[4 * i + c] / 255 - MEAN[c]) / DEVIATION[c];
      const value = Math.round(real / input.scale) + input.zeroPoint;
      values[c * width * height + i] = Math.max(-128, Math.min(127, value));
    }
  }
  const outputs = await clock.time(() => graph.run({ [input.name]: values }));
  show(graph.outputs[0], outputs[graph.outputs[0].name]);
  figures({
    network: kilobytes(graph.memory.file),
    "values of it in memory": kilobytes(graph.memory.values),
    "a picture takes": clock.words,
  });
  say("");
}

/** The names that TensorFlow.js has for the classes, out of its module. */
function namesOf(source) {
  const lines = source.replaceAll(/' \+\s+'/g, "").matchAll(/^\s+(\d+): (?:'(.*)'|"(.*)"),?$/gm);
  return Array.from(lines, ([, , single, double]) => single ?? double);
}

function show({ scale, zeroPoint }, values) {
  const reals = Array.from(values, (value) => scale * (value - zeroPoint));
  const most = Math.max(...reals);
  const sum = reals.reduce((all, value) => all + Math.exp(value - most), 0);
  const best = reals.map((value, i) => [Math.exp(value - most) / sum, i]).sort(([a], [b]) => b - a);
  document.getElementById("found").replaceChildren(
    ...best.slice(0, SHOWN).map(([share, i]) => {
      const line = document.createElement("li");
      const [name, percent] = [document.createElement("span"), document.createElement("span")];
      name.textContent = names[i] ?? `class ${i}`;
      percent.textContent = `${Math.round(100 * share)} %`;
      line.style.setProperty("--share", `${100 * share}%`);
      line.append(name, percent);
      return line;
    }),
  );
}

pictures(look);
attempt(async () => say("A camera, or a picture."));
