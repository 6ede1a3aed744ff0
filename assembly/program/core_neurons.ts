/**
 * Core neurons (CoreInfer, Wang et al. 2024, arXiv:2410.18311): of a feed-forward network a sequence's later tokens use
 * the neurons that were largest most often while its prompt was read, and no others.
 *
 *     prompt, dense     h ─► the share α of each token's largest |h| is counted, neuron by neuron     counts, sums
 *     first token       counts ─► the share β of all neurons, those counted most often: the list
 *                       rows of up and gate of the list, packed anew; down neuron by neuron where that can be
 *     each token        h[list] = act(gate' m) ⊙ (up' m), 0 elsewhere ─► down reads what is not 0
 *
 * A layer takes part whose network is SwiGLU or ReLU², without biases, its matrices in memory. The layer behind which
 * only tokens go on whose logits are asked for stays dense: of a prompt it sees the last token alone.
 *
 *     block   ┌ CoreNeurons ┬ CoreLayer[layers] ┬ Weight[3 · layers] ┬ rows, thresholds ┬ scratch ┬ of each layer:
 *             └─────────────┴───────────────────┴────────────────────┴──────────────────┴─────────┘ counts … down
 */
import { Activation, NOTHING, Kind, Op, Place, Program, Step } from "./program";
import { columnScratchBytes, columnsPayFrom, suitsColumnPacking } from "../kernels/quant/columns/columns";
import { packedGroupBytes } from "../kernels/quant/index";
import { rowBytes } from "../kernels/quant/types";
import { isWide } from "../weights/turn";
import { GROUP_ROWS, Weight, WeightState } from "../weights/weight";

/** Fewer tokens than this say too little of those that follow: until then all neurons are used. */
export const LEAST_TOKENS: u32 = 64;
/** Tokens whose activations are held at once to be counted. */
export const COUNTED_AT_ONCE: u32 = 16;

/** A layer: its network, what was counted, and what was packed of it. */
@unmanaged
export class CoreLayer {
  /** The step that makes h; null: the layer stays dense. */
  step: Step;
  /** Neurons, and how many are used. */
  width: u32;
  kept: u32;
  /** Positions below this one are counted. */
  counted: u32;
  /** Which choice of neurons is packed, 0: none; and whether `down` is. */
  choice: u32;
  hasDown: u32;
  /** u32[width]: how often; f32[width]: Σ |h|; u32[kept]: the neurons, ascending. */
  counts: usize;
  sums: usize;
  list: usize;
  /** The model's weights, gate and up, down; null: there is no gate. */
  up: Weight;
  gate: Weight;
  down: Weight;
  /** What stands for them: Weight[3], in this order. */
  packed: usize;

  @inline
  standIn(index: u32): Weight {
    return changetype<Weight>(this.packed + <usize>index * offsetof<Weight>());
  }
}

@unmanaged
export class CoreNeurons {
  /** Shares β of all neurons and α of each token's, and the layers that take part. */
  share: f64;
  alpha: f64;
  first: u32;
  end: u32;
  /** The last of them. */
  last: u32;
  layerCount: u32;
  /** Tokens from this position on were generated. */
  promptEnd: u32;
  /** Tokens that were counted, how many of them the choice at work knows of, and its number. */
  tokens: u32;
  chosen: u32;
  choice: u32;
  layers: usize;
  /** f32[COUNTED_AT_ONCE][width], u32[COUNTED_AT_ONCE] */
  rows: usize;
  thresholds: usize;
  rowBytes: usize;
  /** What is packed is packed here; each thread's products by columns need as much. */
  scratch: usize;
  scratchBytes: usize;

  @inline
  layer(index: u32): CoreLayer {
    return changetype<CoreLayer>(this.layers + <usize>index * offsetof<CoreLayer>());
  }

  /** What stands for a weight of this layer, which may be itself. */
  @inline
  standIn(layer: u32, weight: Weight): Weight {
    const l = this.layer(layer);
    if (weight == l.up) return l.standIn(0);
    if (weight == l.gate) return l.standIn(1);
    return weight == l.down && l.hasDown ? l.standIn(2) : weight;
  }
}

/** Whether a layer takes part; what is found stands in `l`, and the indices of its weights in the layer. */
export function findNetwork(p: Program, layer: u32, l: CoreLayer): bool {
  if (layer == p.narrowLayer) return false;
  const kind = p.kind(p.layer(layer).kind);
  for (let i = kind.firstStep; i < kind.firstStep + kind.steps; i++) {
    const s = p.step(i);
    const isGated = s.op == Op.ACTIVATION && s.n0 == Activation.SILU && s.in1 != NOTHING && s.n1 == 0;
    if (!isGated && s.op != Op.SQUARED_RELU) continue;
    const gate = makerOf(p, kind, s.in0);
    const up = isGated ? makerOf(p, kind, s.in1) : gate;
    const down = readerOf(p, kind, s.out);
    if (gate == null || up == null || down == null) continue;
    l.step = s;
    l.up = p.weight(layer, up.weight);
    l.gate = isGated ? p.weight(layer, gate.weight) : changetype<Weight>(0);
    l.down = p.weight(layer, down.weight);
    l.width = l.up.rows;
    if (!isPlain(up, l.up, l.width) || !isPlain(gate, isGated ? l.gate : l.up, l.width)) continue;
    if (l.down.columns == l.width && l.down.state != WeightState.STREAMED) return true;
  }
  return false;
}

/** Whether single rows of a product's matrix can be packed anew. */
function isPlain(s: Step, weight: Weight, rows: u32): bool {
  const isOwn = (s.weight & Place.SHARED) == 0 && s.bias == NOTHING;
  return isOwn && weight.state != WeightState.STREAMED && weight.slabs == 1 && weight.rows == rows;
}

/** The linear that makes a value. */
function makerOf(p: Program, kind: Kind, value: u32): Step | null {
  for (let i = kind.firstStep; i < kind.firstStep + kind.steps; i++) {
    const s = p.step(i);
    if (s.op == Op.LINEAR && s.out == value && s.weight != NOTHING) return s;
  }
  return null;
}

/** The linear that reads a value. */
function readerOf(p: Program, kind: Kind, value: u32): Step | null {
  for (let i = kind.firstStep; i < kind.firstStep + kind.steps; i++) {
    const s = p.step(i);
    if (s.op == Op.LINEAR && s.in0 == value && s.n0 == 0 && s.weight != NOTHING) return s;
  }
  return null;
}

/** Neurons of so many that are used. */
@inline
function keptOf(width: u32, share: f64): u32 {
  return max<u32>(<u32>(share * <f64>width), 1);
}

/** Whether a copy of `down` lies neuron by neuron: where it does not turn by itself, and so many zeros pay. */
function packsDown(l: CoreLayer, share: f64): bool {
  const down = l.down;
  if (down.mayTurn || !isWide(down) || !suitsColumnPacking(down.type, down.rows)) return false;
  return (1 - share) * 16 >= <f64>columnsPayFrom(down.type);
}

/** Bytes of the block; 0: no layer of these takes part. */
export function coreNeuronBytes(p: Program, share: f64, first: u32, end: u32, threads: u32): u64 {
  return layOut(changetype<CoreNeurons>(0), p, share, first, end, threads);
}

/** Makes what lies in a block of so many zeroed bytes. */
export function initCoreNeurons(
  n: CoreNeurons, p: Program, share: f64, alpha: f64, first: u32, end: u32, threads: u32,
): void {
  n.share = share;
  n.alpha = alpha;
  n.first = first;
  n.end = end;
  layOut(n, p, share, first, end, threads);
}

/** Lays the block out; with none it only counts: so what is planned is what is taken. */
function layOut(n: CoreNeurons, p: Program, share: f64, first: u32, end: u32, threads: u32): u64 {
  const isMade = changetype<usize>(n) != 0;
  const spare = changetype<CoreLayer>(memory.data(offsetof<CoreLayer>(), 8));
  let width: u32 = 0;
  let scratch: usize = 0;
  let last = NOTHING;
  for (let layer = first; layer < end; layer++) {
    if (!findNetwork(p, layer, spare)) continue;
    last = layer;
    width = max(width, spare.width);
    scratch = max(scratch, <usize>GROUP_ROWS * <usize>spare.up.fileRowBytes);
    if (spare.gate) scratch = max(scratch, <usize>GROUP_ROWS * <usize>spare.gate.fileRowBytes);
    if (!packsDown(spare, share)) continue;
    scratch = max(scratch, columnScratchBytes(spare.down.type, spare.down.rows, spare.down.columns, 1));
  }
  if (last == NOTHING) return 0;
  const base = changetype<usize>(n);
  const layers = aligned(offsetof<CoreNeurons>());
  const weights = aligned(layers + <u64>p.layerCount * offsetof<CoreLayer>());
  const rows = aligned(weights + <u64>p.layerCount * 3 * offsetof<Weight>());
  const thresholds = rows + <u64>COUNTED_AT_ONCE * width * 4;
  const work = aligned(thresholds + COUNTED_AT_ONCE * 4);
  let at = work + aligned(scratch) * threads;
  if (isMade) {
    n.last = last;
    n.layerCount = p.layerCount;
    n.layers = base + <usize>layers;
    n.rows = base + <usize>rows;
    n.rowBytes = (<usize>width) << 2;
    n.thresholds = base + <usize>thresholds;
    n.scratch = base + <usize>work;
    n.scratchBytes = <usize>aligned(scratch);
  }
  for (let layer = first; layer < end; layer++) {
    const l = isMade ? n.layer(layer) : spare;
    if (!findNetwork(p, layer, l)) {
      memory.fill(changetype<usize>(l), 0, offsetof<CoreLayer>());
      continue;
    }
    l.kept = keptOf(l.width, share);
    l.packed = base + <usize>(weights + <u64>layer * 3 * offsetof<Weight>());
    const counted = aligned(<u64>l.width * 4);
    l.counts = base + <usize>at;
    l.sums = l.counts + <usize>counted;
    l.list = l.sums + <usize>counted;
    at += 2 * counted + aligned(<u64>l.kept * 4);
    at += layOutPacked(isMade, l, 0, l.up, l.kept, base + <usize>at);
    if (l.gate) at += layOutPacked(isMade, l, 1, l.gate, l.kept, base + <usize>at);
    if (!packsDown(l, share)) continue;
    if (isMade) {
      layOutPacked(true, l, 2, l.down, l.down.rows, base + <usize>at);
      l.standIn(2).byColumns = 1;
    }
    at += aligned(l.down.bytes);
  }
  return at;
}

/** A weight that stands for one of the model's, with its first `rows` rows' bytes at `data`; how many these are. */
function layOutPacked(isMade: bool, l: CoreLayer, index: u32, weight: Weight, rows: u32, data: usize): u64 {
  if (isMade) {
    const packed = l.standIn(index);
    memory.copy(changetype<usize>(packed), changetype<usize>(weight), offsetof<Weight>());
    packed.rows = rows;
    packed.data = data;
    packed.byColumns = 0;
    packed.mayTurn = 0;
  }
  return aligned(<u64>((rows + (GROUP_ROWS - 1)) / GROUP_ROWS) * packedGroupBytes(weight.type, weight.columns));
}

@inline
function aligned(bytes: u64): u64 {
  return (bytes + 63) & ~(<u64>63);
}
