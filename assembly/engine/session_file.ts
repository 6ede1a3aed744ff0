/**
 * A saved session: tokens, sampler and cache rows, to go on with the same bits in any host. Little-endian.
 *
 *     │ magic u32 │ version u32 │ fingerprint u64 │ kvType u32 │ layers u32 │ rowBytes u32 │ count u32 │
 *     │ evaluated u32 │ 0 u32 │ sampler │ tokens u32[count] │
 *     │ per layer: rows u32 │ positions i32[rows] │ rows · rowBytes │
 *
 * The fingerprint (FNV-1a over the model's shape and the first of its head's weights) refuses another model's session.
 */
import { ErrorCode, fail } from "../memory/core";
import { appendRow, freeRowsWithout } from "../state/rows";
import { POSITION_LIMIT } from "../pass/context";
import { Global, Model } from "./model";
import { SAMPLER_BYTES, Sampler, checkOptions } from "./sampler";
import { Session, forget } from "./session";

const MAGIC: u32 = 0x53504d4c; // "LMPS"
const VERSION: u32 = 1;
const HEADER: usize = 40;

export function savedBytes(s: Session): u64 {
  const cache = s.context.cache;
  let bytes = <u64>HEADER + SAMPLER_BYTES + (<u64>s.count << 2);
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    bytes += 4 + <u64>cache.list(s.sequence, layer).count * (4 + <u64>cache.rowBytes);
  }
  return bytes;
}

/** Writes `savedBytes` bytes to `target`. */
export function saveSession(s: Session, target: usize): i32 {
  if (s.generating) return fail(s.core, ErrorCode.WRONG_STATE, "a session is saved between generations: stop it first");
  const cache = s.context.cache;
  store<u32>(target, MAGIC);
  store<u32>(target, VERSION, 4);
  store<u64>(target, fingerprint(s.context.model), 8);
  store<u32>(target, s.context.kvType, 16);
  store<u32>(target, cache.layers, 20);
  store<u32>(target, cache.rowBytes, 24);
  store<u32>(target, s.count, 28);
  store<u32>(target, s.evaluated, 32);
  store<u32>(target, 0, 36);
  let at = target + HEADER;
  memory.copy(at, changetype<usize>(s.sampler), SAMPLER_BYTES);
  at += SAMPLER_BYTES;
  memory.copy(at, s.tokens, (<usize>s.count) << 2);
  at += (<usize>s.count) << 2;
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    const list = cache.list(s.sequence, layer);
    store<u32>(at, list.count);
    memory.copy(at + 4, list.positions, (<usize>list.count) << 2);
    at += 4 + ((<usize>list.count) << 2);
    for (let i: u32 = 0; i < list.count; i++) {
      memory.copy(at, cache.row(layer, list.row(i)), cache.rowBytes);
      at += cache.rowBytes;
    }
  }
  return 0;
}

/** Everything is checked before anything changes. */
export function restoreSession(s: Session, source: usize, length: u32): i32 {
  const status = check(s, source, length);
  if (status != 0) return status;
  const cache = s.context.cache;
  forget(s);
  s.count = load<u32>(source, 28);
  s.evaluated = load<u32>(source, 32);
  let at = source + HEADER;
  memory.copy(changetype<usize>(s.sampler), at, SAMPLER_BYTES);
  at += SAMPLER_BYTES;
  memory.copy(s.tokens, at, (<usize>s.count) << 2);
  at += (<usize>s.count) << 2;
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    const rows = load<u32>(at);
    const positions = at + 4;
    at = positions + ((<usize>rows) << 2);
    for (let i: u32 = 0; i < rows; i++) {
      const index = appendRow(cache, layer, s.sequence, load<i32>(positions + ((<usize>i) << 2)));
      memory.copy(cache.row(layer, cache.list(s.sequence, layer).row(index)), at, cache.rowBytes);
      at += cache.rowBytes;
    }
  }
  return 0;
}

function check(s: Session, source: usize, length: u32): i32 {
  const core = s.core;
  const cache = s.context.cache;
  const vocabulary = s.context.model.vocabulary;
  if (<usize>length < HEADER || load<u32>(source) != MAGIC || load<u32>(source, 4) != VERSION) {
    return fail(core, ErrorCode.BAD_FILE, "these bytes are not a session that this limpet saved");
  }
  if (load<u64>(source, 8) != fingerprint(s.context.model)) {
    return fail(core, ErrorCode.BAD_FILE, "this session belongs to another model");
  }
  const sameShape = load<u32>(source, 20) == cache.layers && load<u32>(source, 24) == cache.rowBytes;
  if (load<u32>(source, 16) != s.context.kvType || !sameShape) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "this session's cache has another type: open the model with the one it was saved with (--kv)",
    );
  }
  const count = load<u32>(source, 28);
  const evaluated = load<u32>(source, 32);
  if (evaluated > count) return fail(core, ErrorCode.BAD_FILE, "this session has more rows than tokens; save it again");
  if (count > s.capacity) {
    return fail(
      core, ErrorCode.CONTEXT_FULL,
      "this session has more tokens than the context holds; make it longer (--ctx N, { context: N })",
    );
  }
  let left = <u64>length - HEADER;
  if (left < <u64>SAMPLER_BYTES + (<u64>count << 2)) return truncated(s);
  left -= <u64>SAMPLER_BYTES + (<u64>count << 2);
  // The sampler may lie at any address: only its plain fields are read.
  const options = checkOptions(core, changetype<Sampler>(source + HEADER));
  if (options != 0) return options;
  let at = source + HEADER + SAMPLER_BYTES;
  for (let i: u32 = 0; i < count; i++) {
    if (load<u32>(at + ((<usize>i) << 2)) >= vocabulary) {
      return fail(core, ErrorCode.BAD_FILE, "this session names a token that the vocabulary has not");
    }
  }
  at += (<usize>count) << 2;
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    if (left < 4) return truncated(s);
    const rows = load<u32>(at);
    const bytes = 4 + <u64>rows * (4 + <u64>cache.rowBytes);
    if (rows > cache.capacity || left < bytes) return truncated(s);
    for (let i: u32 = 0; i < rows; i++) {
      if (load<u32>(at + 4 + ((<usize>i) << 2)) < <u32>POSITION_LIMIT) continue;
      return fail(core, ErrorCode.BAD_FILE, "this session has a row at a position that there is not; save it again");
    }
    if (rows > freeRowsWithout(cache, layer, s.sequence)) {
      return fail(core, ErrorCode.CONTEXT_FULL, "other sequences leave no room for this session's rows");
    }
    left -= bytes;
    at += <usize>bytes;
  }
  return left == 0 ? 0 : truncated(s);
}

function truncated(s: Session): i32 {
  return fail(s.core, ErrorCode.BAD_FILE, "this session is cut off or longer than it says; save it again");
}

/** FNV-1a over the shape of the model and its last norm, which is in memory however the other weights are kept. */
function fingerprint(model: Model): u64 {
  let hash: u64 = 0xcbf2_9ce4_8422_2325;
  hash = mix(hash, model.architecture);
  hash = mix(hash, model.layers);
  hash = mix(hash, model.hidden);
  hash = mix(hash, model.ffn);
  hash = mix(hash, model.heads);
  hash = mix(hash, model.rowValues);
  hash = mix(hash, model.vocabulary);
  hash = mix(hash, <u32>((model.fileBytes + model.streamedBytes) & 0xffff_ffff));
  const norm = model.weight(Global.OUTPUT_NORM);
  for (let i: u32 = 0; i < norm.columns; i++) hash = mix(hash, load<u32>(norm.data + ((<usize>i) << 2)));
  return hash;
}

@inline
function mix(hash: u64, value: u32): u64 {
  for (let i = 0; i < 4; i++) hash = (hash ^ <u64>((value >> (i << 3)) & 255)) * 0x100_0000_01b3;
  return hash;
}
