/**
 * Attention of one token over a list of cache rows (multi-head, grouped or multi-query).
 *
 *     row:   │ K of kv head 0, 1, …: kvHeads vectors of keySize │ V: kvHeads of valueSize │   values of kvType
 *     out_h = Σ_t softmax_t(scale · q_h · k_t) · v_t,  head h with kv head ⌊h / (heads / kvHeads)⌋
 *
 * Rows are taken from the pool by index, in the order of the list; the result depends on nothing else. Two passes
 * over the rows in tiles of eight: scores, then (after the softmax) values; each row's values are decoded once a pass
 * and serve all heads of the group. Cost: heads · count · (keySize + valueSize) multiply-adds.
 */
import { decodeTile, mixTile, scoreTile, tiled, TILE_ROWS } from "./grouped_tile";
import { vectorBytes } from "./kv_codec";
import { softcap } from "../float/ffn";
import { softmax, softmaxWithSink } from "../float/softmax";
import { add, scale } from "../float/vector";

/**
 * Neighbouring kv heads are decoded together up to this many values a row: pieces of 1 KB and a tile that stays in L1.
 */
const TILE_VALUES: u32 = 512;

/** Bytes of `attend`'s scratch: scores f32[heads][count, in whole tiles], then one decoded tile. */
export function attendScratchBytes(heads: u32, count: u32, keySize: u32, valueSize: u32): u64 {
  const width = max<u32>(TILE_VALUES, max<u32>(keySize, valueSize));
  return 4 * (<u64>heads * <u64>tiled(count) + <u64>TILE_ROWS * <u64>width);
}

/** How many kv heads of `size` values share a tile. */
@inline
function headsInTile(size: u32, kvHeads: u32): u32 {
  return min<u32>(max<u32>(size == 0 ? 1 : TILE_VALUES / size, 1), kvHeads);
}

/**
 * target f32[heads·valueSize] = the attention of query f32[heads·keySize] over the `count` rows rows[0], rows[1], …
 * (u32) of the pool. `mass`: 0, or f32[count], to which each row's attention summed over the heads is added. No rows:
 * zeros.
 */
export function attend(
  query: usize, rows: usize, count: u32, pool: usize, rowBytes: u32, kvType: u32, heads: u32, kvHeads: u32,
  keySize: u32, valueSize: u32, factor: f32, scratch: usize, target: usize, mass: usize,
): void {
  if (kvHeads == 0) memory.fill(target, 0, (<usize>heads * <usize>valueSize) << 2);
  attendHeads(
    query, rows, count, pool, rowBytes, kvType, heads, kvHeads, keySize, valueSize, factor, scratch, target, mass, 0,
    kvHeads, 0, 0, 0, 0, 0,
  );
}

/**
 * As `attend`, for the heads of the kv heads `kvBegin` … `kvEnd` − 1 alone: the rest of `target` is not touched. Scores
 * are capped by `cap` unless it is 0; `sinks`: 0, or f32[heads], a score of each head that joins its softmax and has no
 * value; `bias`: 0, or f32[heads][biasWidth], of which what `places` (u32[count]) names is added to each row's score.
 */
export function attendHeads(
  query: usize, rows: usize, count: u32, pool: usize, rowBytes: u32, kvType: u32, heads: u32, kvHeads: u32,
  keySize: u32, valueSize: u32, factor: f32, scratch: usize, target: usize, mass: usize, kvBegin: u32, kvEnd: u32,
  cap: f32, sinks: usize, bias: usize, biasWidth: u32, places: usize,
): void {
  if (kvHeads == 0) return;
  const group = heads / kvHeads;
  const firstHead = <usize>(kvBegin * group);
  const size = (<usize>valueSize) << 2;
  memory.fill(target + firstHead * size, 0, <usize>((kvEnd - kvBegin) * group) * size);
  if (count == 0) return;
  const stride = tiled(count);
  const scoreBytes = (<usize>stride) << 2;
  const tile = scratch + <usize>heads * scoreBytes;
  const keyBytes = vectorBytes(kvType, keySize);
  const valueBytes = vectorBytes(kvType, valueSize);

  const keyHeads = headsInTile(keySize, kvHeads);
  for (let first: u32 = 0; first < count; first += TILE_ROWS) {
    for (let begin = kvBegin; begin < kvEnd; begin += keyHeads) {
      const many = min<u32>(keyHeads, kvEnd - begin);
      const width = many * keySize;
      decodeTile(kvType, rows, first, count, pool, rowBytes, begin * keyBytes, many, keySize, tile);
      for (let g: u32 = 0; g < many; g++) {
        const head = <usize>((begin + g) * group);
        scoreTile(
          query + ((head * <usize>keySize) << 2), keySize, group, tile + ((<usize>(g * keySize)) << 2), width, keySize,
          scratch + head * scoreBytes + ((<usize>first) << 2), stride, false,
        );
      }
    }
  }

  const scores = scratch + firstHead * scoreBytes;
  const headCount = (kvEnd - kvBegin) * group;
  if (cap == 0 && sinks == 0 && bias == 0) weigh(scores, stride, headCount, count, factor, mass);
  else {
    const biases = bias + ((firstHead * <usize>biasWidth) << 2);
    weighWith(
      scores, stride, headCount, count, factor, mass, cap, sinks ? sinks + (firstHead << 2) : 0, biases, biasWidth,
      places,
    );
  }

  const valueHeads = headsInTile(valueSize, kvHeads);
  for (let first: u32 = 0; first < count; first += TILE_ROWS) {
    for (let begin = kvBegin; begin < kvEnd; begin += valueHeads) {
      const many = min<u32>(valueHeads, kvEnd - begin);
      const width = many * valueSize;
      const offset = kvHeads * keyBytes + begin * valueBytes;
      const present = decodeTile(kvType, rows, first, count, pool, rowBytes, offset, many, valueSize, tile);
      for (let g: u32 = 0; g < many; g++) {
        const head = <usize>((begin + g) * group);
        mixTile(
          scratch + head * scoreBytes + ((<usize>first) << 2), stride, group, tile + ((<usize>(g * valueSize)) << 2),
          width, present, valueSize, target + ((head * <usize>valueSize) << 2), valueSize,
        );
      }
    }
  }
}

/** Turns each head's scores into weights, and adds them to `mass` unless it is 0. */
export function weigh(scores: usize, stride: u32, heads: u32, count: u32, factor: f32, mass: usize): void {
  for (let h: u32 = 0; h < heads; h++, scores += (<usize>stride) << 2) {
    scale(scores, factor, count);
    softmax(scores, count);
    if (mass != 0) add(mass, scores, count);
  }
}

/** As `weigh`, with what `attendHeads` has besides. */
function weighWith(
  scores: usize, stride: u32, heads: u32, count: u32, factor: f32, mass: usize, cap: f32, sinks: usize, bias: usize,
  biasWidth: u32, places: usize,
): void {
  for (let h: u32 = 0; h < heads; h++, scores += (<usize>stride) << 2) {
    scale(scores, factor, count);
    if (cap != 0) softcap(scores, cap, count);
    if (biasWidth != 0) addPlaces(scores, bias + ((<usize>(h * biasWidth)) << 2), places, count);
    if (sinks != 0) softmaxWithSink(scores, count, load<f32>(sinks + ((<usize>h) << 2)));
    else softmax(scores, count);
    if (mass != 0) add(mass, scores, count);
  }
}

/** scores[i] += bias[places[i]] */
function addPlaces(scores: usize, bias: usize, places: usize, count: u32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
    store<f32>(scores + i, load<f32>(scores + i) + load<f32>(bias + ((<usize>load<u32>(places + i)) << 2)));
  }
}
