/** A wake word from the microphone or a recording. */

import { attempt, Clock, figures, kilobytes, model, say } from "./demo.js";
import { MicroFrontend, WakeWord } from "./js/graph.js";

const RATE = 16000;
const CHANNELS = 40;
/** A feature of the front end is at most this. */
const LOUDEST = 670;
const canvas = document.getElementById("sound");
const pen = canvas.getContext("2d");
const [listen, word, heard] = ["listen", "word", "heard"].map((id) => document.getElementById(id));
const meter = document.getElementById("probability");

let wake = null;
let ears = null;
let queue = Promise.resolve();
let stopListening = null;
const clock = new Clock();

/** The network of the chosen word, and a front end for the picture. */
async function ready() {
  if (wake?.name === word.value) return;
  wake?.of.dispose();
  const bytes = await model(word.value);
  wake = { name: word.value, bytes: bytes.length, of: await WakeWord.load(bytes) };
  ears ??= await MicroFrontend.create();
  reset();
}

function reset() {
  wake.of.reset();
  ears.reset();
  heard.textContent = "";
  pen.clearRect(0, 0, canvas.width, canvas.height);
}

/** Hears samples, one piece after the other. */
function hear(samples) {
  queue = queue.then(() => attempt(() => heardOne(samples)));
  return queue;
}

async function heardOne(samples) {
  show(ears.push(samples));
  const isHeard = await clock.time(() => wake.of.push(samples));
  meter.value = wake.of.probability;
  if (isHeard) {
    heard.textContent = `Heard “${word.selectedOptions[0].text}” (${wake.of.probability.toFixed(2)})`;
  }
  figures({ network: kilobytes(wake.bytes), "20 ms of sound take": clock.words });
}

/** A column a frame, the newest at the right. */
function show(features) {
  const frames = features.length / CHANNELS;
  if (frames === 0) return;
  pen.drawImage(canvas, -frames, 0);
  for (let frame = 0; frame < frames; frame++) {
    for (let channel = 0; channel < CHANNELS; channel++) {
      const value = features[frame * CHANNELS + channel] / LOUDEST;
      pen.fillStyle = `hsl(${200 - 160 * value} 80% ${8 + 60 * value}%)`;
      pen.fillRect(canvas.width - frames + frame, CHANNELS - 1 - channel, 1, 1);
    }
  }
}

/** Plays a recording, and hears it as fast as it is played. */
async function play(blob) {
  await ready();
  reset();
  const context = new AudioContext({ sampleRate: RATE });
  try {
    const sound = await context.decodeAudioData(await blob.arrayBuffer());
    const values = sound.getChannelData(0);
    const source = new AudioBufferSourceNode(context, { buffer: sound });
    source.connect(context.destination);
    source.start();
    // A moment of silence behind it: the last frames are heard with it.
    const samples = new Int16Array(values.length + RATE / 2);
    values.forEach((value, i) => {
      samples[i] = Math.round(value * 32767);
    });
    say(`Playing ${(values.length / RATE).toFixed(1)} s`);
    for (let at = 0; at < samples.length; at += 320) {
      await hear(samples.slice(at, at + 320));
      await new Promise((resolve) => setTimeout(resolve, 20 - (performance.now() % 20)));
    }
    say("");
  } finally {
    await context.close();
  }
}

async function start() {
  if (stopListening) return stopListening();
  await ready();
  if (!navigator.mediaDevices) throw new Error("this page may use no microphone: open it at localhost or over https");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const context = new AudioContext({ sampleRate: RATE });
  stopListening = () => {
    for (const track of stream.getTracks()) track.stop();
    stopListening = null;
    listen.textContent = "Listen";
    say("");
    return context.close();
  };
  reset();
  await context.audioWorklet.addModule("microphone.js");
  const node = new AudioWorkletNode(context, "microphone");
  node.port.onmessage = ({ data }) => hear(data);
  new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(node);
  listen.textContent = "Stop";
  say(`Say “${word.selectedOptions[0].text}”`);
}

listen.addEventListener("click", () => attempt(start));
word.addEventListener("change", () => attempt(ready));
document.getElementById("recording").addEventListener("change", ({ target: { files } }) => {
  if (files[0]) attempt(() => play(files[0]));
});
document.getElementById("example").addEventListener("click", () =>
  attempt(async () => {
    word.value = "okay_nabu";
    await play(await (await fetch("okay-nabu.wav")).blob());
  }),
);
