/**
 * The machine: its name, whether it is idle, and how much of it others took while something was measured. What the system
 * does not tell (anywhere but on Linux) is null.
 */
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem, type } from "node:os";

const TICKS_PER_SECOND = 100; // of /proc, on every Linux that Node runs on
const SAMPLE_MS = 250;
/** Up to this share of one core is an idle machine. */
const IDLE_SHARE = 0.15;

export function describeMachine() {
  const processors = cpus();
  const memory = `${(totalmem() / 2 ** 30).toFixed(0)} GB`;
  return { processor: processors[0].model.trim(), cores: processors.length, memory, system: `${type()} ${release()}` };
}

export function loadAverage() {
  return loadavg()[0];
}

/** Seconds of processor time that all processes, and the hosts of a virtual machine's neighbours, took since start-up. */
function busySeconds() {
  try {
    const [user, nice, system, , , irq, soft, steal] = readFileSync("/proc/stat", "utf8")
      .slice(4)
      .trim()
      .split(/\s+/)
      .map(Number);
    return { busy: (user + nice + system + irq + soft) / TICKS_PER_SECOND, stolen: steal / TICKS_PER_SECOND };
  } catch {
    return null;
  }
}

/** Parent and processor seconds of each process. @returns {Map<number, { parent: number, seconds: number }>} */
function processes() {
  const found = new Map();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
      found.set(Number(name), { parent: Number(fields[1]), seconds });
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** Watches who uses the machine, until `stop`: seconds of this process with all its children, and of all others. */
export class Watch {
  #before = busySeconds();
  #started = performance.now();
  /** @type {Map<number, { first: number, last: number }>} */
  #own = new Map();
  #timer = setInterval(() => this.#look(), SAMPLE_MS);

  constructor() {
    this.#look(true);
    this.#timer.unref();
  }

  #look(first = false) {
    if (!this.#before) return;
    const all = processes();
    for (const [id, { seconds }] of all) {
      let at = id;
      while (at > 1 && at !== process.pid) at = all.get(at)?.parent ?? 0;
      if (at !== process.pid) continue;
      const known = this.#own.get(id);
      if (known) known.last = seconds;
      else this.#own.set(id, { first: first ? seconds : 0, last: seconds });
    }
  }

  /** @returns {{ foreign: number | null, stolen: number | null, load: number }} foreign: of one core, on average */
  stop() {
    clearInterval(this.#timer);
    this.#look();
    const after = busySeconds();
    const wall = (performance.now() - this.#started) / 1000;
    if (!this.#before || !after) return { foreign: null, stolen: null, load: loadAverage() };
    let own = 0;
    for (const { first, last } of this.#own.values()) own += last - first;
    const foreign = Math.max(0, after.busy - this.#before.busy - own) / wall;
    return { foreign, stolen: (after.stolen - this.#before.stolen) / wall, load: loadAverage() };
  }
}

/** Waits until others leave the machine alone for two seconds, or the time is over. @param {number} seconds */
export async function waitForIdle(seconds) {
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const before = busySeconds();
    if (!before) return;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const after = busySeconds();
    if (after && after.busy - before.busy + after.stolen - before.stolen < 2 * IDLE_SHARE) return;
  }
}

/** The most memory that a process has had, in bytes. @param {number} id */
export function peakMemory(id) {
  try {
    const line = readFileSync(`/proc/${id}/status`, "utf8").match(/^VmHWM:\s+(\d+) kB$/m);
    return line ? Number(line[1]) * 1024 : null;
  } catch {
    return null;
  }
}
