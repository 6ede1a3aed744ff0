/** Sets of code points: [first, last, first, last, …], in rising order, none touching the next. */
export type Ranges = readonly number[];

export const LAST = 0x10ffff;
export const ALL: Ranges = [0, LAST];

/** The set of these pairs, in whatever order they come. */
export function rangesOf(pairs: readonly (readonly [number, number])[]): Ranges {
  const sorted = [...pairs].sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [first, last] of sorted) {
    if (out.length > 0 && first <= out[out.length - 1] + 1) {
      out[out.length - 1] = Math.max(out[out.length - 1], last);
    } else out.push(first, last);
  }
  return out;
}

export function pairsOf(set: Ranges): [number, number][] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < set.length; i += 2) pairs.push([set[i], set[i + 1]]);
  return pairs;
}

export function union(...sets: Ranges[]): Ranges {
  return rangesOf(sets.flatMap(pairsOf));
}

export function complement(set: Ranges): Ranges {
  const out: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i] > next) out.push(next, set[i] - 1);
    next = set[i + 1] + 1;
  }
  if (next <= LAST) out.push(next, LAST);
  return out;
}

export function intersection(a: Ranges, b: Ranges): Ranges {
  const out: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const first = Math.max(a[i], b[j]);
    const last = Math.min(a[i + 1], b[j + 1]);
    if (first <= last) out.push(first, last);
    if (a[i + 1] < b[j + 1]) i += 2;
    else j += 2;
  }
  return out;
}

export function contains(set: Ranges, point: number): boolean {
  for (let i = 0; i < set.length; i += 2) if (point >= set[i] && point <= set[i + 1]) return true;
  return false;
}
