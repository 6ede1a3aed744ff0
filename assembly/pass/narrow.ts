/**
 * Narrowing: some tokens leave the pass in its middle, and the rows of every living value close ranks.
 */
import { Context } from "./context";
import { setU32 } from "../memory/bytes";
import { Extent } from "../program/program";

/**
 * Only the tokens that `keep` (u8[batch]) names go on behind the step at work. Which values live is known from the
 * program: those that some later step needs. A pass may be narrowed more than once.
 */
export function narrow(c: Context, keep: usize): void {
  const p = c.program;
  let kept: u32 = 0;
  for (let i: u32 = 0; i < c.active; i++) {
    const token = c.token(i);
    if (!load<u8>(keep + token)) continue;
    if (kept != i) {
      for (let id: u32 = 0; id < p.valueCount; id++) {
        const value = p.value(id);
        if (value.extent != Extent.TOKENS || value.base != id || value.bytes == 0) continue;
        if (value.first > c.step || value.last <= c.step) continue;
        const stride = c.stride(id);
        memory.copy(c.at(id) + <usize>kept * stride, c.at(id) + <usize>i * stride, stride);
      }
      setU32(c.activeToken, kept, token);
    }
    kept += 1;
  }
  c.active = kept;
}
