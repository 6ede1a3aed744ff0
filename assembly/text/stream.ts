import { Tokenizer } from "./tokenizer";
@unmanaged export class TextStream { a: u32; }
export const STREAM_BYTES: usize = 64;
export function initStream(s: TextStream): void {}
export function pushStream(t: Tokenizer, s: TextStream, token: u32, target: usize, capacity: u32): u32 { return 0; }
export function flushStream(t: Tokenizer, s: TextStream, target: usize, capacity: u32): u32 { return 0; }
