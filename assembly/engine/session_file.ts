/**
 * A saved session: tokens, sampler and rows of state, to go on with the same bits in any host. Little-endian; sections
 * with names, each as long as it says, so that a later version can add some and an older one refuse them by name.
 *
 *     │ magic u32 │ version u32 │ sections u32 │ ropes u32 │ checksum u64: FNV-1a of all that follows │
 *     │ name u8[8] │ length u64 │ its bytes │ …                                                     a section
 *
 *     ropes    a bit for each rope of the program that takes its long factors; where there is one, the checksum
 *              begins with these bits
 *     model    fingerprint u64: FNV-1a over the architecture, the shape and the last norm: another model is refused
 *     tokens   evaluated u32 │ count u32 │ u32[count]
 *     sampler  version u32 │ temperature f32 │ top-k u32 │ top-p f32 │ min-p f32 │ repeat penalty f32 │ state u64[4]
 *              from version 2 on: f32[SamplerOption.COUNT]; biases and breakers are not saved
 *     adapters of a session that has some: whether rows of others were kept u32 │ of each: digest u64, weight f32, from
 *              which position on i32. One with others refuses them
 *     exact    of a session whose rows are not all what evaluating its tokens gives: how many of the first are u32
 *     policy   of a session that keeps fewer rows than tokens (policy_file.ts); one that has none refuses it
 *     neurons  of a session that has core neurons: β f64, α f64 │ layers u32, u32 │ where its prompt ends u32 │ tokens
 *              counted u32 │ a layer that takes part: positions counted u32 │ u32[neurons] │ f32[neurons]
 *     source   of a model with an encoder: whether it is read u32 │ u32[tokens that it reads]
 *     state    layers u32 │ type of values u32 │ a layer: kind u8[12] │ row bytes u32 │ rows u32 │ positions │ rows
 *     marks    the same of recurrent states, which are F32: a row is a mark, the last one the newest state. A model
 *              without such layers has no such section
 */
import { openSets } from "./adapters";
import { isPolicy } from "./cache_policy";
import { Model, modelOf } from "./model";
import { checkNeurons, neuronSection, restoreNeurons, saveNeurons } from "./neurons";
import { SAMPLER_SECTION, checkSampler, readSampler, saveSampler } from "./sampler_file";
import { Session, WHOLE, checkSourceTokens, forget, owns, setSource } from "./session";
import { HEADER, NAME, SECTION, beginSection, findSection, isNamed, nameLength, truncated } from "./session_sections";
import { checkPolicy, checkPolicyRows, policySection, restorePolicy, savePolicy } from "./policy_file";
import { Core, ErrorCode, bytesOf, fail } from "../memory/core";
import { FNV_START, copyText, fnv, sameText, u32At } from "../memory/bytes";
import { Context, POSITION_LIMIT } from "../pass/context";
import { HAS_ADAPTERS, HAS_CORE_NEURONS, HAS_RECURRENT, HAS_SAMPLERS, HAS_VECTORS } from "../parts";
import { NOTHING, Op, Program } from "../program/program";
import { dropMark } from "../state/recurrent";
import { KvType } from "../kernels/attention/kv_codec";
import { kindName } from "../state/kinds";
import { StateKind } from "../state/shape";
import { isLong } from "../state/rope";
import { Rows, appendRow, freeRowsWithout } from "../state/rows";

const MAGIC: u32 = 0x53504d4c; // "LMPS"
const VERSION: u32 = 2;
/** Sections that every session has. */
const SECTIONS: u32 = 4;
/** A layer's kind, the bytes of a row, and how many follow. */
export const LAYER: usize = 20;
export const KIND_NAME: u32 = 12;
/** An adapter's digest, its weight, and from where on it is used. */
const ADAPTER: usize = 16;
/** The section "exact". */
const EXACT: usize = 4;

export function savedBytes(s: Session): u64 {
  const sections = <usize>sectionsOf(s) * SECTION + 8 + 8 + SAMPLER_SECTION + (isApproximate(s) ? EXACT : 0);
  const own =
    (hasSource(s) ? sourceSection(s) : 0) + adapterSection(s) + policySection(s.policy) + neuronSection(s.context);
  let state = stateSection(s, false);
  if (hasRecurrent(s.context.program)) state += stateSection(s, true);
  return <u64>(HEADER + sections + own) + ((<u64>s.count) << 2) + state;
}

/** Sections that such a session has: a source where the model reads one, marks where layers have recurrent states. */
function sectionsOf(s: Session): u32 {
  const adapters: u32 = adapterSection(s) ? 1 : 0;
  const exact: u32 = isApproximate(s) ? 1 : 0;
  const neurons: u32 = HAS_CORE_NEURONS && neuronSection(s.context) ? 1 : 0;
  const own = adapters + exact + neurons + u32(isPolicy(s.policy));
  return SECTIONS + own + (hasSource(s) ? 1 : 0) + (hasRecurrent(s.context.program) ? 1 : 0);
}

/** Whether some of its rows are not what evaluating gives (compose.ts). */
@inline
function isApproximate(s: Session): bool {
  return HAS_SAMPLERS && s.exact != WHOLE;
}

/** Bytes of the section of adapters; 0: the session has none. */
function adapterSection(s: Session): usize {
  if (!HAS_ADAPTERS || s.context.adapterSets == 0) return 0;
  const set = s.context.adapterSet(s.sequence);
  return set.count || set.isMixed ? 4 + <usize>set.count * ADAPTER : 0;
}

function saveAdapters(s: Session, at: usize): void {
  const set = s.context.adapterSet(s.sequence);
  store<u32>(at, set.isMixed);
  at += 4;
  for (let i: u32 = 0; i < set.count; i++, at += ADAPTER) {
    const member = set.member(i);
    store<u64>(at, member.adapter.digest);
    store<f32>(at, member.weight, 8);
    store<i32>(at, member.from, 12);
  }
}

/** Whether the adapters of the saved session, which may have none, are those of this one. */
function checkAdapters(s: Session, at: usize, bytes: usize): i32 {
  const hasSets = s.context.adapterSets != 0;
  const count: u32 = hasSets ? s.context.adapterSet(s.sequence).count : 0;
  let isSame = at == 0 ? count == 0 : bytes == 4 + <usize>count * ADAPTER;
  if (at != 0 && bytes >= 4 && load<u32>(at) > 1) return truncated(s.core);
  for (let i: u32 = 0; i < count && isSame && at != 0; i++) {
    const saved = at + 4 + <usize>i * ADAPTER;
    const member = s.context.adapterSet(s.sequence).member(i);
    isSame = load<u64>(saved) == member.adapter.digest && load<f32>(saved, 8) == member.weight;
    if (load<i32>(saved, 12) < 0 || (!member.adapter.invocationCount && load<i32>(saved, 12))) return truncated(s.core);
  }
  // That rows of others are among its own is known of a set, also of one of none.
  if (isSame) return at != 0 && load<u32>(at) ? openSets(s.context) : 0;
  return fail(
    s.core, ErrorCode.BAD_FILE,
    "this session was saved with other adapters: give the same ones, with the same weights, to the one that it is \
restored in",
  );
}

/** Where the adapters of the saved session begin, and whether rows of others are among its own. */
function restoreAdapters(s: Session, at: usize): void {
  if (s.context.adapterSets == 0) return;
  const set = s.context.adapterSet(s.sequence);
  set.isMixed = at == 0 ? 0 : load<u32>(at);
  for (let i: u32 = 0; i < set.count; i++) set.member(i).from = load<i32>(at + 4 + <usize>i * ADAPTER, 12);
}

@inline
function hasSource(s: Session): bool {
  return HAS_VECTORS && s.context.program.decoderLayer != 0;
}

function sourceSection(s: Session): usize {
  return 4 + ((<usize>s.sourceCount) << 2);
}

/** Whether a layer of the program keeps a recurrent state. */
@inline
function hasRecurrent(p: Program): bool {
  return HAS_RECURRENT && isRecurrent(p);
}

function isRecurrent(p: Program): bool {
  for (let i: u32 = 0; i < p.stateCount; i++) if (p.state(i).kind == StateKind.RECURRENT) return true;
  return false;
}

/** Bytes of the section of rows, or of recurrent states. */
function stateSection(s: Session, recurrent: bool): u64 {
  const p = s.context.program;
  let bytes: u64 = 8;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    bytes += LAYER;
    const rows = rowsOf(s.context, layer, recurrent);
    if (changetype<usize>(rows) == 0) continue;
    bytes += <u64>rows.list(s.sequence, numberOf(p, layer, recurrent)).count * (4 + <u64>rows.rowBytes);
  }
  return bytes;
}

/** The rows of the kind that a layer keeps, or its recurrent states; null: it keeps none. */
@inline
function rowsOf(c: Context, layer: u32, recurrent: bool): Rows {
  const l = c.program.layer(layer);
  if (HAS_RECURRENT && recurrent) return l.recurrent ? c.rows(<u32>l.recurrent - 1) : changetype<Rows>(0);
  return l.keeps ? c.rows(l.state) : changetype<Rows>(0);
}

/** Its number among the layers that have such rows. */
@inline
function numberOf(p: Program, layer: u32, recurrent: bool): u32 {
  return HAS_RECURRENT && recurrent ? <u32>p.layer(layer).recurrentLayer : p.layer(layer).stateLayer;
}

/** Writes `savedBytes` bytes to `target`. */
export function saveSession(s: Session, target: usize): i32 {
  if (HAS_SAMPLERS && changetype<usize>(s.composition) != 0) {
    return fail(s.core, ErrorCode.WRONG_STATE, "a session is saved when its composition is through");
  }
  if (s.generating) return fail(s.core, ErrorCode.WRONG_STATE, "a session is saved between generations: stop it first");
  const length = <usize>savedBytes(s);
  store<u32>(target, MAGIC);
  store<u32>(target, VERSION, 4);
  store<u32>(target, sectionsOf(s), 8);
  store<u32>(target, longRopes(s.context), 12);
  let at = beginSection(target + HEADER, "model", 8);
  store<u64>(at, fingerprint(modelOf(s.context)));
  at = beginSection(at + 8, "tokens", 8 + ((<usize>s.count) << 2));
  store<u32>(at, s.evaluated);
  store<u32>(at, s.count, 4);
  memory.copy(at + 8, s.tokens, (<usize>s.count) << 2);
  at = beginSection(at + 8 + ((<usize>s.count) << 2), "sampler", SAMPLER_SECTION);
  saveSampler(s.sampler, at);
  at += SAMPLER_SECTION;
  if (HAS_ADAPTERS && adapterSection(s)) {
    at = beginSection(at, "adapters", adapterSection(s));
    saveAdapters(s, at);
    at += adapterSection(s);
  }
  if (isApproximate(s)) {
    at = beginSection(at, "exact", EXACT);
    store<u32>(at, s.exact);
    at += EXACT;
  }
  if (isPolicy(s.policy)) {
    at = beginSection(at, "policy", policySection(s.policy));
    at = savePolicy(s.policy, s.evaluated, at);
  }
  if (HAS_CORE_NEURONS && neuronSection(s.context)) {
    at = beginSection(at, "neurons", neuronSection(s.context));
    saveNeurons(s.context, at);
    at += neuronSection(s.context);
  }
  if (hasSource(s)) {
    at = beginSection(at, "source", sourceSection(s));
    store<u32>(at, s.isSourceRead);
    memory.copy(at + 4, s.source, (<usize>s.sourceCount) << 2);
    at += sourceSection(s);
  }
  at = beginSection(at, "state", <usize>stateSection(s, false));
  at = saveState(s, at, false);
  if (hasRecurrent(s.context.program)) {
    at = beginSection(at, "marks", <usize>stateSection(s, true));
    saveState(s, at, true);
  }
  store<u64>(target, checksum(target, length), 16);
  return 0;
}

function checksum(file: usize, length: usize): u64 {
  const start = load<u32>(file, 12) == 0 ? FNV_START : fnv(FNV_START, file + 12, 4);
  return fnv(start, file + HEADER, length - HEADER);
}

/** Whether the keys of a saved session were turned by the factors that this context has. */
export function hasSameRopes(c: Context, source: usize): bool {
  return load<u32>(source, 12) == longRopes(c);
}

/** A bit for each rope of the program that takes its long factors in this context. */
function longRopes(c: Context): u32 {
  let bits: u32 = 0;
  for (let i: u32 = 0; i < c.program.ropeCount; i++) {
    if (isLong(c.program.rope(i), c.tokenCapacity)) bits |= (<u32>1) << i;
  }
  return bits;
}

/** Returns where the section ends. */
function saveState(s: Session, at: usize, recurrent: bool): usize {
  const c = s.context;
  const p = c.program;
  store<u32>(at, p.layerCount);
  store<u32>(at, recurrent ? KvType.F32 : c.kvType, 4);
  at += 8;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const rows = rowsOf(c, layer, recurrent);
    memory.fill(at, 0, LAYER);
    if (changetype<usize>(rows) == 0) {
      copyText(at, KIND_NAME, kindName(0));
      at += LAYER;
      continue;
    }
    const list = rows.list(s.sequence, numberOf(p, layer, recurrent));
    copyText(at, KIND_NAME, kindName(rows.shape.kind));
    store<u32>(at, rows.rowBytes, KIND_NAME);
    store<u32>(at, list.count, KIND_NAME + 4);
    at += LAYER;
    memory.copy(at, list.positions, (<usize>list.count) << 2);
    at += (<usize>list.count) << 2;
    for (let i: u32 = 0; i < list.count; i++, at += rows.rowBytes)
      memory.copy(at, rows.row(list.row(i)), rows.rowBytes);
  }
  return at;
}

/** Whether these bytes are a session that this one can take the place of. */
export function checkSaved(s: Session, source: usize, length: u32): i32 {
  const status = checkHeader(s.core, source, length);
  return status == 0 ? checkSections(s, source, length) : status;
}

/** Everything is checked before anything changes. */
export function restoreSession(s: Session, source: usize, length: u32): i32 {
  if (s.context.running && !owns(s)) {
    return fail(
      s.core, ErrorCode.WRONG_STATE, "the context is in the middle of a pass: step it to its end or abort it",
    );
  }
  let status = checkSaved(s, source, length);
  if (status != 0) return status;
  const c = s.context;
  const tokens = findSection(source, length, "tokens");
  status = restoreSource(s, source, length);
  if (status != 0) return status;
  if (HAS_ADAPTERS) restoreAdapters(s, findSection(source, length, "adapters"));
  const exact = HAS_SAMPLERS ? findSection(source, length, "exact") : 0;
  s.evaluated = load<u32>(tokens);
  s.count = load<u32>(tokens, 4);
  memory.copy(s.tokens, tokens + 8, (<usize>s.count) << 2);
  if (HAS_CORE_NEURONS) restoreNeurons(s.context, findSection(source, length, "neurons"), s.count);
  readSampler(findSection(source, length, "sampler"), s.sampler);
  const policy = HAS_SAMPLERS ? findSection(source, length, "policy") : 0;
  // Keys that were turned by other factors are made anew, and so is what no policy has counted.
  if (!hasSameRopes(c, source) || (isPolicy(s.policy) && policy == 0)) {
    s.evaluated = 0;
    return 0;
  }
  if (exact && load<u32>(exact) < s.evaluated) s.exact = load<u32>(exact);
  restoreState(s, findSection(source, length, "state"), false);
  if (hasRecurrent(c.program)) restoreState(s, findSection(source, length, "marks"), true);
  if (isPolicy(s.policy)) restorePolicy(s.policy, policy);
  return 0;
}

function restoreState(s: Session, at: usize, recurrent: bool): void {
  const c = s.context;
  const p = c.program;
  at += 8;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const rows = rowsOf(c, layer, recurrent);
    const count = load<u32>(at, KIND_NAME + 4);
    const positions = at + LAYER;
    at = positions + ((<usize>count) << 2);
    const number = numberOf(p, layer, recurrent);
    const kept = recurrent ? count : keptRows(rows, count);
    for (let i: u32 = 0; i < count; i++, at += rows.rowBytes) {
      if (i + kept < count) continue;
      while (HAS_RECURRENT && recurrent && rows.room(number) == 0 && dropMark(rows, number));
      const index = appendRow(rows, number, s.sequence, <i32>u32At(positions, i));
      memory.copy(rows.row(rows.list(s.sequence, number).row(index)), at, rows.rowBytes);
    }
  }
}

/** Everything is forgotten, and what an encoder has to read is there. */
function restoreSource(s: Session, source: usize, length: u32): i32 {
  if (!hasSource(s)) {
    forget(s);
    return 0;
  }
  const at = findSection(source, length, "source");
  const count = <u32>((load<u64>(at - 8) - 4) >> 2);
  if (count == 0) {
    forget(s);
    s.sourceCount = 0;
    return 0;
  }
  const status = setSource(s, at + 4, count);
  if (status == 0) s.isSourceRead = load<u32>(at);
  return status;
}

function checkSource(s: Session, at: usize, bytes: usize): i32 {
  if (!hasSource(s) || bytes < 4 || bytes & 3 || load<u32>(at) > 1) return truncated(s.core);
  const count = <u32>((bytes - 4) >> 2);
  if (count == 0) return load<u32>(at) ? truncated(s.core) : 0;
  return checkSourceTokens(s, at + 4, count);
}

function checkHeader(core: Core, source: usize, length: u32): i32 {
  if (length < 8 || load<u32>(source) != MAGIC) {
    return fail(core, ErrorCode.BAD_FILE, "these bytes are not a session that this limpet saved");
  }
  const version = load<u32>(source, 4);
  if (version != VERSION) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "this session was saved in version {} of the format, and this limpet reads version {}; give its text again and \
save it anew", version, VERSION,
    );
  }
  if (<usize>length < HEADER) return truncated(core);
  if (load<u64>(source, 16) == checksum(source, length)) return 0;
  return truncated(core);
}

/** The sections follow each other to the end, each is known, and each that is needed is there once. */
function checkSections(s: Session, source: usize, length: u32): i32 {
  const core = s.core;
  const end = source + length;
  let at = source + HEADER;
  let known: u32 = 0;
  for (let i: u32 = 0, n = load<u32>(source, 8); i < n; i++) {
    if (end - at < SECTION || load<u64>(at, NAME) > <u64>(end - at - SECTION)) return truncated(core);
    const bytes = <usize>load<u64>(at, NAME);
    const section = at + SECTION;
    let status: i32 = 0;
    if (isNamed(at, "model")) status = checkModel(s, section, bytes);
    else if (isNamed(at, "tokens")) status = checkTokens(s, section, bytes);
    else if (isNamed(at, "sampler")) status = checkSampler(core, section, bytes);
    else if (HAS_ADAPTERS && isNamed(at, "adapters")) status = checkAdapters(s, section, bytes);
    else if (HAS_SAMPLERS && isNamed(at, "exact")) status = bytes == EXACT ? 0 : truncated(core);
    else if (HAS_SAMPLERS && isNamed(at, "policy")) status = checkPolicy(core, s.policy, section, bytes);
    else if (HAS_CORE_NEURONS && isNamed(at, "neurons")) status = checkNeurons(s.context, section, bytes);
    else if (isNamed(at, "source")) status = checkSource(s, section, bytes);
    else if (isNamed(at, "state")) status = checkState(s, section, bytes, false);
    else if (hasRecurrent(s.context.program) && isNamed(at, "marks")) status = checkState(s, section, bytes, true);
    else {
      return fail(
        core, ErrorCode.UNSUPPORTED,
        'this session has a section "{s}", which this limpet does not know; take a newer one',
        bytesOf(at, nameLength(at)),
      );
    }
    if (status != 0) return status;
    known += 1;
    at = section + bytes;
  }
  let wanted = sectionsOf(s);
  if (HAS_ADAPTERS) {
    const isThere = findSection(source, length, "adapters") != 0;
    const status = isThere ? 0 : checkAdapters(s, 0, 0);
    if (status != 0) return status;
    wanted += u32(isThere) - u32(adapterSection(s) != 0);
  }
  if (HAS_SAMPLERS) wanted += u32(findSection(source, length, "exact") != 0) - u32(isApproximate(s));
  const policy = isPolicy(s.policy) ? findSection(source, length, "policy") : 0;
  wanted -= u32(isPolicy(s.policy) && policy == 0);
  if (HAS_CORE_NEURONS && neuronSection(s.context) && findSection(source, length, "neurons") == 0) wanted -= 1;
  if (at != end || known != wanted || !isWhole(s, source, length)) return truncated(core);
  if (policy != 0) {
    const evaluated = load<u32>(findSection(source, length, "tokens"));
    const status = checkPolicyRows(core, s.policy, policy, findSection(source, length, "state"), evaluated);
    if (status != 0) return status;
  }
  return hasRecurrent(s.context.program) ? checkMarks(s, source, length) : 0;
}

/** The newest of the recurrent states must have taken in what is evaluated, and marks come in their order. */
function checkMarks(s: Session, source: usize, length: u32): i32 {
  const p = s.context.program;
  const evaluated = <i32>load<u32>(findSection(source, length, "tokens"));
  let at = findSection(source, length, "marks") + 8;
  for (let layer: u32 = 0; layer < p.layerCount; layer++, at += LAYER) {
    const count = load<u32>(at, KIND_NAME + 4);
    const rowBytes = load<u32>(at, KIND_NAME);
    let last: i32 = -1;
    for (let i: u32 = 0; i < count; i++) {
      const position = <i32>u32At(at + LAYER, i);
      if (position <= last) return otherTokens(s.core);
      last = position;
    }
    if (p.layer(layer).recurrent && last + 1 != evaluated) return otherTokens(s.core);
    at += <usize>count * (4 + <usize>rowBytes);
  }
  return 0;
}

function otherTokens(core: Core): i32 {
  return fail(core, ErrorCode.BAD_FILE, "this session's recurrent state is not that of its tokens; save it again");
}

function isWhole(s: Session, source: usize, length: u32): bool {
  return (
    (!hasSource(s) || findSection(source, length, "source") != 0) &&
    findSection(source, length, "model") != 0 &&
    findSection(source, length, "tokens") != 0 &&
    findSection(source, length, "sampler") != 0 &&
    findSection(source, length, "state") != 0 &&
    (!hasRecurrent(s.context.program) || findSection(source, length, "marks") != 0)
  );
}

function checkModel(s: Session, at: usize, bytes: usize): i32 {
  if (bytes != 8) return truncated(s.core);
  if (load<u64>(at) == fingerprint(modelOf(s.context))) return 0;
  return fail(s.core, ErrorCode.BAD_FILE, "this session belongs to another model");
}

function checkTokens(s: Session, at: usize, bytes: usize): i32 {
  const core = s.core;
  if (bytes < 8) return truncated(core);
  const evaluated = load<u32>(at);
  const count = load<u32>(at, 4);
  if (evaluated > count) return fail(core, ErrorCode.BAD_FILE, "this session has more rows than tokens; save it again");
  if (count > s.capacity) {
    return fail(
      core, ErrorCode.CONTEXT_FULL,
      "this session has more tokens than the context holds; make it longer (--ctx N, { context: N })",
    );
  }
  if (bytes != 8 + ((<usize>count) << 2)) return truncated(core);
  for (let i: u32 = 0; i < count; i++) {
    if (u32At(at + 8, i) >= s.context.program.vocabulary) {
      return fail(core, ErrorCode.BAD_FILE, "this session names a token that the vocabulary has not");
    }
  }
  return 0;
}

function checkState(s: Session, at: usize, bytes: usize, recurrent: bool): i32 {
  const core = s.core;
  const c = s.context;
  const p = c.program;
  const end = at + bytes;
  if (bytes < 8) return truncated(core);
  const type: u32 = recurrent ? KvType.F32 : c.kvType;
  if (load<u32>(at) != p.layerCount || load<u32>(at, 4) != type) return otherType(core);
  at += 8;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    if (end - at < LAYER) return truncated(core);
    const rows = rowsOf(c, layer, recurrent);
    const keepsNone = changetype<usize>(rows) == 0;
    const rowBytes: u32 = keepsNone ? 0 : rows.rowBytes;
    let kind: u32 = 0;
    while (kind < KIND_NAME && load<u8>(at + kind)) kind += 1;
    if (!sameText(at, kind, kindName(keepsNone ? 0 : rows.shape.kind))) return otherType(core);
    if (load<u32>(at, KIND_NAME) != rowBytes) return otherType(core);
    const count = load<u32>(at, KIND_NAME + 4);
    at += LAYER;
    const kept = keptRows(rows, count);
    // Rows that a policy has left are checked with it.
    const isWhole = !recurrent && !isPolicy(s.policy);
    if (count > kept && (keepsNone || (isWhole && rows.shape.window == 0))) return truncated(core);
    if (<u64>(end - at) < <u64>count * (4 + <u64>rowBytes)) return truncated(core);
    for (let i: u32 = 0; i < count; i++) {
      // Rows of a source stand before all positions.
      const isSource = !keepsNone && rows.shape.kind == StateKind.CROSS;
      if (u32At(at, i) + (isSource ? POSITION_LIMIT : 0) < <u32>POSITION_LIMIT) continue;
      return fail(core, ErrorCode.BAD_FILE, "this session has a row at a position that there is not; save it again");
    }
    // Rows that layers share are shared out by a policy.
    const isOver = HAS_SAMPLERS && !keepsNone && c.isShared && !isPolicy(s.policy) && kept > c.keptRows;
    if (isOver) return fail(core, ErrorCode.CONTEXT_FULL, "without a policy this context has no room for so many rows");
    if (!keepsNone && !recurrent && kept > freeRowsWithout(rows, numberOf(p, layer, recurrent), s.sequence)) {
      return fail(core, ErrorCode.CONTEXT_FULL, "other sequences leave no room for this session's rows");
    }
    at += <usize>count * (4 + <usize>rowBytes);
  }
  return at == end ? 0 : truncated(core);
}

/** How many of a layer's rows this context takes: where it has a window, the last ones will do. */
function keptRows(rows: Rows, count: u32): u32 {
  return changetype<usize>(rows) == 0 ? 0 : min(count, rows.capacity);
}

function otherType(core: Core): i32 {
  return fail(
    core, ErrorCode.BAD_FILE,
    "this session's cache has another type: open the model with the one it was saved with (--kv)",
  );
}

/**
 * FNV-1a over the architecture's name, the shape of the model and its last norm, which is in memory however the other
 * weights are kept.
 */
function fingerprint(model: Model): u64 {
  const p = model.program;
  const w = p.weights;
  let hash = fnv(FNV_START, model.gguf.architecture, model.gguf.architectureLength);
  hash = mix(hash, p.layerCount);
  hash = mix(hash, p.hidden);
  hash = mix(hash, p.vocabulary);
  hash = mix(hash, <u32>((w.fileBytes + w.streamedBytes) & 0xffff_ffff));
  for (let i: u32 = 0; i < p.stateCount; i++) hash = mix(hash, p.state(i).values);
  for (let i = p.outputStep; i < p.stepCount; i++) {
    const s = p.step(i);
    if (s.weight == NOTHING || s.op == Op.LINEAR) continue;
    const norm = p.weight(0, s.weight);
    if (norm.isVector) hash = fnv(hash, norm.data, (<usize>norm.columns) << 2);
  }
  return hash;
}

function mix(hash: u64, value: u32): u64 {
  for (let i = 0; i < 4; i++) hash = (hash ^ <u64>((value >> (i << 3)) & 255)) * 0x100_0000_01b3;
  return hash;
}
