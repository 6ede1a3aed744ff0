/**
 * The slab cache: matrices of experts (slabs) that stay in their file, packed and kept for the next token that goes to
 * the same expert. Weights whose slabs take equally much share a pool, and with it the memory of the first of them:
 *
 *     a pool   ┌ Pool ┐┌ Place[count] ┐┌ of each weight: held u32, places u32[slabs] ┐┌ packed slab ┬ packed slab ┬ … ┐
 *
 * A weight keeps what it hit last: each has a quota, and who holds more gives the place that was hit longest ago. So a
 * pool that holds less than a token takes in all layers still has, when a layer comes again, some of what it had: of a
 * list without quotas, through which the layers go in turn, nothing would be left. Beyond all quotas a pool has places
 * for what one token takes in one layer.
 *
 * Nothing is allocated after loading. Slabs are found by address; an address is good until the next slab is kept.
 */
import { blockBytes } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { Status } from "../memory/core";
import { Requests } from "./requests";
import { GROUP_ROWS, Weight, WeightState, Weights, notFinite } from "./weight";
import { blocksAreFinite } from "../kernels/quant/finite";
import { packGroup, packedGroupBytes } from "../kernels/quant/index";
import { blockElements } from "../kernels/quant/types";

/** A list of requests asks for no more, or for one slab where that is more [bytes]. */
const LIST_BYTES: u64 = 1 << 25;
/** Requests of a list at most. */
const LIST_LIMIT: u64 = 1024;
/** Matrices that an expert has in a layer: gate, up, down. */
const MATRICES: u32 = 3;
const ALIGNMENT: u64 = 64;

@unmanaged
class Pool {
  /** Places, and how many of them each weight may keep. */
  count: u32;
  quota: u32;
  /** Where the packed slabs begin, and bytes from one to the next. */
  slabs: usize;
  stride: usize;
}

@unmanaged
class Place {
  /** The weight whose slab lies there; 0: none does. */
  owner: usize;
  slab: u32;
  /** When it was hit last. */
  hit: u32;
}

/** Shares `weights.slabCacheBytes` out among the experts that stay in the file: as many slabs of each weight as fit. */
export function planSlabCache(weights: Weights): void {
  let all: u64 = 0;
  let shortest: u64 = u64.MAX_VALUE;
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (!isStreamed(weight)) continue;
    all += slabStride(weight) + offsetof<Place>();
    const slab = lines(slabFileBytes(weight));
    const choice = min<u64>(LIST_BYTES, slab * MATRICES * weight.chosen);
    weights.slabTileBytes = max(weights.slabTileBytes, max(slab, choice));
    shortest = min(shortest, slab);
  }
  if (all == 0) return;
  weights.slabRequests = <u32>min(LIST_LIMIT, weights.slabTileBytes / shortest);
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (isStreamed(weight) && weight.memoryOf == 0 && weight.ways == 0) planPool(weights, i, all);
  }
}

/** The pool of the weights behind weight `index` whose slabs take as much as its own. */
function planPool(weights: Weights, index: u32, all: u64): void {
  const first = weights.at(index);
  const stride = slabStride(first);
  let members: u32 = 0;
  let slabs: u64 = 0;
  let least: u32 = 0;
  let lists: u64 = 0;
  for (let i = index; i < weights.count; i++) {
    const weight = weights.at(i);
    if (!isStreamed(weight) || slabStride(weight) != stride) continue;
    members += 1;
    slabs += weight.slabs;
    least = max(least, MATRICES * weight.chosen);
    if (i != index) weight.memoryOf = changetype<usize>(first);
    // Where the weight's list lies, counted from the first one's.
    weight.rowPlace = <u32>lists;
    lists += 4 + ((<u64>weight.slabs) << 2);
  }
  const count = min(slabs, max(<u64>least, (<u64>weights.slabCacheBytes * members) / all));
  first.ways = <u32>count;
  first.setsPerChunk = <u32>(count > least ? (count - least) / members : 0);
  const places = <u32>offsetof<Pool>() + <u32>count * <u32>offsetof<Place>();
  for (let i = index; i < weights.count; i++) {
    const weight = weights.at(i);
    if (isStreamed(weight) && slabStride(weight) == stride) weight.rowPlace += places;
  }
  first.rowStep = <u32>lines(places + lists);
  weights.bytes += blockBytes(poolBytes(first));
}

/** Bytes of the pool that a weight has for itself and others; 0: it has none. */
export function poolBytes(weight: Weight): u64 {
  return weight.ways == 0 ? 0 : weight.rowStep + <u64>weight.ways * slabStride(weight);
}

/** Makes the pool at `weight.data` empty. */
export function clearPool(weight: Weight): void {
  const pool = changetype<Pool>(weight.data);
  memory.fill(weight.data, 0, <usize>weight.rowStep);
  pool.count = weight.ways;
  pool.quota = weight.setsPerChunk;
  pool.slabs = weight.data + <usize>weight.rowStep;
  pool.stride = <usize>slabStride(weight);
}

/** Where the packed slab of an expert lies; 0: it does not. */
@inline
export function findSlab(weight: Weight, slab: u32): usize {
  const pool = poolOf(weight);
  const place = placeOfSlab(pool, weight, slab);
  return place == 0 ? 0 : pool.slabs + <usize>(place - 1) * pool.stride;
}

/** Whether the slab lies in memory; if it does it counts as hit now. */
export function hitSlab(weights: Weights, weight: Weight, slab: u32): bool {
  const pool = poolOf(weight);
  const place = placeOfSlab(pool, weight, slab);
  if (place == 0) return false;
  placeAt(pool, place - 1).hit = weights.slabClock;
  return true;
}

/** Slabs that a pass may want at once of the pool of a weight. */
@inline
export function slabsAtOnce(weight: Weight): u32 {
  return poolOf(weight).count;
}

/** Begins a list of requests for slabs; what is hit from now on stays until they are kept. */
export function beginSlabs(weights: Weights, r: Requests): void {
  weights.slabClock += 1;
  r.clear();
}

/** Adds a slab to the list; false: the list is full. */
export function askSlab(weights: Weights, r: Requests, weight: Weight, slab: u32): bool {
  const bytes = slabFileBytes(weight);
  let place = r.tile;
  if (r.count != 0) {
    const last = r.at(r.count - 1);
    place = last.destination + <usize>lines(last.length);
  }
  if (r.count == weights.slabRequests || <u64>(place - r.tile) + bytes > weights.slabTileBytes) return false;
  store<usize>(ownerAt(r, r.count), changetype<usize>(weight));
  r.ask(weight, slab * weight.slabRows, weight.slabRows, place);
  r.tileRows = r.count;
  weights.slabsRead += 1;
  weights.slabBytesRead += bytes;
  return true;
}

/** The slabs that were asked for lie in the tile: each is packed into a place. */
export function keepSlabs(weights: Weights, r: Requests): i32 {
  weights.slabClock += 1;
  const count = r.tileRows;
  r.tileRows = 0;
  for (let i: u32 = 0; i < count; i++) {
    const weight = load<Weight>(ownerAt(r, i));
    const request = r.at(i);
    const slab = <u32>((request.offset - weight.offset) / slabFileBytes(weight));
    // Two contexts may have asked for the same slab.
    if (hitSlab(weights, weight, slab)) continue;
    const blocks = weight.slabRows * (weight.columns / blockElements(weight.type));
    if (!blocksAreFinite(weight.type, request.destination, blocks)) return notFinite(weights, weight);
    packSlab(weight, request.destination, takePlace(weights, weight, slab));
  }
  return Status.DONE;
}

function packSlab(weight: Weight, source: usize, target: usize): void {
  const row = <usize>weight.fileRowBytes;
  const group = packedGroupBytes(weight.type, weight.columns);
  const rows = weight.slabRows;
  for (let i: u32 = 0; i < rows; i += GROUP_ROWS) {
    const count = min<u32>(GROUP_ROWS, rows - i);
    packGroup(weight.type, source + <usize>i * row, row, count, weight.columns, target);
    target += group;
  }
}

/** The address of a place that is the slab's from now on. */
function takePlace(weights: Weights, weight: Weight, slab: u32): usize {
  const pool = poolOf(weight);
  const index = oldest(weights, pool);
  const place = placeAt(pool, index);
  if (place.owner) {
    const owner = changetype<Weight>(place.owner);
    setPlace(pool, owner, place.slab, 0);
    setHeld(pool, owner, heldBy(pool, owner) - 1);
  }
  place.owner = changetype<usize>(weight);
  place.slab = slab;
  place.hit = weights.slabClock;
  setPlace(pool, weight, slab, index + 1);
  setHeld(pool, weight, heldBy(pool, weight) + 1);
  return pool.slabs + <usize>index * pool.stride;
}

/**
 * A free place, or that of a weight above its quota which was hit longest ago, but not for this list; where there is
 * none, the one that was hit longest ago of all.
 */
function oldest(weights: Weights, pool: Pool): u32 {
  let found: u32 = 0;
  let most: u32 = 0;
  for (let i: u32 = 0; i < pool.count; i++) {
    const place = placeAt(pool, i);
    if (place.owner == 0) return i;
    // Ages are differences, so that the clock may run over; a half of them for places that may be given up first.
    let age = (weights.slabClock - place.hit) & 0x7fff_ffff;
    if (age > 1 && heldBy(pool, changetype<Weight>(place.owner)) > pool.quota) age |= 0x8000_0000;
    if (age < most) continue;
    most = age;
    found = i;
  }
  return found;
}

@inline
function isStreamed(weight: Weight): bool {
  return weight.chosen != 0 && weight.state == WeightState.STREAMED;
}

@inline
function slabFileBytes(weight: Weight): u64 {
  return weight.fileRowBytes * weight.slabRows;
}

/** Bytes from one packed slab to the next. */
@inline
function slabStride(weight: Weight): u64 {
  return lines(<u64>packedGroupBytes(weight.type, weight.columns) * weight.slabGroups);
}

@inline
function lines(bytes: u64): u64 {
  return (bytes + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1);
}

@inline
function ownerAt(r: Requests, index: u32): usize {
  return r.rowsFound + <usize>index * sizeof<usize>();
}

@inline
function poolOf(weight: Weight): Pool {
  return changetype<Pool>(weight.memoryOf ? changetype<Weight>(weight.memoryOf).data : weight.data);
}

@inline
function placeAt(pool: Pool, index: u32): Place {
  return changetype<Place>(changetype<usize>(pool) + offsetof<Pool>() + <usize>index * offsetof<Place>());
}

/** How many places a weight holds, and behind it the place of each slab, from 1 on. */
@inline
function listOf(pool: Pool, weight: Weight): usize {
  return changetype<usize>(pool) + <usize>weight.rowPlace;
}

@inline
function heldBy(pool: Pool, weight: Weight): u32 {
  return load<u32>(listOf(pool, weight));
}

@inline
function setHeld(pool: Pool, weight: Weight, held: u32): void {
  store<u32>(listOf(pool, weight), held);
}

@inline
function placeOfSlab(pool: Pool, weight: Weight, slab: u32): u32 {
  return u32At(listOf(pool, weight), 1 + slab);
}

@inline
function setPlace(pool: Pool, weight: Weight, slab: u32, place: u32): void {
  setU32(listOf(pool, weight), 1 + slab, place);
}
