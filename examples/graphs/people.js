/** A box around each person, in as little memory as the slider gives: patch by patch where all is too much. */

import { attempt, Clock, cropped, drawn, figures, kilobytes, model, pictures, say } from "./demo.js";
import { Graph } from "./js/graph.js";

/** Widths and heights of each scale's anchors, in pixels of the input. */
const ANCHORS = {
  32: [
    [116, 90],
    [156, 198],
    [373, 326],
  ],
  16: [
    [30, 61],
    [62, 45],
    [59, 119],
  ],
  8: [
    [10, 13],
    [16, 30],
    [33, 23],
  ],
};
const LEAST = 0.3;
const OVERLAP = 0.45;
const canvas = document.getElementById("view");
const [slider, limit] = [document.getElementById("memory"), document.getElementById("limit")];
let clock = new Clock();
let bytes = null;
let graph = null;
let last = null;
/** What the whole network says of the last picture, for the one in patches to be held against. */
let whole = null;

/** The network within the memory of the slider; the whole one where it gives as much as that takes. */
async function load() {
  bytes ??= await model("people");
  const memory = slider.value === slider.max ? undefined : 1000 * Number(slider.value);
  graph?.dispose();
  graph = null;
  graph = await Graph.load(bytes, memory === undefined ? {} : { memory });
  whole ??= await Graph.load(bytes);
  clock = new Clock();
}

async function look(picture) {
  last = picture;
  if (!graph) await load();
  const [input] = graph.inputs;
  const [, height, width] = input.shape;
  const pixels = cropped(picture, width, height);
  const values = new Float32Array(width * height * 3);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++) values[3 * i + c] = pixels[4 * i + c] / 127.5 - 1;
  const outputs = await clock.time(() => graph.run({ [input.name]: values }));
  const compared = await whole.run({ [input.name]: values });
  const isSame = graph.outputs.every(({ name }) => outputs[name].every((value, i) => value === compared[name][i]));
  const pen = drawn(canvas, picture);
  const boxes = kept(graph.outputs.flatMap(({ name, shape }) => boxesOf(outputs[name], shape, width)));
  mark(pen, boxes, canvas.width / width);
  const { plan } = graph;
  figures({
    people: String(boxes.length),
    "memory for values": kilobytes(plan.values),
    patches: plan.patches === 1 ? "none: all at once" : `${plan.patches}`,
    "work against the whole": `${plan.factor.toFixed(2)} ×`,
    "outputs against the whole": isSame ? "the same to the bit" : "different",
    "a picture takes": clock.words,
  });
  say("");
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** The boxes of one scale: [score, left, top, right, bottom] in pixels of the input. */
function boxesOf(values, [, rows, columns, depth], width) {
  const stride = width / columns;
  const found = [];
  for (let cell = 0; cell < rows * columns; cell++) {
    for (const [anchor, [w, h]] of ANCHORS[stride].entries()) {
      const at = cell * depth + (anchor * depth) / 3;
      const [x, y, dw, dh, object, person] = values.subarray(at, at + 6);
      const score = sigmoid(object) * sigmoid(person);
      if (score < LEAST) continue;
      const [cx, cy] = [(sigmoid(x) + (cell % columns)) * stride, (sigmoid(y) + Math.floor(cell / columns)) * stride];
      const [rx, ry] = [(Math.exp(dw) * w) / 2, (Math.exp(dh) * h) / 2];
      found.push([score, cx - rx, cy - ry, cx + rx, cy + ry]);
    }
  }
  return found;
}

/** Of boxes that overlap the surest. */
function kept(boxes) {
  const found = [];
  for (const box of boxes.sort(([a], [b]) => b - a)) {
    if (found.every((other) => overlap(box, other) < OVERLAP)) found.push(box);
  }
  return found;
}

function overlap([, l1, t1, r1, b1], [, l2, t2, r2, b2]) {
  const shared = Math.max(0, Math.min(r1, r2) - Math.max(l1, l2)) * Math.max(0, Math.min(b1, b2) - Math.max(t1, t2));
  return shared / ((r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2) - shared);
}

function mark(pen, boxes, scale) {
  pen.lineWidth = 4;
  pen.strokeStyle = pen.fillStyle = "#4fc3c9";
  pen.font = "600 20px system-ui";
  for (const [score, left, top, right, bottom] of boxes) {
    pen.strokeRect(left * scale, top * scale, (right - left) * scale, (bottom - top) * scale);
    pen.fillText(score.toFixed(2), left * scale + 8, Math.max(top * scale, 0) + 24);
  }
}

slider.addEventListener("input", () => {
  limit.textContent = slider.value === slider.max ? "all" : `${slider.value} KB`;
});
slider.addEventListener("change", () =>
  attempt(async () => {
    await load();
    if (last) await look(last);
  }),
);
pictures(look);
attempt(async () => say("A camera, or a picture with people on it."));
