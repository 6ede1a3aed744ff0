/**
 * What a worker does all its life: it waits for a job, helps with it, and waits again. It has its own instance of the
 * module on the shared memory, and no state but what lies there and on its stack. A job is the index of a function: the
 * worker's module is the same, so the index names the same function.
 */
import { Threads, help, nextEpoch, openJob } from "../pass/threads";

/** Serves as a thread until it is told to stop. */
export function serve(threads: Threads, thread: u32): void {
  let epoch: u32 = 0;
  while ((epoch = nextEpoch(threads, thread, epoch)) != 0) {
    const generation = openJob(threads, thread);
    if (generation != 0) help(threads, thread, generation);
  }
}
