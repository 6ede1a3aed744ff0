/**
 * The ops: how each runs, and what memory it wants. One line an op in each list; what an op means stands beside its
 * number (program/program.ts), how it computes in its family's file. What no architecture of this build writes is not
 * in the build.
 */
import { attend, keep } from "./attention";
import {
  activate, capRows, gateRows, halveRows, scaleRows, sliceRows, sparsifyRows, squareRelu, sum,
} from "./elementwise";
import { embed } from "./embedding";
import { attendLatents, latentKernelScratch, latentScratch } from "./latent";
import { expertScratch, mixExperts, multiplyExperts, route, routeScratch } from "./experts";
import { linear, linearScratch } from "./linear";
import { hash, lookUp } from "./lookup";
import { advance, convolutionScratch, convolve, linkBytes, shiftTokens } from "./recurrent";
import { scan, scanScratch } from "./scan";
import { normalize, normalizeLayer } from "./norm";
import { prepareAngles, rotate } from "./rope";
import { joinRows, levelRows, mixRows, spreadRows } from "./streams";
import { tap } from "./tap";
import { attendWithin, biasByDistance, withinScratch } from "./within";
import { Status } from "../memory/core";
import { Context } from "../pass/context";
import {
  HAS_ATTENTION, HAS_ATTENTION_WITHIN, HAS_CLAMP, HAS_CLAMPED_SILU, HAS_CONVOLUTION, HAS_DELTA_RULE, HAS_DISTANCE_BIAS,
  HAS_DUAL_SCAN, HAS_EXPERTS, HAS_GATE, HAS_GELU, HAS_GELU_ERF, HAS_HALF, HAS_JOIN, HAS_LATENT_ATTENTION,
  HAS_LAYER_NORM, HAS_LOOK_UP, HAS_PRODUCT, HAS_RECURRENT, HAS_RELU, HAS_SCALE, HAS_SELECTIVE_SCAN, HAS_SIGMOID,
  HAS_SILU, HAS_SLICE, HAS_SOFTCAP, HAS_SPARSIFY, HAS_SQUARED_RELU, HAS_STREAMS, HAS_TANH, HAS_TOKEN_SHIFT, HAS_WKV6,
  HAS_WKV7, HAS_XIELU,
} from "../parts";
import { NOTHING, Op, Program, Step } from "../program/program";
import { attendScratchBytes } from "../kernels/attention/grouped";
import { columnScratchBytes } from "../kernels/quant/columns/columns";
import { matmulScratchBytes } from "../kernels/quant/matmul";
import { rowBytes } from "../kernels/quant/types";

const HAS_ACTIVATION: bool =
  HAS_SILU ||
  HAS_CLAMPED_SILU ||
  HAS_CLAMP ||
  HAS_GELU ||
  HAS_GELU_ERF ||
  HAS_XIELU ||
  HAS_RELU ||
  HAS_PRODUCT ||
  HAS_SIGMOID ||
  HAS_TANH;
const HAS_SCANS: bool = HAS_SELECTIVE_SCAN || HAS_DUAL_SCAN || HAS_DELTA_RULE || HAS_WKV6 || HAS_WKV7;

/** Does the step, or as much of it as the slice of work allows: DONE, MORE (enter it again), NEED_DATA or an error. */
export function runStep(c: Context, s: Step): i32 {
  switch (s.op) {
    case Op.EMBEDDING: return embed(c, s);
    case Op.ANGLES: return prepareAngles(c, s);
    case Op.RMS_NORM: return normalize(c, s);
    case Op.LAYER_NORM: return HAS_LAYER_NORM ? normalizeLayer(c, s) : Status.DONE;
    case Op.LINEAR: return linear(c, s);
    case Op.ROPE: return rotate(c, s);
    case Op.ADD: return sum(c, s);
    case Op.ACTIVATION: return HAS_ACTIVATION ? activate(c, s) : Status.DONE;
    case Op.SQUARED_RELU: return HAS_SQUARED_RELU ? squareRelu(c, s) : Status.DONE;
    case Op.KEEP: return keep(c, s);
    case Op.ATTENTION: return HAS_ATTENTION ? attend(c, s) : Status.DONE;
    case Op.LATENT_ATTENTION: return HAS_LATENT_ATTENTION ? attendLatents(c, s) : Status.DONE;
    case Op.HASH: return HAS_LOOK_UP ? hash(c, s) : Status.DONE;
    case Op.LOOK_UP: return HAS_LOOK_UP ? lookUp(c, s) : Status.DONE;
    case Op.TAP: return tap(c, s);
    case Op.SCALE: return HAS_SCALE ? scaleRows(c, s) : Status.DONE;
    case Op.SOFTCAP: return HAS_SOFTCAP ? capRows(c, s) : Status.DONE;
    case Op.GATE: return HAS_GATE ? gateRows(c, s) : Status.DONE;
    case Op.ROUTE: return HAS_EXPERTS ? route(c, s) : Status.DONE;
    case Op.EXPERTS: return HAS_EXPERTS ? multiplyExperts(c, s) : Status.DONE;
    case Op.MIX_EXPERTS: return HAS_EXPERTS ? mixExperts(c, s) : Status.DONE;
    case Op.SLICE: return HAS_SLICE ? sliceRows(c, s) : Status.DONE;
    case Op.SPARSIFY: return HAS_SPARSIFY ? sparsifyRows(c, s) : Status.DONE;
    case Op.MIX_STREAMS: return HAS_STREAMS ? mixRows(c, s) : Status.DONE;
    case Op.SPREAD: return HAS_STREAMS ? spreadRows(c, s) : Status.DONE;
    case Op.LEVEL: return HAS_STREAMS ? levelRows(c, s) : Status.DONE;
    case Op.JOIN: return HAS_JOIN ? joinRows(c, s) : Status.DONE;
    case Op.HALF: return HAS_HALF ? halveRows(c, s) : Status.DONE;
    case Op.ADVANCE: return HAS_RECURRENT ? advance(c, s) : Status.DONE;
    case Op.CONVOLUTION: return HAS_CONVOLUTION ? convolve(c, s) : Status.DONE;
    case Op.TOKEN_SHIFT: return HAS_TOKEN_SHIFT ? shiftTokens(c, s) : Status.DONE;
    case Op.SELECTIVE_SCAN:
    case Op.DUAL_SCAN:
    case Op.DELTA_RULE:
    case Op.WKV6:
    case Op.WKV7: return HAS_SCANS ? scan(c, s) : Status.DONE;
    case Op.ATTENTION_WITHIN: return HAS_ATTENTION_WITHIN ? attendWithin(c, s) : Status.DONE;
    case Op.DISTANCE_BIAS: return HAS_DISTANCE_BIAS ? biasByDistance(c, s) : Status.DONE;
    default: return Status.DONE;
  }
}

/** Bytes that a step of a layer needs for itself, as long as it runs. */
export function stepScratch(p: Program, layer: u32, s: Step, rows: u32, batch: u32): u64 {
  switch (s.op) {
    case Op.LINEAR: return linearScratch(p, layer, s, batch);
    case Op.EXPERTS: return HAS_EXPERTS ? expertScratch(p, layer, s, batch) : 0;
    case Op.CONVOLUTION:
    case Op.TOKEN_SHIFT:
    case Op.SELECTIVE_SCAN:
    case Op.DUAL_SCAN:
    case Op.DELTA_RULE:
    case Op.WKV6:
    case Op.WKV7: return HAS_RECURRENT ? linkBytes(batch) : 0;
    case Op.LATENT_ATTENTION: return HAS_LATENT_ATTENTION ? latentScratch(p, layer, s, rows, batch) : 0;
    default: return 0;
  }
}

/** Bytes that the kernels of a step ask for, a thread. */
export function kernelScratch(p: Program, layer: u32, s: Step, rows: u32, batch: u32): u64 {
  switch (s.op) {
    case Op.EMBEDDING: {
      const weight = p.weight(layer, s.weight);
      return rowBytes(weight.type, weight.columns);
    }
    case Op.LINEAR: {
      const weight = p.weight(layer, s.weight);
      const plain: u64 = matmulScratchBytes(weight.type, batch);
      return weight.mayTurn
        ? max<u64>(plain, columnScratchBytes(weight.type, weight.rows, weight.columns, batch))
        : plain;
    }
    case Op.ROUTE: return HAS_EXPERTS ? routeScratch(p, s) : 0;
    case Op.EXPERTS: return HAS_EXPERTS ? matmulScratchBytes(p.weight(layer, s.weight).type, batch) : 0;
    case Op.ACTIVATION: return <u64>p.value(s.in0).width * 4;
    case Op.ATTENTION: {
      const shape = p.state(p.layer(layer).state);
      return attendScratchBytes(s.n0, rows, shape.first, shape.second) + (s.in2 == NOTHING ? 0 : <u64>rows * 4);
    }
    case Op.ATTENTION_WITHIN: return HAS_ATTENTION_WITHIN ? withinScratch(p, s, batch) : 0;
    case Op.LATENT_ATTENTION:
      if (!HAS_LATENT_ATTENTION) return 0;
      return max<u64>(
        latentKernelScratch(p, layer, s, rows), matmulScratchBytes(p.weight(layer, s.weight).type, max(batch, rows)),
      );
    case Op.LOOK_UP: return <u64>p.value(s.in0).width * 4;
    case Op.CONVOLUTION: return HAS_CONVOLUTION ? convolutionScratch(s.n0, p.value(s.in0).width) : 0;
    case Op.DUAL_SCAN:
    case Op.DELTA_RULE:
    case Op.WKV6:
    case Op.WKV7: return HAS_SCANS ? scanScratch(p, s) : 0;
    default: return 0;
  }
}
