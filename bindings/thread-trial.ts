/**
 * Whether threads pay, found out by real work: the times of whole layers, which all do the same. Now and then a trial
 * does some of them the other way:
 *
 *     together ─► together, timed ─► alone, timed ─► the faster way
 *        │                                             ▲
 *        └── layers take longer than one alone took ───┘ at once: another process wants the processor
 *
 *     alone ─► alone, timed ─► together, timed: some ─► no gain: alone
 *                                               └─► a gain: some more ─► the faster way
 *
 * What trials have cost is paid back by work without any, so that they cost a fiftieth at most. Times that say nothing
 * are left out: those of layers while the threads wake, which takes a system some milliseconds.
 */

/** Milliseconds timed as now, which cost nothing; of the other way; and of that where some are not enough to say. */
const SIDE_MS = 40;
const SHORT_MS = 20;
const LONG_MS = 80;
/** The other way so much faster is clear after a short time; who works alone needs so much of a gain to change. */
const CLEAR = 0.85;
const GAIN = 0.9;
/**
 * Of computing from a trial to the next: soon after one that changed something (an engine that still compiles takes the
 * second processor, too), then so many times as long each time, up to the longest; and long where threads clearly pay.
 */
const SOON_MS = 50;
const LATER = 3;
const LONGEST_MS = 4000;
const CALM_MS = 8000;
/** A millisecond lost by trials is paid back by so many of computing; and so many may be lost before. */
const PAID_BACK = 50;
const CREDIT_MS = 100;
/** All threads give up at once where layers of so many milliseconds took so many times as long as alone. */
const WINDOW_MS = 40;
const SLOWER = 1.15;
/** How long threads take to wake and to spread over the processors, and a layer so long that this does not show. */
const WAKE_MS = 20;
const UNSHAKEN_MS = 100;

export class ThreadTrial {
  /** Whether they do, as far as is known. At first: yes. */
  pays = true;
  /** Whether the next layer is for all threads, or for one alone. */
  together = true;
  #phase: "rest" | "as now" | "other" = "rest";
  /** Milliseconds and layers of this phase. */
  #ms = 0;
  #layers = 0;
  /** A layer as now, as timed in the last trial, and one alone. */
  #usual = Number.POSITIVE_INFINITY;
  #alone = Number.POSITIVE_INFINITY;
  /** Milliseconds of layers since the last trial: time in which nothing is computed does not bring the next one. */
  #restedMs = 0;
  #restMs = SOON_MS;
  /** The same since the last change, and how long to rest after one: longer where they follow each other. */
  #turnedMs = LONGEST_MS;
  #soonMs = SOON_MS;
  /** What trials have cost and is not paid back yet; below zero: what they may cost. */
  #lostMs = -CREDIT_MS;
  #tokens = 0;
  /** Since when layers are done together. */
  #since = Number.NEGATIVE_INFINITY;

  /**
   * A layer of `tokens` tokens has taken `ms`, up to now, the way that `together` says; without a pause since `awake`.
   * True: a trial has ended, and changed nothing.
   */
  add(ms: number, tokens: number, now: number, awake: number): boolean {
    if (tokens !== this.#tokens) {
      if (this.#phase === "other") this.#lose(this.#ms, this.#layers, this.#usual);
      // What is known of other sizes is true enough to give up by, not for a trial.
      this.#usual *= tokens / this.#tokens;
      this.#alone *= tokens / this.#tokens;
      this.#tokens = tokens;
      this.#go(this.#phase === "rest" ? "rest" : "as now", this.pays, now);
    }
    this.#restedMs += ms;
    this.#turnedMs += ms;
    this.#lostMs = Math.max(this.#lostMs - ms / PAID_BACK, -CREDIT_MS);
    if (this.together && ms < UNSHAKEN_MS && now - ms < Math.max(this.#since, awake) + WAKE_MS) {
      this.#lose(ms, 1, this.#usual);
      return false;
    }
    this.#ms += ms;
    this.#layers++;
    if (this.#phase === "other") return this.#compare(now);
    if (this.#phase === "as now") {
      if (this.#ms >= SIDE_MS) this.#try(now);
    } else this.#watch(now);
    return false;
  }

  /** Between trials. */
  #watch(now: number): void {
    if (this.#ms >= WINDOW_MS) {
      if (this.pays && this.#ms > SLOWER * this.#alone * this.#layers) {
        this.#lose(this.#ms, this.#layers, this.#alone);
        this.#turn(now);
        return;
      }
      this.#ms = this.#layers = 0;
    }
    if (this.#restedMs > this.#restMs && this.#lostMs <= 0) this.#go("as now", this.pays, now);
  }

  #try(now: number): void {
    this.#usual = this.#ms / this.#layers;
    this.#go("other", !this.pays, now);
  }

  /** While the other way is tried: whether that is enough, and what follows. */
  #compare(now: number): boolean {
    const other = this.#ms / this.#layers;
    const change = other < (this.pays ? 1 : GAIN) * this.#usual;
    const enough = change && !(this.pays && other < CLEAR * this.#usual) ? LONG_MS : SHORT_MS;
    if (this.#ms < enough) return false;
    this.#lose(this.#ms, this.#layers, this.#usual);
    this.#alone = this.pays ? other : this.#usual;
    if (change) {
      this.#usual = other;
      this.#turn(now);
    } else {
      const calm = this.pays && this.#usual < CLEAR * other;
      this.#rest(calm ? CALM_MS : Math.min(LATER * this.#restMs, LONGEST_MS), now);
    }
    return !change;
  }

  #turn(now: number): void {
    this.pays = !this.pays;
    this.#soonMs = this.#turnedMs < LONGEST_MS ? Math.min(LATER * this.#soonMs, LONGEST_MS) : SOON_MS;
    this.#turnedMs = 0;
    this.#rest(this.#soonMs, now);
  }

  #rest(ms: number, now: number): void {
    this.#restMs = ms;
    this.#restedMs = 0;
    this.#go("rest", this.pays, now);
  }

  #go(phase: "rest" | "as now" | "other", together: boolean, now: number): void {
    this.#phase = phase;
    this.#ms = this.#layers = 0;
    if (together && !this.together) this.#since = now;
    this.together = together;
  }

  /** Layers have taken `ms` instead of `usual` milliseconds each. */
  #lose(ms: number, layers: number, usual: number): void {
    if (ms > layers * usual) this.#lostMs += ms - layers * usual;
  }
}
