/**
 * The search for an architecture: the registry (models/registry.ts) shows it one after the other, and it keeps the one
 * that is wanted, or says their names.
 */
import { letterAt, sameText } from "../memory/bytes";
import { Core, say } from "../memory/core";

/** What a search does with the architectures it is shown. */
export namespace Want {
  /** Keep the one of a name. */
  export const ONE: u32 = 0;
  /** Say the names of all, a comma between them. */
  export const NAMES: u32 = 1;
  /** Say the names of those that this build holds. */
  export const HELD: u32 = 2;
}

@unmanaged
export class Search {
  core: Core;
  name: usize;
  length: u32;
  want: u32;
  /** How many names were said. */
  said: u32;
  /** 1: limpet knows the name. */
  isKnown: u32;
  /** Index of the function that writes its program; 0: this build has none. */
  function: u32;
  /** The name that begins like the wanted one for longest, an address; and for how many letters. */
  nearest: usize;
  shared: u32;

  /** An architecture, and the index of its function, 0 where this build leaves it out. */
  show(words: string, index: u32): void {
    if (this.want == Want.ONE) {
      if (!sameText(this.name, this.length, words)) return;
      this.isKnown = 1;
      this.function = index;
    } else if (this.want == Want.NAMES) {
      if (this.said++) say(this.core, ", ");
      say(this.core, words);
      this.compare(words);
    } else if (index) {
      say(this.core, " ");
      say(this.core, words);
    }
  }

  private compare(words: string): void {
    let shared: u32 = 0;
    for (let letter = letterAt(words, 0); letter != 0 && shared < this.length; letter = letterAt(words, ++shared)) {
      if (letter != load<u8>(this.name + shared)) break;
    }
    if (shared <= this.shared) return;
    this.shared = shared;
    this.nearest = changetype<usize>(words);
  }
}
