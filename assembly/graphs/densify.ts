/**
 * DENSIFY: a constant of which the file has only what is not zero becomes a whole one, at load. Its sizes, some of them
 * cut into blocks, are walked level by level, in an order that the file gives; a level has all places of its size, or
 * those that a list of the file names.
 *
 *     DENSE    node n → nodes n · size + i, i < size
 *     SPARSE   node n → nodes k, segments[n] ≤ k < segments[n + 1], each at place indices[k]
 *
 * Source: the schema of TFLite, SparsityParameters.
 */
import { elementBytes, elementsOf, lengthOf, numberOf, referenceOf, tableAt } from "../files/tflite";
import { broken, hasOperands, refuse } from "./check";
import { Graph, GraphStep, GraphTensor, MOST_DIMENSIONS, make } from "./records";

/** Levels: each dimension, and once more where it is cut into blocks. */
const MOST_LEVELS: u32 = 2 * MOST_DIMENSIONS;

/** Lists of numbers, as the schema numbers their types: i32, u16, u8. */
namespace List {
  export const I32: u32 = 1;
  export const U16: u32 = 2;
  export const U8: u32 = 3;
}

@unmanaged
class Level {
  /** Places of a dense level. */
  size: u32;
  isSparse: u32;
  /** Lists of a sparse one: their type, where they lie, and how many numbers they have. */
  segmentType: u32;
  segments: usize;
  segmentCount: u32;
  indexType: u32;
  indices: usize;
  indexCount: u32;
  /** The dimension that it walks, and whether it walks within a block of it. */
  dimension: u32;
  isBlock: u32;
  /** Where the walk is. */
  place: u32;
}

@unmanaged
class Walk {
  levels: usize;
  levelCount: u32;
  /** Nodes that may still be visited. */
  left: u64;
  target: usize;
  size: u32;

  @inline
  level(i: u32): Level {
    return changetype<Level>(this.levels + <usize>i * offsetof<Level>());
  }
}

export function prepareDensify(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants one input and one output");
  const x = g.input(step, 0), y = g.output(step);
  if (x.sparsity == 0) return refuse(g, step, "its input is not sparse");
  if (x.type != y.type || x.count != y.count || x.rank != y.rank)
    return broken(g, step, "its output has another size or type than its input");
  const w = changetype<Walk>(make(g, offsetof<Walk>()));
  if (w == null) return g.core.errorCode;
  step.parameters = changetype<usize>(w);
  w.levels = make(g, MOST_LEVELS * offsetof<Level>());
  return w.levels == 0 ? g.core.errorCode : readLevels(g, step, w, x);
}

function readLevels(g: Graph, step: GraphStep, w: Walk, x: GraphTensor): i32 {
  const f = g.file;
  const order = referenceOf(f, x.sparsity, 0), blocks = referenceOf(f, x.sparsity, 1);
  const list = referenceOf(f, x.sparsity, 2);
  const blockCount = lengthOf(f, blocks, 4);
  w.levelCount = lengthOf(f, list, 4);
  const isSound = blockCount <= x.rank && w.levelCount == x.rank + blockCount && lengthOf(f, order, 4) == w.levelCount;
  if (!isSound) return broken(g, step, "its input has another number of levels than of dimensions and blocks");
  let seen: u32 = 0;
  for (let i: u32 = 0; i < w.levelCount; i++) {
    const level = w.level(i);
    const which = load<u32>(elementsOf(f, order) + ((<usize>i) << 2));
    if (which >= w.levelCount || seen & (1 << which) || (i < x.rank && which >= x.rank))
      return broken(g, step, "the order of its input's levels is none");
    seen |= 1 << which;
    level.isBlock = u32(which >= x.rank);
    level.dimension = level.isBlock ? load<u32>(elementsOf(f, blocks) + ((<usize>(which - x.rank)) << 2)) : which;
    if (level.dimension >= x.rank) return broken(g, step, "its input has a block of a dimension that is not there");
    const table = tableAt(f, list, i);
    level.isSparse = numberOf<u8>(f, table, 0, 0);
    level.size = numberOf<u32>(f, table, 1, 0);
    if (level.isSparse) {
      level.segmentType = numberOf<u8>(f, table, 2, 0);
      const segments = referenceOf(f, referenceOf(f, table, 3), 0);
      level.segmentCount = lengthOf(f, segments, widthOf(level.segmentType));
      level.segments = elementsOf(f, segments);
      level.indexType = numberOf<u8>(f, table, 4, 0);
      const indices = referenceOf(f, referenceOf(f, table, 5), 0);
      level.indexCount = lengthOf(f, indices, widthOf(level.indexType));
      level.indices = elementsOf(f, indices);
      if (level.isSparse != 1 || segments == 0 || (indices == 0 && level.indexCount > 0))
        return broken(g, step, "a sparse level of its input has no lists");
    } else if (level.size > x.dim(level.dimension)) {
      return broken(g, step, "a level of its input is larger than its dimension");
    }
  }
  return 0;
}

function widthOf(type: u32): u32 {
  return type == List.I32 ? 4 : type == List.U16 ? 2 : 1;
}

function numberOfList(type: u32, at: usize, i: u32): u32 {
  if (type == List.I32) return load<u32>(at + ((<usize>i) << 2));
  return type == List.U16 ? <u32>load<u16>(at + ((<usize>i) << 1)) : <u32>load<u8>(at + i);
}

/** Below zero: a list of the file leads somewhere else. */
export function runDensify(g: Graph, step: GraphStep): i32 {
  const w = changetype<Walk>(step.parameters);
  const x = g.input(step, 0), y = g.output(step);
  memory.fill(y.data, 0, y.bytes);
  w.target = y.data;
  w.size = elementBytes(y.type);
  w.left = (<u64>y.count + g.file.size) * 4;
  return descend(w, x, 0, 0) ? 0 : broken(g, step, "a list of its input leads out of it");
}

/** Goes through all below a node of a level; false: something leads out of the file, or of the tensor. */
function descend(w: Walk, x: GraphTensor, depth: u32, node: u32): bool {
  if (w.left == 0) return false;
  w.left -= 1;
  if (depth == w.levelCount) return putValue(w, x, node);
  const level = w.level(depth);
  if (!level.isSparse) {
    if (<u64>(node + 1) * level.size > 0x7fff_ffff) return false;
    for (let i: u32 = 0; i < level.size; i++) {
      level.place = i;
      if (!descend(w, x, depth + 1, node * level.size + i)) return false;
    }
    return true;
  }
  if (<u64>node + 1 >= <u64>level.segmentCount) return false;
  const end = numberOfList(level.segmentType, level.segments, node + 1);
  for (let k = numberOfList(level.segmentType, level.segments, node); k < end; k++) {
    if (k >= level.indexCount) return false;
    level.place = numberOfList(level.indexType, level.indices, k);
    if (!descend(w, x, depth + 1, k)) return false;
  }
  return true;
}

/** Value `i` of the file goes to where the walk is. */
function putValue(w: Walk, x: GraphTensor, i: u32): bool {
  if ((<u64>i + 1) * w.size > <u64>x.offset) return false;
  let at: u64 = 0;
  for (let d: u32 = 0; d < x.rank; d++) {
    let place: u64 = 0;
    for (let l: u32 = 0; l < w.levelCount; l++) {
      const level = w.level(l);
      if (level.dimension != d) continue;
      place = level.isBlock ? place * level.size + level.place : <u64>level.place;
    }
    if (place >= <u64>x.dim(d)) return false;
    at = at * x.dim(d) + place;
  }
  memory.copy(w.target + <usize>at * w.size, x.data + <usize>i * w.size, w.size);
  return true;
}
