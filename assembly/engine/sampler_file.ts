/**
 * The section of a saved session (session_file.ts) that holds its sampler.
 */
import { Sampler, SamplerOption, checkOption, checkOptions, optionAt, turnOff } from "./sampler_options";
import { truncated } from "./session_sections";
import { Core } from "../memory/core";

const SAMPLER_VERSION: u32 = 2;
/** A section of version 1 ends where the options of version 2 begin. */
const SAMPLER_OPTIONS: usize = 56;
export const SAMPLER_SECTION: usize = SAMPLER_OPTIONS + ((<usize>SamplerOption.COUNT) << 2);

export function saveSampler(s: Sampler, at: usize): void {
  store<u32>(at, SAMPLER_VERSION);
  store<f32>(at, s.temperature, 4);
  store<u32>(at, s.topK, 8);
  store<f32>(at, s.topP, 12);
  store<f32>(at, s.minP, 16);
  store<f32>(at, s.repeatPenalty, 20);
  store<u64>(at, s.state0, 24);
  store<u64>(at, s.state1, 32);
  store<u64>(at, s.state2, 40);
  store<u64>(at, s.state3, 48);
  memory.copy(at + SAMPLER_OPTIONS, optionAt(s, 0), (<usize>SamplerOption.COUNT) << 2);
}

export function readSampler(at: usize, s: Sampler): void {
  turnOff(s);
  s.temperature = load<f32>(at, 4);
  s.topK = load<u32>(at, 8);
  s.topP = load<f32>(at, 12);
  s.minP = load<f32>(at, 16);
  s.repeatPenalty = load<f32>(at, 20);
  s.state0 = load<u64>(at, 24);
  s.state1 = load<u64>(at, 32);
  s.state2 = load<u64>(at, 40);
  s.state3 = load<u64>(at, 48);
  if (load<u32>(at) < SAMPLER_VERSION) return;
  memory.copy(optionAt(s, 0), at + SAMPLER_OPTIONS, (<usize>SamplerOption.COUNT) << 2);
}

export function checkSampler(core: Core, at: usize, bytes: usize): i32 {
  if (bytes < 4) return truncated(core);
  const isNew = load<u32>(at) == SAMPLER_VERSION;
  if (!isNew && load<u32>(at) != 1) return truncated(core);
  if (bytes != (isNew ? SAMPLER_SECTION : SAMPLER_OPTIONS)) return truncated(core);
  for (let i: u32 = 0; isNew && i < SamplerOption.COUNT; i++) {
    const status = checkOption(core, i, load<f32>(at + SAMPLER_OPTIONS + ((<usize>i) << 2)));
    if (status != 0) return status;
  }
  return checkOptions(core, load<f32>(at, 4), load<f32>(at, 12), load<f32>(at, 16), load<f32>(at, 20));
}
