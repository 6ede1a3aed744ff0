/**
 * Grouped-query attention over key/value rows, as llama, qwen2 and qwen3 share it.
 */
import { Context } from "../pass/context";
import { Status } from "../memory/core";
import { keepWanted, rowOf, seenCount, seenRows } from "./pass";
import { Job, grainOf, share, threadsOf } from "../pass/threads";
import { attendHeads } from "../kernels/attention/grouped";
import { writeKeyValues } from "../state/cache_rows";

/** Writes the keys and values of the active tokens; behind the last layer's, only the tokens asked for go on. */
export function keepKeyValue(c: Context): i32 {
  const m = c.model;
  writeKeyValues(c);
  if (c.layer == m.layers - 1) keepWanted(c, c.query, m.heads * m.keySize);
  return Status.DONE;
}

/** attended ← softmax(q kᵀ · scale) v, token by token, each over the rows that it sees. */
export function attend(c: Context): i32 {
  const m = c.model;
  const cost = <u64>m.heads * (m.keySize + m.valueSize);
  while (c.cursor < c.active) {
    const tokens = tokensWithinWork(c, cost);
    if (!shareTokens<TokensAttended>(c, tokens, m.kvHeads, cost)) return Status.MORE;
    c.cursor += tokens;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  c.quantizedOf = 0;
  return Status.DONE;
}

/** Tokens, or where they are few parts of their heads: unit u is part u mod `jobParts` of token u / `jobParts`. */
@unmanaged
export class TokensAttended {
  @inline
  get kind(): u32 {
    return Job.ATTEND;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    const cache = c.cache;
    const parts = c.jobParts;
    for (let unit = begin; unit < end; unit++) {
      const i = c.jobFrom + unit / parts;
      const part = unit % parts;
      const count = seenCount(c, i, slot);
      attendHeads(
        rowOf(c.query, i, m.heads * m.keySize), seenRows(c, i, slot), count,
        cache.pool(c.layer), cache.rowBytes, c.kvType,
        m.heads, m.kvHeads, m.keySize, m.valueSize, m.attentionScale, c.ofSlot(c.scratch, slot),
        rowOf(c.attended, i, m.heads * m.valueSize), beginMass(c, count),
        (m.kvHeads * part) / parts, (m.kvHeads * (part + 1)) / parts,
      );
      endMass(c, i, count);
    }
  }
}

/**
 * How many of the tokens left may attend now, a row that a token sees being `cost` multiply-adds; charged to `work`.
 */
export function tokensWithinWork(c: Context, cost: u64): u32 {
  let tokens: u32 = 0;
  do {
    // The list is at most a chunk longer than what the token sees.
    const rows = c.cache.list(c.sequence(c.token(c.cursor + tokens)), c.layer).count;
    c.work -= <i64>(cost * rows);
    tokens += 1;
  } while (c.work > 0 && c.cursor + tokens < c.active);
  return tokens;
}

/**
 * Shares the next `tokens` tokens among the threads: whole, or in as many parts of their `heads` as there are threads
 * when there are too few. The mass is one buffer, so whoever asks for it has it made by the main thread alone.
 */
export function shareTokens<P>(c: Context, tokens: u32, heads: u32, cost: u64): bool {
  const threads = c.mass ? 1 : threadsOf(c.pool);
  const rows = c.cache.list(c.sequence(c.token(c.cursor)), c.layer).count;
  const perToken = cost * rows;
  c.jobFrom = c.cursor;
  const parts = tokens < 2 * threads ? min(threads, heads) : 1;
  const grain = grainOf(c.pool, tokens * parts, perToken / parts);
  const shared = threads > 1 && grain < tokens * parts;
  c.jobParts = shared ? parts : 1;
  return share<P>(c.pool, changetype<usize>(c), tokens * c.jobParts, shared ? grain : tokens);
}

/** Where the kernel adds attention mass row by row, or 0 when nobody asked. */
export function beginMass(c: Context, count: u32): usize {
  if (!c.mass) return 0;
  memory.fill(c.massScratch, 0, (<usize>count) << 2);
  return c.massScratch;
}

/** Adds what the token attended to, to the rows of the pool. */
export function endMass(c: Context, activeIndex: u32, count: u32): void {
  if (!c.mass) return;
  const rows = seenRows(c, activeIndex, 0);
  const base = c.mass + (((<usize>c.layer) * c.cache.capacity) << 2);
  for (let i: u32 = 0; i < count; i++) {
    const at = base + ((<usize>load<u32>(rows + ((<usize>i) << 2))) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(c.massScratch + ((<usize>i) << 2)));
  }
}
