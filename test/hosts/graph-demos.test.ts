/**
 * The pages of examples/graphs in Chromium, as `npm run demo:graphs` serves them: with a microphone that plays a recording, a
 * camera that shows a pattern, and pictures whose answers are known.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import { shared } from "../support/shared.ts";
import { holds, reads, type TalkPage, Visitor } from "./page.ts";
import { ROOT, withTools } from "./tools.ts";

/** What models.json calls a file, and ../shared. */
const MODELS = {
  "okay_nabu.tflite": "mww_okay_nabu.tflite",
  "alexa.tflite": "mww_alexa.tflite",
  "hey_mycroft.tflite": "mww_hey_mycroft.tflite",
  "selfie_landscape.tflite": "selfie_landscape_f16.tflite",
  "te_person_boxes.tflite": "te_person_boxes.tflite",
  "mobilenet_v2_int8.tflite": "mobilenet_v2_int8.tflite",
};
const RECORDING = join(ROOT, "examples/graphs/okay-nabu.wav");
const FAKES = [
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  `--use-file-for-fake-audio-capture=${RECORDING}`,
  "--autoplay-policy=no-user-gesture-required",
];

const folder = shared("data/graphs");
if (folder) {
  withTools(["chromium", "npm:playwright-core"], (chromium) => {
    const visitor = new Visitor(chromium, FAKES);
    let base = "";
    let server: ChildProcess;

    test.before(async () => {
      const place = join(ROOT, "build/demo-graphs/models");
      mkdirSync(place, { recursive: true });
      for (const [name, own] of Object.entries(MODELS)) copyFileSync(join(folder, "models", own), join(place, name));
      [base, server] = await serving();
    });
    test.after(async () => {
      server.kill();
      await visitor.close();
    });

    const open = (name: string, use: (page: TalkPage) => Promise<void>, noise?: RegExp): Promise<void> =>
      visitor.visit({ width: 700, height: 900, ...(noise && { noise }) }, async (page) => {
        await page.goto(`${base}${name}`);
        await use(page);
      });

    test("a wake word: from a recording, and from the microphone until it is stopped", () =>
      open("wake.html", async (page) => {
        await page.click("#example");
        await reads(page, "#heard", /Heard “okay nabu” \(0\.9\d\)/);
        await reads(page, "#figures", /network80\.8 KB/);
        await holds(page, "document.querySelector('#status').textContent === ''", "the recording has ended");
        await page.click("#listen");
        await reads(page, "#listen", /Stop/);
        await reads(page, "#heard", /Heard “okay nabu”/);
        await page.click("#listen");
        await reads(page, "#listen", /Listen/);
      }));

    test("a photo: what it shows, in words", () =>
      open("photo.html", async (page) => {
        // Normalised and quantised, as the network takes it: back to the pixels that it was.
        const bytes = new Int8Array(readFileSync(join(folder, "inputs/mobilenet_dog.i8.bin")));
        const [mean, deviation] = [
          [0.485, 0.456, 0.406],
          [0.229, 0.224, 0.225],
        ];
        const size = 224 * 224;
        const pixels = Uint8Array.from({ length: 3 * size }, (_, i) => {
          const c = i % 3;
          const real = (bytes[c * size + Math.floor(i / 3)] + 14) * 0.018631116;
          return Math.max(0, Math.min(255, Math.round(255 * (real * deviation[c] + mean[c]))));
        });
        await give(page, pixels, 224);
        await reads(page, "#found li", /Samoyed.*8\d %/);
      }));

    test("people: the same boxes in a sixth of the memory, and a camera", () =>
      open("people.html", async (page) => {
        await give(page, readFileSync(join(folder, "inputs/te_boxes_two_people.u8.bin")), 160);
        await reads(page, "#figures", /people2.*307\.2 KB.*none: all at once/);
        await page.evaluate(
          "(() => { const s = document.querySelector('#memory'); s.value = 52; s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change')); })()",
        );
        await reads(page, "#limit", /52 KB/);
        await reads(page, "#figures", /people2memory for values(4\d|5[01])(\.\d)? KBpatches16.*the same to the bit/);
        await page.click("#camera");
        await reads(page, "#figures", /people0/);
        await page.click("#camera");
        await reads(page, "#camera", /Camera/);
      }));

    test("a mask: the room turns soft, the person stays", () =>
      open("mask.html", async (page) => {
        await give(page, readFileSync(join(folder, "inputs/selfie_two_people.u8.bin")), 256);
        await reads(page, "#figures", /33\.3 million/);
      }));

    test("a model that is none of a package is asked for, and another file is refused", () =>
      open(
        "people.html",
        async (page) => {
          await page.route("**/te_person_boxes.tflite", (route) => route.fulfill({ status: 404 }));
          await give(page, readFileSync(join(folder, "inputs/te_boxes_two_people.u8.bin")), 160);
          await reads(page, "#status", /No package holds te_person_boxes\.tflite: it is at github\.com\/mit-han-lab/);
          await page.setInputFiles("#status input", join(folder, "models/hello_world_int8.tflite"));
          await reads(page, "#status.wrong", /has SHA-256 505ee4fa.*expected ae2bf7c4/);
        },
        /status of 404|has SHA-256/,
      ));
  });
} else test("the demos' models wait for ../shared", () => {});

/** Gives RGB pixels as the file of a picture. */
async function give(page: TalkPage, pixels: Uint8Array, width: number): Promise<void> {
  const text = Buffer.from(pixels).toString("base64");
  const url = await page.evaluate<string>(`(() => {
    const bytes = Uint8Array.from(atob("${text}"), (letter) => letter.charCodeAt(0));
    const [width, height] = [${width}, bytes.length / 3 / ${width}];
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) image.data.set([...bytes.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.toDataURL("image/png");
  })()`);
  const buffer = Buffer.from(url.slice(url.indexOf(",") + 1), "base64");
  await page.setInputFiles("#picture", { name: "picture.png", mimeType: "image/png", buffer });
}

/** The demo, as a user starts it. */
function serving(): Promise<[base: string, server: ChildProcess]> {
  return new Promise((resolve, reject) => {
    const server = spawn(process.execPath, [join(ROOT, "scripts/demo-graphs.mjs"), "--port", "0"]);
    process.on("exit", () => server.kill());
    let said = "";
    const read = (text: string): void => {
      said += text;
      const base = /Ears and eyes: (http:\S+)/.exec(said)?.[1];
      if (base) resolve([base, server]);
    };
    server.stdout.setEncoding("utf8").on("data", read);
    server.stderr.setEncoding("utf8").on("data", read);
    server.on("close", () => reject(new Error(said)));
  });
}

test.run();
