/**
 * The audio front end: sound of 16 kHz becomes features for networks, frame by frame. A host writes samples to memory
 * of its own (`core_allocate`), with room for the features that `front_end_frames` announces.
 */
import { Core } from "../memory/core";
import { FrontEnd, createFrontEnd, framesOf, pushSamples, releaseFrontEnd, resetFrontEnd } from "../graphs/front_end";
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
