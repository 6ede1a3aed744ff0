/** What a store of prefixes is, wherever it lies: names, and which go first. */

export const FOLDER = "prefixes";
export const ENDING = ".session";

/** Saved sessions by their names. */
export interface PrefixStore {
  read(name: string): Promise<Uint8Array<ArrayBuffer> | null>;
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** One that lies there. */
export interface Kept {
  readonly name: string;
  readonly bytes: number;
  readonly used: number;
}

/** Those that were used longest ago, until the others are within the budget. */
export function surplus(all: readonly Kept[], budget: number): Kept[] {
  const oldest = all.toSorted((a, b) => a.used - b.used);
  let sum = all.reduce((bytes, kept) => bytes + kept.bytes, 0);
  return oldest.filter((kept) => {
    if (sum <= budget) return false;
    sum -= kept.bytes;
    return true;
  });
}
