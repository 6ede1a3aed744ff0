/**
 * Patch by patch (MCUNetV2, arXiv:2110.15352, §3.1): images are largest at the beginning of a network. So its first
 * steps, the stage, are computed for one rectangle of the image at their end after the other, and what lies between is
 * in memory only as far as that rectangle needs it. What rectangles share is computed for each: memory against work.
 *
 *     image          ┌──┬──┐   stage: steps 0 … end − 1, for each of n × n        the image at its end, whole;
 *     (fed)      ──► │▓▓│  │   rectangles of its last image              ──►      all steps behind it as always
 *                    ├──┼──┤
 *                    └──┴──┘
 *
 * Rows a … b − 1 of what a filter writes need the rows a · s − p … (b − 1) · s − p + (k − 1) · d of what it reads, cut
 * off at the image's edges: what is cut off is its padding, so all bits are those of the whole run. Columns alike, and
 * each without the other: n intervals of either describe n · n rectangles. Of the image itself, too, only what a
 * rectangle wants is in memory: the host writes it before each. An input that the first step turns or slices lies whole
 * beside the values (apart), and counts as they do.
 */
import { elementBytes } from "../files/tflite";
import { runArrangementLine } from "./arrangement";
import { knownInteger } from "./check";
import { Filters, slideOver } from "./convolution";
import { isByLines, runElementwiseLine } from "./elementwise";
import { Family, familyOf, run } from "./families";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, Place, sameShape } from "./records";

/** Of what a step of the stage writes, or of a fed input: which part is wanted for a rectangle of the stage's end. */
@unmanaged
export class Patch {
  /** The part that is in memory now: rows top … bottom − 1, columns left … right − 1; none where they are not more. */
  top: i32;
  bottom: i32;
  left: i32;
  right: i32;
  /** Whether all of it is in memory: it is the image at the end of the stage. */
  whole: u32;
  /** The most rows and columns of a part, and those of all parts together. */
  rows: u32;
  columns: u32;
  allRows: u32;
  allColumns: u32;

  @inline
  get tall(): u32 {
    return <u32>max(this.bottom - this.top, 0);
  }

  @inline
  get wide(): u32 {
    return <u32>max(this.right - this.left, 0);
  }
}

/** How many steps from the first on may belong to a stage. */
export function longestStage(g: Graph): u32 {
  const main = g.subgraph(0);
  let i: u32 = 0;
  for (; i < main.steps; i++) {
    const step = g.step(i);
    if (step.runs ? !mayBePatched(g, step) : !isGone(g, step)) break;
  }
  return i;
}

/** Whether a step that does not run leaves nothing behind but constants. */
function isGone(g: Graph, step: GraphStep): bool {
  for (let i: u32 = 0; i < step.outputCount; i++) {
    const t = g.output(step, i);
    if (t.place != Place.CONSTANT && !(step.op == Operator.PAD && t.place == Place.PLANNED)) return false;
  }
  return true;
}

/** Whether a part of a step's output can be computed of a part of its input. */
function mayBePatched(g: Graph, step: GraphStep): bool {
  if (step.outputCount != 1 || !g.has(step, 0)) return false;
  const y = g.output(step);
  if (y.place != Place.PLANNED || y.rank != 4 || y.dim(0) != 1 || y.count == 0) return false;
  const x = g.input(step, 0);
  if (x.count == 0) return false;
  switch (familyOf(step.op)) {
    case Family.CONVOLUTION:
    case Family.POOL: return x.place == Place.PLANNED;
    case Family.UNARY: return x.place == Place.PLANNED && sameShape(x, y);
    case Family.ELEMENTWISE: return isByLines(g, step);
    case Family.ARRANGEMENT:
      // Of an input of the graph all is there, whichever part is wanted.
      if (isInput(g, load<u32>(step.inputs))) return true;
      return (step.op == Operator.PAD || step.op == Operator.PADV2) && x.place == Place.PLANNED && x.dim(0) == 1;
    default: return false;
  }
}

function isInput(g: Graph, tensor: u32): bool {
  const main = g.subgraph(0);
  for (let i: u32 = 0; i < main.inputCount; i++) if (load<u32>(main.inputs + ((<usize>i) << 2)) == tensor) return true;
  return false;
}

/** The part of input `i` of the graph that is wanted; null where it is not fed. */
function fedPart(g: Graph, i: u32): Patch {
  const main = g.subgraph(0);
  return changetype<Patch>(g.tensor(load<u32>(main.inputs + ((<usize>i) << 2))).patch);
}

/** Side 0 … 3 (top, bottom, left, right) of the part of a fed input that the patch under way wants; of others 0. */
export function sideWanted(t: GraphTensor, side: u32): u32 {
  return t.patch == 0 || side > 3 ? 0 : load<u32>(t.patch + offsetof<Patch>("top") + ((<usize>side) << 2));
}

/** Whether the steps of the stage want parts of an input alone. */
function mayBeFed(g: Graph, tensor: u32): bool {
  const t = g.tensor(tensor);
  if (t.place != Place.PLANNED || t.rank != 4 || t.dim(0) != 1) return false;
  let isRead = false;
  for (let i: u32 = 0; i < g.stage; i++) {
    const step = g.step(i);
    if (!step.runs) continue;
    for (let k: u32 = 0; k < step.inputCount; k++) {
      if (load<u32>(step.inputs + ((<usize>k) << 2)) != tensor) continue;
      if (familyOf(step.op) == Family.ARRANGEMENT && step.op != Operator.PAD && step.op != Operator.PADV2) return false;
      isRead = true;
    }
  }
  return isRead;
}

/** Whether nothing but what step `last` writes crosses from the steps up to it to those behind: lifetimes say it. */
export function isCut(g: Graph, last: u32): bool {
  if (!g.step(last).runs) return false;
  const end = load<u32>(g.step(last).outputs);
  if (g.tensor(end).last <= last) return false;
  for (let i: u32 = 0; i <= last; i++) {
    const step = g.step(i);
    if (!step.runs) continue;
    for (let k: u32 = 0; k < step.inputCount; k++) {
      if (g.has(step, k) && g.input(step, k).place != Place.CONSTANT && g.input(step, k).last > last) return false;
    }
    const out = load<u32>(step.outputs);
    if (out != end && g.tensor(out).last > last) return false;
  }
  return true;
}

/** Takes back what `divide` said of all tensors. */
export function undivide(g: Graph): void {
  for (let i: u32 = 0; i < g.tensorCount; i++) {
    const t = g.tensor(i);
    t.patch = 0;
    t.room = t.bytes;
    if (t.place == Place.APART) t.place = Place.PLANNED;
  }
  g.stage = 0;
  g.side = 0;
  g.feeds = 0;
  g.apartBytes = 0;
}

/**
 * Divides the graph: the steps before `stage` run for each of side × side rectangles. Says of every tensor how much
 * room it needs; the multiply-adds of a run. `patches`: Patch[stage + inputs of the graph].
 */
export function divide(g: Graph, patches: usize, stage: u32, side: u32): u64 {
  undivide(g);
  g.stage = stage;
  g.side = side;
  const main = g.subgraph(0), all = stage + main.inputCount;
  memory.fill(patches, 0, <usize>all * offsetof<Patch>());
  for (let i = stage; i < all; i++) {
    const input = load<u32>(main.inputs + ((<usize>(i - stage)) << 2));
    if (g.tensor(input).patch != 0 || !mayBeFed(g, input)) continue;
    g.tensor(input).patch = patches + <usize>i * offsetof<Patch>();
    g.feeds += 1;
  }
  for (let i: u32 = 0; i < stage; i++) {
    const step = g.step(i);
    const p = changetype<Patch>(patches + <usize>i * offsetof<Patch>());
    if (!step.runs) continue;
    g.output(step).patch = changetype<usize>(p);
    p.whole = u32(i + 1 == stage);
    for (let k: u32 = 0; k < step.inputCount; k++) {
      if (!g.has(step, k)) continue;
      const t = g.input(step, k);
      if (t.patch != 0 || t.place != Place.PLANNED) continue;
      t.place = Place.APART;
      g.apartBytes += (<u64>t.bytes + 15) & ~15;
    }
  }
  // Rows do not depend on columns: the rectangles along the diagonal show all intervals of both.
  for (let i: u32 = 0; i < side; i++) {
    aim(g, i, i);
    for (let k: u32 = 0; k < all; k++) {
      const p = k < stage ? patchOf(g, g.step(k)) : fedPart(g, k - stage);
      if (p == null) continue;
      p.rows = max(p.rows, p.tall);
      p.columns = max(p.columns, p.wide);
      p.allRows += p.tall;
      p.allColumns += p.wide;
    }
  }
  let macs: u64 = 0;
  for (let i: u32 = 0; i < g.stepCount; i++) {
    const step = g.step(i);
    if (!step.runs) continue;
    const p = i < stage ? patchOf(g, step) : changetype<Patch>(0);
    if (p == null) {
      macs += step.macs;
      continue;
    }
    const y = g.output(step);
    macs += (step.macs / (<u64>y.dim(1) * y.dim(2))) * p.allRows * p.allColumns;
    if (!p.whole) y.room = roomOf(y, p);
  }
  for (let i: u32 = 0; i < main.inputCount; i++) {
    const t = g.tensor(load<u32>(main.inputs + ((<usize>i) << 2)));
    if (t.patch != 0) t.room = roomOf(t, changetype<Patch>(t.patch));
  }
  return macs;
}

function roomOf(t: GraphTensor, p: Patch): u32 {
  return p.rows * p.columns * t.dim(3) * elementBytes(t.type);
}

/** The part of what a running step of the stage writes; null of others. */
@inline
export function patchOf(g: Graph, step: GraphStep): Patch {
  return changetype<Patch>(step.runs ? g.output(step).patch : 0);
}

/** Finds what rectangle (i, j) of the stage's end wants of all that leads to it. */
export function aim(g: Graph, i: u32, j: u32): void {
  const all = g.stage + g.subgraph(0).inputCount;
  for (let k: u32 = 0; k < all; k++) {
    const p = k < g.stage ? patchOf(g, g.step(k)) : fedPart(g, k - g.stage);
    if (p == null) continue;
    p.top = 0;
    p.bottom = 0;
    p.left = 0;
    p.right = 0;
  }
  const last = g.step(g.stage - 1);
  const end = patchOf(g, last);
  const y = g.output(last);
  end.top = border(y.dim(1), i, g.side);
  end.bottom = border(y.dim(1), i + 1, g.side);
  end.left = border(y.dim(2), j, g.side);
  end.right = border(y.dim(2), j + 1, g.side);
  for (let k = <i32>g.stage - 1; k >= 0; k--) {
    const step = g.step(k);
    const p = patchOf(g, step);
    if (p == null) continue;
    for (let n: u32 = 0; n < step.inputCount; n++) {
      if (!g.has(step, n)) continue;
      const x = g.input(step, n);
      if (x.patch == 0) continue;
      const from = changetype<Patch>(x.patch);
      const rows = changetype<usize>(from), columns = rows + offsetof<Patch>("left");
      if (p.top < p.bottom) want(g, step, 0, p.top, p.bottom, x.dim(1), rows);
      if (p.left < p.right) want(g, step, 1, p.left, p.right, x.dim(2), columns);
    }
  }
}

@inline
function border(size: u32, i: u32, side: u32): i32 {
  return <i32>((<u64>size * i) / side);
}

/** Adds what begin … end − 1 of a step's output, rows (0) or columns (1), want of an input to what is wanted of it. */
function want(g: Graph, step: GraphStep, axis: u32, begin: i64, end: i64, size: u32, interval: usize): void {
  switch (familyOf(step.op)) {
    case Family.CONVOLUTION:
    case Family.POOL: {
      const s = changetype<Filters>(step.parameters).sliding;
      const stride = axis == 0 ? s.strideY : s.strideX, before = axis == 0 ? s.padTop : s.padLeft;
      const filter = axis == 0 ? s.filterHeight : s.filterWidth, dilation = axis == 0 ? s.dilationY : s.dilationX;
      begin = begin * stride - before;
      end = (end - 1) * stride - before + <i64>(filter - 1) * dilation + 1;
      break;
    }
    case Family.ARRANGEMENT: {
      const before = knownInteger(g.input(step, 1), 2 + 2 * axis);
      begin -= before;
      end -= before;
      break;
    }
  }
  begin = max(begin, 0);
  end = min(end, <i64>size);
  if (begin >= end) return;
  const isFirst = load<i32>(interval) >= load<i32>(interval, 4);
  store<i32>(interval, isFirst ? <i32>begin : min(load<i32>(interval), <i32>begin));
  store<i32>(interval, isFirst ? <i32>end : max(load<i32>(interval, 4), <i32>end), 4);
}

/** Where pixel (y, x) of a tensor lies, whether all of it is in memory or the part that is wanted. */
function pixelAt(t: GraphTensor, y: i32, x: i32): usize {
  const p = changetype<Patch>(t.patch);
  const bytes = <usize>t.dim(3) * elementBytes(t.type);
  if (p == null || p.whole) return t.data + (<usize>y * t.dim(2) + x) * bytes;
  return t.data + (<usize>(y - p.top) * p.wide + (x - p.left)) * bytes;
}

/** Rows begin … end − 1 of the part of a step's output that is wanted. */
export function runPatch(g: Graph, step: GraphStep, begin: u32, end: u32): i32 {
  const p = patchOf(g, step);
  for (let y = p.top + <i32>begin, last = p.top + <i32>end; y < last; y++) {
    const status = runRow(g, step, p, y);
    if (status < 0) return status;
  }
  return 0;
}

function runRow(g: Graph, step: GraphStep, p: Patch, y: i32): i32 {
  const out = g.output(step);
  const target = pixelAt(out, y, p.left);
  switch (familyOf(step.op)) {
    case Family.CONVOLUTION:
    case Family.POOL: {
      const s = changetype<Filters>(step.parameters).sliding;
      const x = g.input(step, 0);
      const from = changetype<Patch>(x.patch);
      s.source = x.data;
      if (from != null) {
        s.top = from.top;
        s.left = from.left;
        s.columns = <i32>from.wide;
      }
      s.target = target;
      s.outTop = y;
      s.outLeft = p.left;
      s.outColumns = <i32>p.wide;
      slideOver(g, step, y, y + 1);
      return 0;
    }
    case Family.ARRANGEMENT: {
      const from = changetype<Patch>(g.input(step, 0).patch);
      if (from == null) runArrangementLine(g, step, y, p.left, p.wide, target, 0, 0, 0);
      else runArrangementLine(g, step, y, p.left, p.wide, target, from.top, from.left, from.wide);
      return 0;
    }
    default: return runLine(g, step, y, p.left, p.wide, target);
  }
}

/** Runs a step element by element on the pixels of a line: it sees tensors that are no more than this line. */
function runLine(g: Graph, step: GraphStep, y: i32, x: i32, pixels: u32, target: usize): i32 {
  const out = g.output(step);
  const a = g.input(step, 0);
  const b = step.inputCount > 1 && g.has(step, 1) ? g.input(step, 1) : a;
  const wholeOut = out.data, wholeA = a.data, wholeB = b.data, countOut = out.count, countA = a.count;
  const isPair = familyOf(step.op) == Family.ELEMENTWISE;
  const lineA = isPair && !sameShape(a, out) ? wholeA : pixelAt(a, y, x);
  const lineB = isPair && !sameShape(b, out) ? wholeB : pixelAt(b, y, x);
  out.data = target;
  a.data = lineA;
  let status = 0;
  if (isPair) {
    b.data = lineB;
    runElementwiseLine(g, step, pixels);
    b.data = wholeB;
  } else {
    out.count = pixels * out.dim(3);
    a.count = out.count;
    status = run(g, step, 0, 1);
    out.count = countOut;
    a.count = countA;
  }
  out.data = wholeOut;
  a.data = wholeA;
  return status;
}
