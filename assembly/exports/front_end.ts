/**
 * Front ends: sound of 16 kHz becomes features for networks, frame by frame, and pictures become inputs. A host writes
 * samples and pixels to memory of its own (`core_allocate`), with room for what comes of them.
 */
import { Core } from "../memory/core";
import { FrontEnd, createFrontEnd, framesOf, pushSamples, releaseFrontEnd, resetFrontEnd } from "../graphs/front_end";
import { Picture, pictureToTensor } from "../graphs/image";
import { GraphTensor } from "../graphs/records";
import {
  MelFrontEnd, MelRule, createMelFrontEnd, melFramesOf, pushReals, releaseMelFrontEnd, resetMelFrontEnd,
} from "../graphs/mel_front_end";
import { featuresAsBytes } from "../kernels/audio/filter_bank";

/**
 * A front end that moves on by so many samples a frame: 160 for microWakeWord, 320 for micro_speech. 0 with the error
 * set.
 */
export function front_end_create(core: Core, step: u32): usize {
  return changetype<usize>(createFrontEnd(core, step));
}

/** Gives back a front end. 0 is allowed. */
export function front_end_release(core: Core, f: FrontEnd): void {
  releaseFrontEnd(core, f);
}

/** As before the first sound: it knows of no noise. */
export function front_end_reset(f: FrontEnd): void {
  resetFrontEnd(f);
}

/** How many frames so many more samples give. */
export function front_end_frames(f: FrontEnd, count: u32): u32 {
  return framesOf(f, count);
}

/** Takes i16[count] and writes u16[40] for each frame that is whole; returns how many those are. */
export function front_end_push(f: FrontEnd, samples: usize, count: u32, target: usize): u32 {
  return pushSamples(f, samples, count, target);
}

/** u16[count] of features as values of i8: (feature · 256 + 333) div 666 − 128. */
export function front_end_bytes(features: usize, count: u32, target: usize): void {
  featuresAsBytes(features, count, target);
}

/**
 * A front end in real numbers. `rule`: samples of a window, of a step and of a transform, bands, cepstral coefficients
 * (0: the bands), u32 each; then samples a second, the lowest and the highest frequency [Hz], f32. 0 with the error
 * set.
 */
export function front_end_mel_create(core: Core, rule: MelRule): usize {
  return changetype<usize>(createMelFrontEnd(core, rule));
}

/** Gives back such a front end. 0 is allowed. */
export function front_end_mel_release(core: Core, f: MelFrontEnd): void {
  releaseMelFrontEnd(core, f);
}

/** As before the first sound. */
export function front_end_mel_reset(f: MelFrontEnd): void {
  resetMelFrontEnd(f);
}

/** How many frames so many more samples give. */
export function front_end_mel_frames(f: MelFrontEnd, count: u32): u32 {
  return melFramesOf(f, count);
}

/** Takes f32[count] and writes f32 of bands or coefficients for each whole frame; returns how many those are. */
export function front_end_mel_push(f: MelFrontEnd, samples: usize, count: u32, target: usize): u32 {
  return pushReals(f, samples, count, target);
}

/**
 * Values of a tensor [1, height, width, 1 or 3] at `target`, of pixels u8[4 · width · height] in RGBA. `picture`:
 * width, height, left, top, columns, rows, and a method of Resample, u32 each; then three means and three deviations,
 * f32. 0, or an error.
 */
export function front_end_picture(core: Core, t: GraphTensor, pixels: usize, picture: Picture, target: usize): i32 {
  return pictureToTensor(core, pixels, picture, t, target);
}
