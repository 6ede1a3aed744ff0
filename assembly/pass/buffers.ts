/**
 * The buffers of a context: which there are, how large each is for an architecture, and where they lie.
 *
 *     │ ids │ sequenceOf │ … │ sureness │ visible │ queryRope │ scratch │ visible │ queryRope │ scratch │ …
 *     └──────────── one of each ──────────┘└────── the main thread's ──────┘└── another thread's ──┘
 */
import { Context } from "./context";
import { Global, Model, Slot } from "../engine/model";
import { slotsOf } from "./threads";
import { REQUEST_BYTES } from "../weights/requests";
import { tokensAtOnce } from "../weights/tables";
import { GROUP_ROWS, TABLES_OF_HASH, Weight, WeightState } from "../weights/weight";
import { OperandForm, formBytes, mostFormBytes } from "../kernels/quant/activations/precision";
import { attendScratchBytes } from "../kernels/attention/grouped";
import { absorbedScratchBytes, expandedScratchBytes } from "../kernels/attention/latent";
import { accumulateScratchBytes, matmulScratchBytes } from "../kernels/quant/matmul";
import { packedGroupBytes } from "../kernels/quant/index";
import { neuronScratchBytes } from "../kernels/quant/columns/columns";
import { Type, rowBytes } from "../kernels/quant/types";

/** The buffers by number, in the order of their fields. */
namespace Buffer {
  export const IDS: u32 = 0;
  export const SEQUENCE_OF: u32 = 1;
  export const POSITIONS: u32 = 2;
  export const WANTED: u32 = 3;
  export const MASK: u32 = 4;
  export const ACTIVE_TOKEN: u32 = 5;
  export const LIST_INDEX: u32 = 6;
  export const MARKS: u32 = 7;
  export const HIDDEN: u32 = 8;
  export const NORMED: u32 = 9;
  export const PROJECTED: u32 = 10;
  export const QUERY: u32 = 11;
  export const KEY: u32 = 12;
  export const VALUE: u32 = 13;
  export const ATTENDED: u32 = 14;
  export const GATE: u32 = 15;
  export const UP: u32 = 16;
  export const QUERY_LATENT: u32 = 17;
  export const ATTENDED_LATENT: u32 = 18;
  export const ANGLES: u32 = 19;
  export const ROW: u32 = 20;
  export const QUANTIZED: u32 = 21;
  export const COUNTS: u32 = 22;
  export const LATENTS: u32 = 23;
  export const ROPE_KEYS: u32 = 24;
  export const EXPANDED_HEAD: u32 = 25;
  export const LOGITS: u32 = 26;
  export const ZEROS: u32 = 27;
  export const ACTIVATIONS: u32 = 28;
  export const MASS_SCRATCH: u32 = 29;
  export const TILE: u32 = 30;
  export const PACKED_TILE: u32 = 31;
  export const REQUESTS: u32 = 32;
  export const ROWS_FOUND: u32 = 33;
  export const CODES: u32 = 34;
  export const SURENESS: u32 = 35;
  export const VISIBLE: u32 = 36;
  export const QUERY_ROPE: u32 = 37;
  export const SCRATCH: u32 = 38;
  export const COUNT: u32 = 39;
}

/**
 * Lays the buffers out one after the other from `base`, each at a 64-byte boundary, and gives the bytes they take;
 * those from VISIBLE on once a thread. With no context it only counts: so the memory plan and the memory are the same
 * function.
 */
export function layOut(
  c: Context, model: Model, base: usize, rows: u32, batch: u32, logitRows: u32, sequences: u32,
): u64 {
  let end: u64 = 0;
  let slot: u64 = 0;
  for (let buffer: u32 = 0; buffer < Buffer.COUNT; buffer++) {
    if (buffer == Buffer.VISIBLE) slot = end;
    const field = changetype<usize>(c) + offsetof<Context>("ids") + <usize>buffer * sizeof<usize>();
    if (changetype<usize>(c) != 0) store<usize>(field, base + <usize>end);
    end += (bufferBytes(buffer, model, rows, batch, logitRows, sequences) + 63) & ~(<u64>63);
  }
  if (changetype<usize>(c) != 0) c.slotBytes = <usize>(end - slot);
  return end + (end - slot) * (slotsOf(model.core) - 1);
}

/** Bytes of one buffer; 0 where the architecture has no use for it. */
function bufferBytes(buffer: u32, m: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32): u64 {
  const token = <u64>batch * 4;
  const row = <u64>rows * 4;
  const latent = m.rank != 0;
  switch (buffer) {
    case Buffer.IDS:
    case Buffer.SEQUENCE_OF:
    case Buffer.POSITIONS:
    case Buffer.ACTIVE_TOKEN:
    case Buffer.LIST_INDEX: return token;
    case Buffer.WANTED: return batch;
    case Buffer.MASK: return <u64>batch * ((batch + 7) >> 3);
    case Buffer.MARKS: return <u64>sequences * m.layers * 4;
    case Buffer.VISIBLE: return row;
    case Buffer.HIDDEN:
    case Buffer.NORMED:
    case Buffer.PROJECTED: return token * m.hidden;
    case Buffer.QUERY: return token * (m.heads * m.keySize);
    case Buffer.KEY: return token * (latent ? m.rank + m.ropeSize : m.kvHeads * m.keySize);
    case Buffer.VALUE: return latent ? 0 : token * (m.kvHeads * m.valueSize);
    case Buffer.ATTENDED: return token * (m.heads * m.valueSize);
    case Buffer.GATE: return m.at(0, Slot.FFN_GATE).present ? token * m.ffn : 0;
    case Buffer.UP: return token * m.ffn;
    case Buffer.QUERY_LATENT:
    case Buffer.ATTENDED_LATENT: return latent ? token * (m.heads * m.rank) : 0;
    case Buffer.QUERY_ROPE: return latent ? <u64>(m.heads * m.ropeSize) * 4 : 0;
    case Buffer.ANGLES: return token * m.ropeSize;
    case Buffer.ROW: return <u64>m.rowValues * 4;
    case Buffer.QUANTIZED: return quantizedBytes(m, rows, batch);
    case Buffer.COUNTS: return latent ? token : 0;
    case Buffer.LATENTS: return latent ? row * m.rank : 0;
    case Buffer.ROPE_KEYS: return latent ? row * m.ropeSize : 0;
    case Buffer.EXPANDED_HEAD: return latent ? row * (m.keySize - m.ropeSize + m.valueSize) : 0;
    case Buffer.SCRATCH: return scratchBytes(m, rows, batch);
    case Buffer.TILE: return tileBytes(m, batch);
    case Buffer.PACKED_TILE: return packedTileBytes(m);
    case Buffer.REQUESTS: return <u64>mostRows(m, batch) * REQUEST_BYTES;
    case Buffer.ROWS_FOUND: return <u64>max(mostRows(m, batch), rowsOfLayer(m, batch)) * sizeof<usize>();
    case Buffer.CODES:
    case Buffer.SURENESS: return token * m.chunks;
    case Buffer.LOGITS: return <u64>logitRows * m.vocabulary * 4;
    case Buffer.ZEROS:
    case Buffer.ACTIVATIONS: return <u64>m.layers * 8;
    default: return row; // MASS_SCRATCH
  }
}

/** Quantised rows of the widest operand: of a token, or in MLA of a token's heads and of every row that is expanded. */
function quantizedBytes(m: Model, rows: u32, batch: u32): u64 {
  const widest = max(max(m.hidden, m.ffn), m.heads * m.valueSize);
  const operands = <u64>batch * mostFormBytes(widest);
  if (m.rank == 0) return operands;
  const latents = max(<u64>batch * m.heads, <u64>rows) * formBytes(OperandForm.TWO_SIXTEENS, m.rank);
  return max(operands, latents);
}

/** The largest tile of any weight that stays in the file, as it lies there: rows that follow each other, or single. */
function tileBytes(m: Model, batch: u32): u64 {
  let most: u64 = 0;
  for (let i: u32 = 0; i < m.weightCount && m.streamed; i++) {
    const weight = m.weight(i);
    if (weight.state != WeightState.STREAMED) continue;
    if (weight.span == 0) most = max(most, <u64>weight.tileRows * rowBytes(weight.type, weight.columns));
    if (isLookedUp(weight, i)) most = max(most, <u64>rowsOfTile(weight, i, batch) * weight.rowSlot);
  }
  return most;
}

/** The largest tile of a matrix that stays in the file, packed. */
function packedTileBytes(m: Model): u64 {
  let most: u64 = 0;
  for (let i: u32 = 0; i < m.weightCount && m.streamed; i++) {
    const weight = m.weight(i);
    if (weight.state != WeightState.STREAMED || weight.span != 0) continue;
    most = max(most, <u64>weight.tileRows * (packedGroupBytes(weight.type, weight.columns) / GROUP_ROWS));
  }
  return most;
}

/** Most single rows that a stage takes at once of what stays in the file: so long are the lists of them. */
function mostRows(m: Model, batch: u32): u32 {
  let most: u32 = 0;
  for (let i: u32 = 0; i < m.weightCount && m.streamed; i++) {
    const weight = m.weight(i);
    if (weight.state != WeightState.STREAMED) continue;
    most = max(most, isLookedUp(weight, i) ? rowsOfTile(weight, i, batch) : 1);
  }
  return most;
}

/** Most rows of memory layers that are found at once. */
function rowsOfLayer(m: Model, batch: u32): u32 {
  if (m.chunks == 0) return 0;
  return tokensAtOnce(m.at(0, Slot.QUERY), TABLES_OF_HASH, batch) * TABLES_OF_HASH * m.chunks;
}

/** Whether rows of a weight are looked up: the embedding's, which may be a matrix too, and those of tables. */
@inline
function isLookedUp(weight: Weight, index: u32): bool {
  return index == Global.EMBEDDING || weight.span != 0;
}

/** Rows of a tile, whether a table is looked up alone or beside others. */
function rowsOfTile(weight: Weight, index: u32, batch: u32): u32 {
  const alone = weight.tokensOfTile(1, batch);
  const beside = index == Global.EMBEDDING ? 0 : weight.tokensOfTile(TABLES_OF_HASH, batch) * TABLES_OF_HASH;
  return max(alone, beside) * weight.chunks;
}

/** The largest scratch that any kernel of a pass asks for. */
function scratchBytes(model: Model, rows: u32, batch: u32): u64 {
  let most: u64 = matmulScratchBytes(batch > rows ? batch : rows);
  const embedding = model.weight(Global.EMBEDDING);
  const lookup = rowBytes(embedding.type, embedding.columns);
  if (lookup > most) most = lookup;
  const nope = model.keySize - model.ropeSize;
  const attention: u64 = model.rank
    ? absorbedScratchBytes(model.heads, rows, model.rank, model.ropeSize)
    : attendScratchBytes(model.heads, rows, model.keySize, model.valueSize);
  if (attention > most) most = attention;
  const gated = model.at(0, Slot.FFN_GATE).present ? <u64>model.ffn << 2 : 0;
  if (gated > most) most = gated;
  const scaled = <u64>model.chunks << 2;
  if (scaled > most) most = scaled;
  const expanded: u64 = model.rank ? expandedScratchBytes(rows, nope, model.ropeSize, model.valueSize) : 0;
  if (expanded > most) most = expanded;
  // Absorbed queries multiply by the transposed up-projection; of all types F32 wants the most for it.
  const transposed: u64 = model.rank ? accumulateScratchBytes(Type.F32, model.rank) : 0;
  if (transposed > most) most = transposed;
  for (let i: u32 = 0; i < model.weightCount; i++) {
    const weight = model.weight(i);
    if (!weight.byNeurons) continue;
    const neurons: u64 = neuronScratchBytes(weight.type, weight.rows, weight.columns, batch);
    if (neurons > most) most = neurons;
  }
  return most;
}
