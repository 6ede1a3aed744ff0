/**
 * Embedding: the rows of a matrix that the batch's tokens name, out of the packed form or out of the file.
 */
import { addRows } from "./adapters";
import { Status } from "../memory/core";
import { u32At } from "../memory/bytes";
import { HAS_ADAPTERS, HAS_ATTENTION_WITHIN } from "../parts";
import { Context, rowAt } from "../pass/context";
import { textBegin } from "../pass/texts";
import { Flag, Step } from "../program/program";
import { fetchRows, foundAt } from "../weights/table_rows";
import { Weight, WeightState } from "../weights/weight";
import { dequantizeRow } from "../kernels/quant/index";
import { lookupRow } from "../kernels/quant/matmul";

/** out ← the rows of a matrix that the batch's tokens, or their positions, name. */
export function embed(c: Context, s: Step): i32 {
  const status = lookUpRows(c, s, c.weight(s.weight));
  const isByToken = !s.has(Flag.BY_POSITION) && !s.has(Flag.BY_PART);
  if (HAS_ADAPTERS && status == Status.DONE && c.adapterSets != 0 && isByToken) addRows(c, s);
  return status;
}

function lookUpRows(c: Context, s: Step, weight: Weight): i32 {
  if (weight.state == WeightState.STREAMED) return embedStreamed(c, s, weight);
  for (let i: u32 = 0; i < c.active; i++) {
    const token = c.token(i);
    const id = s.has(Flag.BY_POSITION)
      ? <u32>c.position(token)
      : HAS_ATTENTION_WITHIN && s.has(Flag.BY_PART)
        ? partOf(c, i, s.n0, s.n1)
        : u32At(c.ids, token);
    lookupRow(weight.type, weight.data, id, weight.columns, rowAt(c.at(s.out), i, c.stride(s.out)), c.scratch);
  }
  return Status.DONE;
}

/** Before the first layer all tokens are in the pass, in their own order. */
function embedStreamed(c: Context, s: Step, weight: Weight): i32 {
  const r = c.requests;
  r.setTable(0, weight);
  while (c.cursor < c.active) {
    const tokens = min(c.active - c.cursor, weight.tokensOfTile(1, c.batchCapacity));
    const status = fetchRows(c.program.weights, r, 1, c.ids + ((<usize>c.cursor) << 2), tokens);
    if (status != Status.DONE) return status;
    for (let t: u32 = 0; t < tokens; t++) {
      dequantizeRow(weight.type, foundAt(r, t), rowAt(c.at(s.out), c.cursor + t, c.stride(s.out)), weight.columns);
    }
    c.cursor += tokens;
  }
  return Status.DONE;
}

/** The part of its text that active token `i` stands in, of `parts`: 1 behind the first `separator`. */
function partOf(c: Context, i: u32, parts: u32, separator: u32): u32 {
  if (parts < 2) return 0;
  for (let j = textBegin(c, i); j < i; j++) if (u32At(c.ids, c.token(j)) == separator) return 1;
  return 0;
}
