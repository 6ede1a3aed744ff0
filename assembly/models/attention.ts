/**
 * Grouped-query attention over key/value rows, as llama, qwen2 and qwen3 share it.
 *
 * May call: cache_rows.ts, runtime/pass.ts, kernels/attention.ts.
 */
import { Context } from "../runtime/context";
import { Status } from "../runtime/core";
import { keepWanted, rowOf, seenCount, seenRows } from "../runtime/pass";
import { attend as attendToken } from "../kernels/attention";
import { writeRows } from "./cache_rows";

/** Writes the keys and values of the active tokens; behind the last layer's, only the tokens asked for go on. */
export function keepKeyValue(c: Context): i32 {
  const m = c.model;
  writeRows(c, c.key, m.kvHeads * m.keySize, c.value, m.kvHeads * m.valueSize);
  if (c.layer == m.layers - 1) keepWanted(c, c.query, m.heads * m.keySize);
  return Status.DONE;
}

/** attended ← softmax(q kᵀ · scale) v, token by token, each over the rows that it sees. */
export function attend(c: Context): i32 {
  const m = c.model;
  const cache = c.cache;
  while (c.cursor < c.active) {
    const i = c.cursor;
    const count = seenCount(c, i);
    attendToken(
      rowOf(c.query, i, m.heads * m.keySize), seenRows(c, i), count, cache.pool(c.layer), cache.rowBytes, c.kvType,
      m.heads, m.kvHeads, m.keySize, m.valueSize, m.attentionScale, c.scratch,
      rowOf(c.attended, i, m.heads * m.valueSize), beginMass(c, count),
    );
    endMass(c, i, count);
    c.work -= <i64>(<u64>count * m.heads * (m.keySize + m.valueSize));
    c.cursor += 1;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  c.quantizedOf = 0;
  return Status.DONE;
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
  const rows = seenRows(c, activeIndex);
  const base = c.mass + (((<usize>c.layer) * c.cache.capacity) << 2);
  for (let i: u32 = 0; i < count; i++) {
    const at = base + ((<usize>load<u32>(rows + ((<usize>i) << 2))) << 2);
    store<f32>(at, load<f32>(at) + load<f32>(c.massScratch + ((<usize>i) << 2)));
  }
}
