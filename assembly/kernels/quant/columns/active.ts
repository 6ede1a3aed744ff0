/**
 * Lists of active columns: the neurons that are not zero, part after part. columns/multiply.ts takes a list through the
 * outputs at once.
 *
 *     part   ┌ unit │ which part │ dx │ Σ a │ sums │ pairs ┬ pair ┬ pair …      sums: 0, or what lies in memory of it
 *     pair   ┌ address of i │ address of j │ a[i], a[j] as i16 ┐                the one left over meets itself times 0
 *
 * Memory answers slowly: eight to twelve rows that it is asked for side by side come in the time of one, and so do the
 * beginnings of the rows of the next batch, asked for before this one is multiplied. More rows at once would want more
 * lines of the first cache than have a place there, since rows lie multiples of a kilobyte apart.
 */

export const PART_BYTES: usize = 24;
export const PAIR_BYTES: usize = 12;

/** A part of up to so many pairs shares a batch; one of more is a batch of its own, of at most so many pairs. */
const SHORT_PAIRS: u32 = 3;
export const MOST_PAIRS: u32 = 6;

/** A batch of so many bytes is complete: one part with all its pairs more is the longest list. */
export const BATCH_BYTES: usize = 96;
export const LIST_BYTES: usize = 320;

/** How much of each row memory is asked for ahead. */
export const ASKED_BYTES: usize = 384;

/**
 * Writes the list of a part, `codes` its first neuron, `bytes` apart: how many pairs it has. Neurons far from each
 * other come together: rows read at once should lie in different pages, where the machine's prefetching sees each.
 */
export function listActiveColumns(a: usize, count: u32, codes: usize, bytes: usize, list: usize): u32 {
  const begin = list;
  let active: u32 = 0;
  for (let k: u32 = 0; k < count; k += 8) {
    active |= i16x8.bitmask(i16x8.ne(v128.load(a + ((<usize>k) << 1)), i16x8.splat(0))) << k;
  }
  let waiting: u32 = 0; // the activation of a neuron without a partner; never zero
  for (let residue: u32 = 0; residue < 4; residue++) {
    for (let left = active & (0x1111_1111 << residue); left != 0; left &= left - 1) {
      const k = <usize>ctz(left);
      const value = <u32>load<u16>(a + (k << 1));
      if (waiting == 0) {
        store<usize>(list, codes + k * bytes);
        waiting = value;
      } else {
        store<usize>(list, codes + k * bytes, 4);
        store<u32>(list, waiting | (value << 16), 8);
        list += PAIR_BYTES;
        waiting = 0;
      }
    }
  }
  // One without a partner meets itself times zero; so does a part of zeros in a unit that has others.
  if (active == 0) store<usize>(list, codes);
  if (waiting != 0 || active == 0) {
    store<usize>(list, load<usize>(list), 4);
    store<u32>(list, waiting, 8);
    list += PAIR_BYTES;
  }
  return <u32>(list - begin) / <u32>PAIR_BYTES;
}

/** Whether the part at `entry` shares a batch: it has few pairs, and had from the beginning. */
@inline
export function isShort(entry: usize): bool {
  return load<usize>(entry, 16) == 0 && load<u32>(entry, 20) <= SHORT_PAIRS;
}

/** Asks memory for the beginning of a row: there is no prefetching in WebAssembly but reading. */
@inline
function askFor(p: usize): void {
  for (const end = p + ASKED_BYTES; p < end; p += 64) load<u32>(p);
}

/** Asks memory for the beginnings of all rows of the part at `entry`, scales and columns. */
export function askForPart(entry: usize, listEnd: usize, skipped: usize): void {
  askFor(load<usize>(entry) + skipped);
  for (let pair = entry + PART_BYTES; pair != listEnd; pair += PAIR_BYTES) {
    askFor(load<usize>(pair) + skipped);
    askFor(load<usize>(pair, 4) + skipped);
  }
}
