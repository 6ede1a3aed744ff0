/**
 * Whether threads pay, found out by real work: the times of whole layers, which all do the same. Now and then, and when
 * threads have become slower than they were, a trial does some of them the other way in between:
 *
 *     as now ─► the other way ─► as now ─► the faster way from here on, until the next trial
 *
 * Times that say nothing are left out: those of layers while the threads wake, which takes a system some milliseconds.
 */

/**
 * Milliseconds of layers done as now on either side of a trial's middle, which is twice as long. A trial whose result is
 * not clear makes the next one twice as long, up to the longest: on a busy machine threads run and wait in turns of
 * several milliseconds.
 */
const SIDE_MS = 10;
const LONGEST_SIDE_MS = 80;
const CLEAR = 0.85;
/**
 * Of computing from a trial to the next: soon after one that changed something (an engine that still compiles takes the
 * second processor, too), then twice as long each time up to the longest; and at least so many times as long as the
 * middle took.
 */
const SOON_MS = 250;
const LONGEST_MS = 2000;
const REST_TIMES = 20;
/** Sooner, after so many times the middle, when layers of all threads take so many times as long as in the trial. */
const ALARM_TIMES = 5;
const SLOWER = 1.3;
/** How long threads take to wake and to spread over the processors, and a layer so long that this does not show. */
const WAKE_MS = 20;
const LONG_MS = 100;
/** Who works alone needs a gain to change, so that noise does not turn it to and fro. */
const GAIN = 0.9;

export class Pays {
  /** Whether they do, by the last trial. Before the first one: yes. */
  pays = true;
  /** Whether the next layer is for all threads, or for one alone. */
  together = true;
  /** 0: no trial. 1 to 3: in its first side, its middle, its other side. */
  #phase = 1;
  #phaseMs = 0;
  /** Milliseconds and layers of a trial, as now and the other way. */
  #nowMs = 0;
  #nowLayers = 0;
  #otherMs = 0;
  #otherLayers = 0;
  /** Milliseconds of layers since the last trial: time in which nothing is computed does not bring the next one. */
  #restedMs = 0;
  #restMs = SOON_MS;
  #sideMs = SIDE_MS;
  #tokens = 0;
  #switched = Number.NEGATIVE_INFINITY;
  /** A layer in the last trial, and since. */
  #usual = Number.POSITIVE_INFINITY;
  #sinceMs = 0;
  #sinceLayers = 0;

  /** A layer of `tokens` tokens has taken `ms`, up to now, the way that `together` says. True: a trial has ended. */
  add(ms: number, tokens: number, now: number): boolean {
    if (tokens !== this.#tokens) {
      this.#tokens = tokens;
      this.#usual = Number.POSITIVE_INFINITY;
      if (this.#phase) this.#begin(now);
    }
    if (this.together && ms < LONG_MS && now - ms - this.#switched < WAKE_MS) return false;
    if (!this.#phase) {
      this.#watch(ms, now);
      return false;
    }
    this.#phaseMs += ms;
    if (this.#phase === 2) {
      this.#otherMs += ms;
      this.#otherLayers++;
    } else {
      this.#nowMs += ms;
      this.#nowLayers++;
    }
    if (this.#phaseMs < (this.#phase === 2 ? 2 * this.#sideMs : this.#sideMs)) return false;
    this.#phaseMs = 0;
    if (this.#phase === 3) {
      this.#end(now);
      return true;
    }
    this.#phase++;
    this.#turn(this.#phase === 2 ? !this.pays : this.pays, now);
    return false;
  }

  #watch(ms: number, now: number): void {
    this.#sinceMs += ms;
    this.#sinceLayers++;
    this.#restedMs += ms;
    let due = this.#restedMs > Math.max(this.#restMs, REST_TIMES * this.#otherMs);
    if (this.#sinceMs >= 2 * SIDE_MS) {
      const slower = this.pays && this.#sinceMs > SLOWER * this.#usual * this.#sinceLayers;
      due ||= slower && this.#restedMs > ALARM_TIMES * this.#otherMs;
      this.#sinceMs = 0;
      this.#sinceLayers = 0;
    }
    if (due) this.#begin(now);
  }

  #begin(now: number): void {
    this.#phase = 1;
    this.#phaseMs = this.#nowMs = this.#nowLayers = this.#otherMs = this.#otherLayers = 0;
    this.#turn(this.pays, now);
  }

  #end(now: number): void {
    const asNow = this.#nowMs / this.#nowLayers;
    const other = this.#otherMs / this.#otherLayers;
    const change = other < (this.pays ? 1 : GAIN) * asNow;
    const clear = Math.min(asNow, other) < CLEAR * Math.max(asNow, other);
    this.#sideMs = clear ? SIDE_MS : Math.min(2 * this.#sideMs, LONGEST_SIDE_MS);
    if (change) this.pays = !this.pays;
    this.#restMs = change ? SOON_MS : Math.min(2 * this.#restMs, LONGEST_MS);
    this.#usual = change ? other : asNow;
    this.#phase = this.#restedMs = this.#sinceMs = this.#sinceLayers = 0;
    this.#turn(this.pays, now);
  }

  #turn(together: boolean, now: number): void {
    if (together && !this.together) this.#switched = now;
    this.together = together;
  }
}
