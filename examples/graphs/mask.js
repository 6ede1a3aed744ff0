/** A person's outline in each picture: the room behind turns soft. */

import { attempt, Clock, cropped, drawn, figures, kilobytes, model, pictures, say } from "./demo.js";
import { Graph } from "./js/graph.js";

const canvas = document.getElementById("view");
const mask = new OffscreenCanvas(1, 1);
const person = new OffscreenCanvas(canvas.width, canvas.height);
const clock = new Clock();
let graph = null;

async function look(picture) {
  graph ??= await Graph.load(await model("selfie"));
  const [input] = graph.inputs;
  const [, height, width] = input.shape;
  const pixels = cropped(picture, width, height);
  const values = new Float32Array(width * height * 3);
  for (let i = 0; i < width * height; i++) for (let c = 0; c < 3; c++) values[3 * i + c] = pixels[4 * i + c] / 255;
  const outputs = await clock.time(() => graph.run({ [input.name]: values }));
  show(picture, outputs[graph.outputs[0].name], width, height);
  figures({
    network: kilobytes(graph.memory.file),
    "multiply-adds a picture": `${(graph.macs / 1e6).toFixed(1)} million`,
    "a picture takes": clock.words,
  });
  say("");
}

/** The picture, blurred, and over it the person alone. */
function show(picture, values, width, height) {
  Object.assign(mask, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < values.length; i++) image.data[4 * i + 3] = 255 * Math.min(1, Math.max(0, values[i]));
  mask.getContext("2d").putImageData(image, 0, 0);
  const front = drawn(person, picture);
  front.globalCompositeOperation = "destination-in";
  front.drawImage(mask, 0, 0, person.width, person.height);
  front.globalCompositeOperation = "source-over";
  const pen = canvas.getContext("2d");
  pen.filter = "blur(18px) saturate(0.6)";
  drawn(canvas, picture);
  pen.filter = "none";
  pen.drawImage(person, 0, 0);
}

pictures(look);
attempt(async () => say("A camera, or a picture with somebody on it."));
