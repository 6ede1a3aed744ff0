/**
 * The front end in real numbers: sound in, logarithms of mel bands out, or cepstral coefficients (MFCC), as networks
 * for keywords want them. It keeps the end of the sound from call to call.
 */
import { allocate, release } from "../memory/arena";
import { Core, ErrorCode, fail } from "../memory/core";
import { bandsOf, cepstrum, logOf, makeBands, makeHann, makeTurns, transform64 } from "../kernels/audio/spectrum";

/** What it makes of sound, as a host writes it. */
@unmanaged
export class MelRule {
  /** Samples of a window, from one to the next, and of its transform. */
  window: u32;
  step: u32;
  length: u32;
  bands: u32;
  /** Cepstral coefficients; 0: the bands themselves. */
  coefficients: u32;
  /** Samples a second, and the ends of the bands [Hz]. */
  rate: f32;
  low: f32;
  high: f32;
}

@unmanaged
export class MelFrontEnd {
  window: u32;
  step: u32;
  length: u32;
  bands: u32;
  coefficients: u32;
  /** Samples that it has of the next window. */
  held: u32;
  /** f32[window] of sound, f64[window], complex f64[length] twice, f64[length/2 + 1], f64[bands]. */
  sound: usize;
  hann: usize;
  turns: usize;
  spectrum: usize;
  places: usize;
  sums: usize;
}

/** Null with the error set. */
export function createMelFrontEnd(core: Core, rule: MelRule): MelFrontEnd {
  const none = changetype<MelFrontEnd>(0);
  const isLength = rule.length >= 2 && rule.length <= 0x8000 && (rule.length & (rule.length - 1)) == 0;
  if (!isLength || rule.window == 0 || rule.window > rule.length || rule.step == 0 || rule.step > rule.window) {
    fail(
      core, ErrorCode.BAD_ARGUMENT,
      "a transform of {} samples, a window of {} and a step of {}: a power of two up to 32768, and each no longer",
      rule.length, rule.window, rule.step,
    );
    return none;
  }
  const isRange = rule.rate > 0 && rule.low >= 0 && rule.low < rule.high && <f64>rule.high <= <f64>rule.rate / 2;
  if (!isRange || rule.bands == 0 || rule.bands > 4096 || rule.coefficients > rule.bands) {
    fail(
      core, ErrorCode.BAD_ARGUMENT, "bands are 1 to 4096, from 0 Hz to half the rate, and no fewer than coefficients",
    );
    return none;
  }
  const hann = (offsetof<MelFrontEnd>() + 4 * <usize>rule.window + 15) & ~15;
  const turns = hann + 8 * <usize>rule.window;
  const spectrum = turns + 16 * <usize>rule.length;
  const places = spectrum + 16 * <usize>rule.length;
  const sums = places + 8 * (<usize>rule.length / 2 + 1);
  const f = changetype<MelFrontEnd>(allocate(core, sums + 8 * <usize>rule.bands, "an audio front end"));
  if (f == null) return none;
  const at = changetype<usize>(f);
  f.window = rule.window;
  f.step = rule.step;
  f.length = rule.length;
  f.bands = rule.bands;
  f.coefficients = rule.coefficients;
  f.sound = at + offsetof<MelFrontEnd>();
  f.hann = at + hann;
  f.turns = at + turns;
  f.spectrum = at + spectrum;
  f.places = at + places;
  f.sums = at + sums;
  makeHann(f.window, f.hann);
  makeTurns(f.length, f.turns);
  makeBands(f.length, rule.rate, f.bands, rule.low, rule.high, f.places);
  return f;
}

/** Gives it back. 0 is allowed. */
export function releaseMelFrontEnd(core: Core, f: MelFrontEnd): void {
  release(core, changetype<usize>(f));
}

/** As before the first sound. */
export function resetMelFrontEnd(f: MelFrontEnd): void {
  f.held = 0;
}

/** How many frames so many more samples give. */
export function melFramesOf(f: MelFrontEnd, count: u32): u32 {
  const all = <u64>f.held + count;
  return all < f.window ? 0 : <u32>((all - f.window) / f.step + 1);
}

/** Takes f32[count], and writes f32[bands or coefficients] for each frame that is whole; returns how many those are. */
export function pushReals(f: MelFrontEnd, samples: usize, count: u32, target: usize): u32 {
  let frames: u32 = 0;
  const values = f.coefficients > 0 ? f.coefficients : f.bands;
  while (count > 0) {
    const taken = min(count, f.window - f.held);
    memory.copy(f.sound + ((<usize>f.held) << 2), samples, (<usize>taken) << 2);
    f.held += taken;
    samples += (<usize>taken) << 2;
    count -= taken;
    if (f.held < f.window) break;
    frame(f, target);
    target += (<usize>values) << 2;
    frames += 1;
    f.held = f.window - f.step;
    memory.copy(f.sound, f.sound + ((<usize>f.step) << 2), (<usize>f.held) << 2);
  }
  return frames;
}

function frame(f: MelFrontEnd, target: usize): void {
  memory.fill(f.spectrum, 0, 16 * <usize>f.length);
  for (let i: usize = 0; i < <usize>f.window; i++) {
    store<f64>(f.spectrum + (i << 4), <f64>load<f32>(f.sound + (i << 2)) * load<f64>(f.hann + (i << 3)));
  }
  transform64(f.spectrum, f.length, f.turns);
  bandsOf(f.spectrum, f.length, f.places, f.bands, f.sums);
  logOf(f.sums, f.bands);
  if (f.coefficients > 0) {
    cepstrum(f.sums, f.bands, f.coefficients, target);
    return;
  }
  for (let i: usize = 0; i < <usize>f.bands; i++) store<f32>(target + (i << 2), <f32>load<f64>(f.sums + (i << 3)));
}
