/** Walks a table: which bytes may follow, and whether a text may end. The core's twin (assembly/grammar/) does the same. */
import { GrammarError } from "./errors.ts";
import { WITHOUT_END } from "./table.ts";

const LOOP = 2 ** 31;
const MOST = 4096;

/** The places in a grammar where a text may be: a state each, and what is to be done behind its rule. */
export class Matcher {
  readonly #table: Uint32Array;
  readonly #items: number;
  readonly #loops: number;
  /** Frames: where to go on, the frame below, how often a loop went round. */
  #frames: [number, number, number][] = [[0, 0, 0]];
  #places: [number, number][] = [];
  #ends = false;
  #visited: Set<number> = new Set();
  #fresh = 1;

  constructor(table: Uint8Array) {
    this.#table = new Uint32Array(table.buffer, table.byteOffset, table.length / 4);
    const states = this.#table[1];
    this.#items = 4 + states + 1;
    this.#loops = this.#items + 2 * this.#table[2];
    this.#add([[0, 0]]);
  }

  /** Whether the text may end here. */
  get ends(): boolean {
    return this.#ends;
  }

  /** Takes a byte; false where it is not allowed, and then nothing is. */
  step(byte: number): boolean {
    const next: [number, number][] = [];
    for (const [state, frame] of this.#places) {
      for (let i = this.#first(state); i < this.#first(state + 1); i++) {
        const word = this.#table[this.#items + 2 * i];
        if ((word & 255) !== 0 || ((word >> 8) & 255) > byte) break;
        if (((word >> 16) & 255) < byte) continue;
        next.push([this.#table[this.#items + 2 * i + 1], frame]);
        break;
      }
    }
    this.#places = [];
    this.#ends = false;
    this.#visited.clear();
    this.#fresh = this.#frames.length;
    this.#add(next);
    if (this.#frames.length > 100_000) this.#compact();
    return this.#places.length > 0 || this.#ends;
  }

  /** Whether each byte may follow. */
  allowed(): Uint8Array<ArrayBuffer> {
    const allowed = new Uint8Array(256);
    for (const [state] of this.#places) {
      for (let i = this.#first(state); i < this.#first(state + 1); i++) {
        const word = this.#table[this.#items + 2 * i];
        if ((word & 255) !== 0) break;
        allowed.fill(1, (word >> 8) & 255, ((word >> 16) & 255) + 1);
      }
    }
    return allowed;
  }

  #first(state: number): number {
    return this.#table[4 + state] & 0x7fffffff;
  }

  #push(to: number, below: number, count: number): number {
    for (let i = this.#fresh; i < this.#frames.length; i++) {
      const frame = this.#frames[i];
      if (frame[0] === to && frame[1] === below && frame[2] === count) return i;
    }
    return this.#frames.push([to, below, count]) - 1;
  }

  /** Adds places and all that are reached from them without a byte. */
  #add(list: [number, number][]): void {
    for (let top = list.pop(); top; top = list.pop()) {
      const [state, frame] = top;
      const key = state * 2 ** 28 + frame;
      if (this.#visited.has(key)) continue;
      this.#visited.add(key);
      if (this.#visited.size > MOST) throw new GrammarError("too many ways to go on at once", "ambiguity");
      let bytes = false;
      const end = this.#first(state + 1);
      for (let i = this.#first(state); i < end; i++) {
        const word = this.#table[this.#items + 2 * i];
        const to = this.#table[this.#items + 2 * i + 1];
        if ((word & 255) === 0) bytes = true;
        else if ((word & 255) === 1) list.push([word >>> 8, this.#isEnd(to) ? frame : this.#push(to, frame, 0)]);
        else this.#round(list, to, frame, 0);
      }
      if (bytes) this.#places.push([state, frame]);
      if (this.#table[4 + state] >>> 31 === 0) continue;
      if (frame === 0) {
        this.#ends = true;
        continue;
      }
      const [to, below, count] = this.#frames[frame];
      if (to < LOOP) list.push([to, below]);
      else this.#round(list, to - LOOP, below, count + 1);
    }
  }

  /** Where a loop may go on that went round so often. */
  #round(list: [number, number][], loop: number, below: number, count: number): void {
    const [state, low, high, to] = this.#table.subarray(this.#loops + 4 * loop, this.#loops + 4 * loop + 4);
    if (count > low && high === WITHOUT_END) count = low;
    if (count >= low) list.push([to, below]);
    if (count < high) list.push([state, this.#push(LOOP + loop, below, count)]);
  }

  /** A state that does nothing but end: who returns to it need not return. */
  #isEnd(state: number): boolean {
    return this.#table[4 + state] >>> 31 === 1 && this.#first(state) === this.#first(state + 1);
  }

  #compact(): void {
    const frames: [number, number, number][] = [[0, 0, 0]];
    const moved = new Map<number, number>([[0, 0]]);
    const move = (frame: number): number => {
      const path: number[] = [];
      for (; !moved.has(frame); frame = this.#frames[frame][1]) path.push(frame);
      for (let i = path.length - 1; i >= 0; i--) {
        const [to, below, count] = this.#frames[path[i]];
        moved.set(path[i], frames.push([to, moved.get(below)!, count]) - 1);
      }
      return moved.get(path[0] ?? frame)!;
    };
    this.#places = this.#places.map(([state, frame]) => [state, move(frame)]);
    this.#frames = frames;
  }
}
