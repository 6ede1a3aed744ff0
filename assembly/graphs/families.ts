/**
 * Which family an operator belongs to: how it is prepared at load, and how it runs. A build may leave out families
 * (parts.ts), but for views and SHAPE, which are next to nothing.
 */
import {
  HAS_GRAPH_CONVOLUTION, HAS_GRAPH_FULLY_CONNECTED, HAS_GRAPH_POOL, HAS_GRAPH_ELEMENTWISE, HAS_GRAPH_UNARY,
  HAS_GRAPH_REDUCTION, HAS_GRAPH_ARRANGEMENT, HAS_GRAPH_JOINT, HAS_GRAPH_GATHER, HAS_GRAPH_RESIZE, HAS_GRAPH_STATE,
  HAS_GRAPH_ARG_MAX, HAS_GRAPH_TRANSPOSED, HAS_GRAPH_MATMUL, HAS_GRAPH_ROWS, HAS_GRAPH_SIGNAL, HAS_GRAPH_LSTM,
  HAS_GRAPH_SVDF, HAS_GRAPH_TOP, HAS_GRAPH_DENSIFY, HAS_GRAPH_CONTROL,
} from "../parts";
import { prepareArrangement, runArrangement } from "./arrangement";
import { prepareUnary, runUnary } from "./activation";
import { leftOut, refuse } from "./check";
import { prepareControl } from "./control";
import {
  isTransposeBias, prepareConvolution, prepareFullyConnected, preparePool, prepareTransposed, runConvolution,
  runFullyConnected, runTransposed,
} from "./convolution";
import { prepareMatmul, prepareRows, runMatmul, runRows } from "./rows";
import { prepareDensify, runDensify } from "./densify";
import { prepareElementwise, runElementwise } from "./elementwise";
import { prepareGather, prepareJoint, runGather, runJoint } from "./joining";
import { Operator } from "./operators";
import { prepareArgMax, prepareReduction, runArgMax, runReduction } from "./reduction";
import { Graph, GraphStep } from "./records";
import { prepareResize, runResize } from "./resize";
import { prepareLstm, runLstm } from "./recurrent";
import { prepareSignal, runSignal } from "./signal";
import { prepareSvdf, runSvdf } from "./svdf";
import { prepareTop, runTop } from "./top";
import { prepareShape, prepareView, runShape } from "./view";
import { prepareState, runState } from "./state";

export namespace Family {
  export const NONE: u32 = 0;
  export const CONVOLUTION: u32 = 1;
  export const FULLY_CONNECTED: u32 = 2;
  export const POOL: u32 = 3;
  export const ELEMENTWISE: u32 = 4;
  export const UNARY: u32 = 5;
  export const REDUCTION: u32 = 6;
  export const ARRANGEMENT: u32 = 7;
  export const JOINT: u32 = 8;
  export const GATHER: u32 = 9;
  export const RESIZE: u32 = 10;
  export const VIEW: u32 = 11;
  export const STATE: u32 = 12;
  export const ARG_MAX: u32 = 13;
  export const SHAPE: u32 = 14;
  export const TRANSPOSED: u32 = 15;
  export const MATMUL: u32 = 16;
  export const ROWS: u32 = 17;
  export const TOP: u32 = 18;
  export const DENSIFY: u32 = 19;
  export const SIGNAL: u32 = 20;
  export const LSTM: u32 = 21;
  export const SVDF: u32 = 22;
  export const CONTROL: u32 = 23;
}

export function familyOf(op: u32): u32 {
  switch (op) {
    case Operator.CONV_2D:
    case Operator.DEPTHWISE_CONV_2D: return Family.CONVOLUTION;
    case Operator.FULLY_CONNECTED: return Family.FULLY_CONNECTED;
    case Operator.AVERAGE_POOL_2D:
    case Operator.MAX_POOL_2D: return Family.POOL;
    case Operator.ADD:
    case Operator.SUB:
    case Operator.MUL:
    case Operator.DIV:
    case Operator.MAXIMUM:
    case Operator.MINIMUM:
    case Operator.SQUARED_DIFFERENCE:
    case Operator.POW:
    case Operator.PRELU:
    case Operator.EQUAL:
    case Operator.LESS:
    case Operator.GREATER:
    case Operator.SELECT_V2: return Family.ELEMENTWISE;
    case Operator.QUANTIZE:
    case Operator.DEQUANTIZE:
    case Operator.CAST:
    case Operator.SOFTMAX:
    case Operator.LOGISTIC:
    case Operator.TANH:
    case Operator.HARD_SWISH:
    case Operator.LEAKY_RELU:
    case Operator.RELU:
    case Operator.RELU6:
    case Operator.GELU:
    case Operator.EXP:
    case Operator.LOG:
    case Operator.SQRT:
    case Operator.RSQRT:
    case Operator.SQUARE:
    case Operator.ABS:
    case Operator.NEG: return Family.UNARY;
    case Operator.MEAN:
    case Operator.SUM:
    case Operator.REDUCE_MAX:
    case Operator.REDUCE_MIN: return Family.REDUCTION;
    case Operator.PAD:
    case Operator.PADV2:
    case Operator.MIRROR_PAD:
    case Operator.TRANSPOSE:
    case Operator.STRIDED_SLICE:
    case Operator.SLICE:
    case Operator.TILE:
    case Operator.BROADCAST_TO:
    case Operator.DEPTH_TO_SPACE:
    case Operator.SPACE_TO_DEPTH: return Family.ARRANGEMENT;
    case Operator.CONCATENATION:
    case Operator.PACK:
    case Operator.SPLIT:
    case Operator.SPLIT_V:
    case Operator.UNPACK: return Family.JOINT;
    case Operator.GATHER: return Family.GATHER;
    case Operator.RESIZE_BILINEAR:
    case Operator.RESIZE_NEAREST_NEIGHBOR: return Family.RESIZE;
    case Operator.RESHAPE:
    case Operator.SQUEEZE:
    case Operator.EXPAND_DIMS: return Family.VIEW;
    case Operator.CALL_ONCE:
    case Operator.VAR_HANDLE:
    case Operator.READ_VARIABLE:
    case Operator.ASSIGN_VARIABLE: return Family.STATE;
    case Operator.ARG_MAX: return Family.ARG_MAX;
    case Operator.SHAPE: return Family.SHAPE;
    case Operator.TRANSPOSE_CONV: return Family.TRANSPOSED;
    case Operator.BATCH_MATMUL: return Family.MATMUL;
    case Operator.L2_NORMALIZATION:
    case Operator.LOG_SOFTMAX: return Family.ROWS;
    case Operator.IF:
    case Operator.WHILE: return Family.CONTROL;
    case Operator.UNIDIRECTIONAL_SEQUENCE_LSTM: return Family.LSTM;
    case Operator.SVDF: return Family.SVDF;
    case Operator.TOPK_V2: return Family.TOP;
    case Operator.DENSIFY: return Family.DENSIFY;
    default: return op >= Operator.SIGNAL_WINDOW ? Family.SIGNAL : Family.NONE;
  }
}

/** Whether a step keeps something, or needs to run each time for another reason: it is never folded. */
export function isStateful(op: u32): bool {
  const family = familyOf(op);
  return family == Family.STATE || family >= Family.SIGNAL;
}

/** Checks a step's operands and makes what it needs of its constants; below zero: an error. */
export function prepare(g: Graph, step: GraphStep): i32 {
  switch (familyOf(step.op)) {
    case Family.CONVOLUTION: return HAS_GRAPH_CONVOLUTION ? prepareConvolution(g, step) : leftOut(g, step);
    case Family.FULLY_CONNECTED: return HAS_GRAPH_FULLY_CONNECTED ? prepareFullyConnected(g, step) : leftOut(g, step);
    case Family.POOL: return HAS_GRAPH_POOL ? preparePool(g, step) : leftOut(g, step);
    case Family.ELEMENTWISE: return HAS_GRAPH_ELEMENTWISE ? prepareElementwise(g, step) : leftOut(g, step);
    case Family.UNARY: return HAS_GRAPH_UNARY ? prepareUnary(g, step) : leftOut(g, step);
    case Family.REDUCTION: return HAS_GRAPH_REDUCTION ? prepareReduction(g, step) : leftOut(g, step);
    case Family.ARRANGEMENT: return HAS_GRAPH_ARRANGEMENT ? prepareArrangement(g, step) : leftOut(g, step);
    case Family.JOINT: return HAS_GRAPH_JOINT ? prepareJoint(g, step) : leftOut(g, step);
    case Family.GATHER: return HAS_GRAPH_GATHER ? prepareGather(g, step) : leftOut(g, step);
    case Family.RESIZE: return HAS_GRAPH_RESIZE ? prepareResize(g, step) : leftOut(g, step);
    case Family.VIEW: return prepareView(g, step);
    case Family.STATE: return HAS_GRAPH_STATE ? prepareState(g, step) : leftOut(g, step);
    case Family.ARG_MAX: return HAS_GRAPH_ARG_MAX ? prepareArgMax(g, step) : leftOut(g, step);
    case Family.SHAPE: return prepareShape(g, step);
    case Family.TRANSPOSED: return HAS_GRAPH_TRANSPOSED ? prepareTransposed(g, step) : leftOut(g, step);
    case Family.MATMUL: return HAS_GRAPH_MATMUL ? prepareMatmul(g, step) : leftOut(g, step);
    case Family.ROWS: return HAS_GRAPH_ROWS ? prepareRows(g, step) : leftOut(g, step);
    case Family.SIGNAL: return HAS_GRAPH_SIGNAL ? prepareSignal(g, step) : leftOut(g, step);
    case Family.LSTM: return HAS_GRAPH_LSTM ? prepareLstm(g, step) : leftOut(g, step);
    case Family.SVDF: return HAS_GRAPH_SVDF ? prepareSvdf(g, step) : leftOut(g, step);
    case Family.TOP: return HAS_GRAPH_TOP ? prepareTop(g, step) : leftOut(g, step);
    case Family.DENSIFY: return HAS_GRAPH_DENSIFY ? prepareDensify(g, step) : leftOut(g, step);
    case Family.CONTROL: return HAS_GRAPH_CONTROL ? prepareControl(g, step) : leftOut(g, step);
    default:
      if (!isTransposeBias(step)) return refuse(g, step, "no kernel has this name");
      return HAS_GRAPH_TRANSPOSED ? prepareTransposed(g, step) : leftOut(g, step);
  }
}

/** Rows begin … end − 1 of a step's output; below zero: an error. */
export function run(g: Graph, step: GraphStep, begin: u32, end: u32): i32 {
  switch (familyOf(step.op)) {
    case Family.CONVOLUTION:
    case Family.POOL:
      if (HAS_GRAPH_CONVOLUTION || HAS_GRAPH_POOL) runConvolution(g, step, begin, end);
      return 0;
    case Family.FULLY_CONNECTED:
      if (HAS_GRAPH_FULLY_CONNECTED) runFullyConnected(g, step, begin, end);
      return 0;
    case Family.ELEMENTWISE:
      if (HAS_GRAPH_ELEMENTWISE) runElementwise(g, step);
      return 0;
    case Family.UNARY:
      if (HAS_GRAPH_UNARY) runUnary(g, step);
      return 0;
    case Family.REDUCTION:
      if (HAS_GRAPH_REDUCTION) runReduction(g, step);
      return 0;
    case Family.ARRANGEMENT:
      if (HAS_GRAPH_ARRANGEMENT) runArrangement(g, step);
      return 0;
    case Family.JOINT:
      if (HAS_GRAPH_JOINT) runJoint(g, step);
      return 0;
    case Family.GATHER: return HAS_GRAPH_GATHER ? runGather(g, step) : 0;
    case Family.RESIZE:
      if (HAS_GRAPH_RESIZE) runResize(g, step, begin, end);
      return 0;
    case Family.STATE:
      if (HAS_GRAPH_STATE) runState(g, step);
      return 0;
    case Family.ARG_MAX:
      if (HAS_GRAPH_ARG_MAX) runArgMax(g, step);
      return 0;
    case Family.SHAPE:
      runShape(g, step);
      return 0;
    case Family.MATMUL:
      if (HAS_GRAPH_MATMUL) runMatmul(g, step, begin, end);
      return 0;
    case Family.ROWS:
      if (HAS_GRAPH_ROWS) runRows(g, step);
      return 0;
    case Family.SIGNAL:
      if (HAS_GRAPH_SIGNAL) runSignal(g, step);
      return 0;
    case Family.LSTM:
      if (HAS_GRAPH_LSTM) runLstm(g, step, begin, end);
      return 0;
    case Family.SVDF:
      if (HAS_GRAPH_SVDF) runSvdf(g, step);
      return 0;
    case Family.TOP:
      if (HAS_GRAPH_TOP) runTop(g, step);
      return 0;
    case Family.DENSIFY: return HAS_GRAPH_DENSIFY ? runDensify(g, step) : 0;
    case Family.VIEW:
      memory.copy(g.output(step).data, g.input(step, 0).data, g.output(step).bytes);
      return 0;
    default:
      if (HAS_GRAPH_TRANSPOSED) runTransposed(g, step, begin, end);
      return 0;
  }
}
