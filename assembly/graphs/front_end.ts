/**
 * The micro front end: sound of 16 kHz in, forty features a frame out, as wake words and micro_speech want them. What
 * it keeps from call to call is the end of the sound, and how much noise there is in each channel.
 *
 *     samples ──► │ 480 of them │        a frame of 30 ms, then the window moves on by `step`
 *                 │ step │ ……… │
 *
 * Source: tensorflow/lite/experimental/microfrontend, with microWakeWord's settings; the same bits.
 */
import { allocate, release } from "../memory/arena";
import { Core, ErrorCode, fail } from "../memory/core";
import { factorBytes, makeFactors, realTransform } from "../kernels/audio/fft";
import {
  NoiseRule, energies, filterBank, gained, lessNoise, logarithms, roots, scaleUp, windowed,
} from "../kernels/audio/filter_bank";
import { GAINS, WEIGHTS, WIDTHS, WINDOW } from "../kernels/audio/tables";

/** Samples of a window and of its transform, and features of a frame. */
const WINDOW_SAMPLES: u32 = 480;
const LENGTH: u32 = 512;
export const CHANNELS: u32 = 40;
/** The bins that the filter bank looks at. */
const FIRST_BIN: u32 = 5;
const END_BIN: u32 = 241;

@unmanaged
export class FrontEnd {
  step: u32;
  /** Samples that it has of the next window. */
  held: u32;
  rule: NoiseRule;
  /** i16[480] and u32[40]. */
  sound: usize;
  noise: usize;
  factors: usize;
  /** Of each triangle the first bin and the place of its first weight, i16[41]; what the weights leave, i16[236]. */
  bins: usize;
  places: usize;
  others: usize;
  /** i16[512], complex i16[256] and complex i16[257], which u64 of the channels overwrite later. */
  scaled: usize;
  work: usize;
  spectrum: usize;
}

/** A front end that moves on by `step` samples a frame; null with the error set. */
export function createFrontEnd(core: Core, step: u32): FrontEnd {
  const none = changetype<FrontEnd>(0);
  if (step == 0 || step > WINDOW_SAMPLES) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a front end moves on by 1 to {} samples, not by {}", WINDOW_SAMPLES, step);
    return none;
  }
  const tables = 2 * 2 * (CHANNELS + 1) + 2 * (END_BIN - FIRST_BIN);
  const work = 2 * LENGTH + 2 * LENGTH + 2 * LENGTH + 16;
  const records = offsetof<FrontEnd>() + offsetof<NoiseRule>();
  const size = records + 2 * WINDOW_SAMPLES + 4 * CHANNELS + factorBytes(LENGTH) + tables + work + 16;
  const f = changetype<FrontEnd>(allocate(core, size, "an audio front end"));
  if (f == null) return none;
  f.step = step;
  f.rule = changetype<NoiseRule>(changetype<usize>(f) + offsetof<FrontEnd>());
  f.noise = changetype<usize>(f.rule) + offsetof<NoiseRule>();
  f.sound = f.noise + 4 * CHANNELS;
  f.factors = f.sound + 2 * WINDOW_SAMPLES;
  f.bins = f.factors + factorBytes(LENGTH);
  f.places = f.bins + 2 * (CHANNELS + 1);
  f.others = f.places + 2 * (CHANNELS + 1);
  f.scaled = (f.others + 2 * (END_BIN - FIRST_BIN) + 15) & ~15;
  f.work = f.scaled + 2 * LENGTH;
  f.spectrum = f.work + 2 * LENGTH;
  f.rule.smoothing = 409;
  f.rule.oneMinusSmoothing = 16384 - 409;
  f.rule.alternateSmoothing = 983;
  f.rule.alternateOneMinusSmoothing = 16384 - 983;
  f.rule.minSignalRemaining = 819;
  f.rule.smoothingBits = 10;
  f.rule.bits = 14;
  makeFactors(LENGTH, f.factors);
  let place: u32 = 0;
  for (let i: usize = 0; i <= <usize>CHANNELS; i++) {
    store<i16>(f.bins + (i << 1), <i16>(FIRST_BIN + place));
    store<i16>(f.places + (i << 1), <i16>place);
    place += load<u16>(WIDTHS + (i << 1));
  }
  for (let i: usize = 0; i < <usize>place; i++) {
    store<i16>(f.others + (i << 1), 4096 - load<i16>(WEIGHTS + (i << 1)));
  }
  return f;
}

/** Gives it back. 0 is allowed. */
export function releaseFrontEnd(core: Core, f: FrontEnd): void {
  release(core, changetype<usize>(f));
}

/** As before the first sound. */
export function resetFrontEnd(f: FrontEnd): void {
  f.held = 0;
  memory.fill(f.noise, 0, 4 * CHANNELS);
}

/** How many frames so many more samples give. */
export function framesOf(f: FrontEnd, count: u32): u32 {
  const all = <u64>f.held + count;
  return all < WINDOW_SAMPLES ? 0 : <u32>((all - WINDOW_SAMPLES) / f.step + 1);
}

/** Takes i16[count], and writes the features of all frames that are whole, u16[40] each; returns how many those are. */
export function pushSamples(f: FrontEnd, samples: usize, count: u32, target: usize): u32 {
  let frames: u32 = 0;
  while (count > 0) {
    const taken = min(count, WINDOW_SAMPLES - f.held);
    memory.copy(f.sound + ((<usize>f.held) << 1), samples, (<usize>taken) << 1);
    f.held += taken;
    samples += (<usize>taken) << 1;
    count -= taken;
    if (f.held < WINDOW_SAMPLES) break;
    frame(f, target);
    target += 2 * CHANNELS;
    frames += 1;
    f.held = WINDOW_SAMPLES - f.step;
    memory.copy(f.sound, f.sound + ((<usize>f.step) << 1), (<usize>f.held) << 1);
  }
  return frames;
}

function frame(f: FrontEnd, target: usize): void {
  windowed(f.sound, WINDOW, WINDOW_SAMPLES, 12, f.scaled);
  const shift = scaleUp(f.scaled, WINDOW_SAMPLES, false, f.scaled);
  memory.fill(f.scaled + 2 * WINDOW_SAMPLES, 0, 2 * (LENGTH - WINDOW_SAMPLES));
  realTransform(f.scaled, f.spectrum, LENGTH, f.factors, f.work);
  energies(f.spectrum, FIRST_BIN, END_BIN, f.spectrum);
  filterBank(f.spectrum, CHANNELS, WIDTHS, f.bins, f.places, WEIGHTS, f.others, f.scaled);
  roots(f.scaled, CHANNELS, shift, f.work);
  lessNoise(f.rule, f.work, CHANNELS, f.noise, f.work);
  gained(f.work, f.noise, GAINS, 6, CHANNELS, f.work);
  logarithms(f.work, CHANNELS, 64, 3, target);
}
