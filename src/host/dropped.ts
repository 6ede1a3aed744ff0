/**
 * What nobody holds any more is given back as if it had been disposed of: some time after the host has noticed. Hosts
 * without FinalizationRegistry leave it to `dispose`.
 */

/** Gives back what belongs to things that were dropped. `free` must not lead back to the thing. */
export class Dropped<Held> {
  readonly #registry: FinalizationRegistry<Held> | null;

  constructor(free: (held: Held) => void) {
    this.#registry = typeof FinalizationRegistry === "function" ? new FinalizationRegistry(free) : null;
  }

  /** `held` is given back when nobody holds `thing`. */
  watch(thing: WeakKey, held: Held): void {
    this.#registry?.register(thing, held, thing);
  }

  /** The thing was given back by its owner. */
  forget(thing: WeakKey): void {
    this.#registry?.unregister(thing);
  }
}
