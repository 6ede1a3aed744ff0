/**
 * Which of many numbers are the highest.
 */
import { u32At } from "../memory/bytes";

/**
 * marks u8[count] ← 1 for the `most` highest of u32[count], of equal ones the first, else 0. The least that stays is
 * found bit by bit, in 32 walks, whatever the numbers are.
 */
export function markHighest(numbers: usize, count: u32, most: u32, marks: usize): void {
  let least: u32 = 0;
  for (let bit: u32 = 1 << 31; bit != 0; bit >>= 1) {
    if (countFrom(numbers, count, least | bit) >= most) least |= bit;
  }
  let ties = most - (least == u32.MAX_VALUE ? 0 : countFrom(numbers, count, least + 1));
  for (let i: u32 = 0; i < count; i++) {
    const number = u32At(numbers, i);
    const stays = number > least || (number == least && ties != 0);
    if (number == least && ties != 0) ties -= 1;
    store<u8>(marks + i, stays ? 1 : 0);
  }
}

/** How many are at least `least`. */
function countFrom(numbers: usize, count: u32, least: u32): u32 {
  let found: u32 = 0;
  for (let i: u32 = 0; i < count; i++) found += u32At(numbers, i) >= least ? 1 : 0;
  return found;
}
