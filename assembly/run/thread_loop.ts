/**
 * What a worker does all its life: it waits for a job, helps with it, and waits again. It has its own instance of the
 * module on the shared memory, and no state but what lies there and on its stack.
 */
import { HeadAttended, HeadsAbsorbed, HeadsOfValues, LatentTokensAttended, RowsExpanded } from "../ops/latent";
import { TokensAttended } from "../ops/attention";
import { RowsGathered, RowsHashed } from "../ops/lookup";
import { RowsBeside, RowsGated, RowsNormalized, RowsOfProduct, RowsQuantized } from "../ops/pass";
import { Job, Pool, help, nextEpoch, openJob } from "../pass/threads";

/** Serves as thread `slot` of a pool until it is told to stop. */
export function serve(pool: Pool, slot: u32): void {
  let epoch: u32 = 0;
  while ((epoch = nextEpoch(pool, slot, epoch)) != 0) {
    const generation = openJob(pool, slot);
    if (generation != 0) helpWith(pool, slot, generation);
  }
}

/** The kind was true if a slice is taken of the same generation, and is of no use if none is. */
function helpWith(pool: Pool, slot: u32, generation: u32): void {
  switch (pool.kind) {
    case Job.MULTIPLY: return help<RowsOfProduct>(pool, slot, generation);
    case Job.QUANTIZE: return help<RowsQuantized>(pool, slot, generation);
    case Job.ATTEND: return help<TokensAttended>(pool, slot, generation);
    case Job.ATTEND_LATENT: return help<LatentTokensAttended>(pool, slot, generation);
    case Job.ABSORB: return help<HeadsAbsorbed>(pool, slot, generation);
    case Job.EXPAND: return help<HeadsOfValues>(pool, slot, generation);
    case Job.EXPAND_HEAD: return help<RowsExpanded>(pool, slot, generation);
    case Job.ATTEND_HEAD: return help<HeadAttended>(pool, slot, generation);
    case Job.HASH: return help<RowsHashed>(pool, slot, generation);
    case Job.GATHER: return help<RowsGathered>(pool, slot, generation);
    case Job.MULTIPLY_BESIDE: return help<RowsBeside>(pool, slot, generation);
    case Job.NORMALIZE: return help<RowsNormalized>(pool, slot, generation);
    case Job.GATE: return help<RowsGated>(pool, slot, generation);
  }
}
