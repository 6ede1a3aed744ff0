/** Tensors of a graph as text and as JSON: what they are, and their values. */
import { TensorType, elementBytes } from "../files/tflite";
import { Graph, GraphTensor } from "../graphs/records";
import { allocate } from "../memory/arena";
import { copyText, i32At, setI32, setU64, u32At, u64At } from "../memory/bytes";
import { Core } from "../memory/core";
import { Bytes, bytesOf, lengthOf, same, startOf, startsWith, tail } from "./bytes";
import {
  Output, charactersIn, clear, createOutput, putByte, putFloat as putDecimal, putFloat32, putInteger, putJson,
  putNumber, putPlain, putSpaces, putText,
} from "./output";

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
/** What a reader of numbers of 64 bits takes for whole; larger ones go by their digits. */
const WHOLE: f64 = 9007199254740991;
/** Room for a name of ours: `output 1234567890`. */
const NUMBERED: u32 = 24;
/** No descriptor: what is put there is measured and never written. */
const NOWHERE: u32 = 0xffff_ffff;

/** Which tensors of a graph are meant. */
export namespace Side {
  export const INPUTS: u32 = 0;
  export const OUTPUTS: u32 = 1;
}

/** A graph, and what its inputs and outputs are called. */
@unmanaged
export class Named {
  graph: Graph;
  /** Bytes[inputs + outputs] */
  names: usize;
  /** i32[COLUMNS]: of the table that is printed. */
  widths: usize;
}

const COLUMNS: u32 = 6;

/** The names of a graph's inputs and outputs; 0 with the error set. */
export function nameAll(core: Core, g: Graph): Named {
  const inputs = countOf(g, Side.INPUTS);
  const count = inputs + countOf(g, Side.OUTPUTS);
  const bytes = <u64>offsetof<Named>() + 4 * COLUMNS + 8;
  const n = changetype<Named>(allocate(core, bytes + <u64>count * (8 + NUMBERED), "the names of tensors"));
  if (changetype<usize>(n) == 0) return n;
  n.graph = g;
  n.widths = changetype<usize>(n) + offsetof<Named>();
  n.names = (n.widths + 4 * COLUMNS + 7) & ~(<usize>7);
  const room = n.names + ((<usize>count) << 3);
  for (let i: u32 = 0; i < count; i++) {
    const side = i < inputs ? Side.INPUTS : Side.OUTPUTS;
    setU64(n.names, i, findName(g, side, i < inputs ? i : i - inputs, room + <usize>i * NUMBERED));
  }
  return n;
}

export function countOf(g: Graph, side: u32): u32 {
  return side == Side.INPUTS ? g.subgraph(0).inputCount : g.subgraph(0).outputCount;
}

export function tensorOf(g: Graph, side: u32, i: u32): GraphTensor {
  const list = side == Side.INPUTS ? g.subgraph(0).inputs : g.subgraph(0).outputs;
  return g.tensor(u32At(list, i));
}

export function nameOf(n: Named, side: u32, i: u32): Bytes {
  return u64At(n.names, side == Side.INPUTS ? i : countOf(n.graph, Side.INPUTS) + i);
}

/** The name of a tensor; where the file gives none, one twice, or one of this form, `input 0`, written to `room`. */
function findName(g: Graph, side: u32, i: u32, room: usize): Bytes {
  const t = tensorOf(g, side, i);
  const own = bytesOf(t.name, t.nameLength);
  let isOnly = lengthOf(own) > 0 && !isNumbered(own, side);
  for (let k: u32 = 0; k < countOf(g, side) && isOnly; k++) {
    const other = tensorOf(g, side, k);
    if (k != i && same(own, bytesOf(other.name, other.nameLength))) isOnly = false;
  }
  if (isOnly) return own;
  let length = copyText(room, NUMBERED, side == Side.INPUTS ? "input " : "output ");
  let unit: u32 = 1;
  while (i / unit >= 10) unit *= 10;
  for (; unit > 0; unit /= 10) store<u8>(room + length++, 48 + <u8>((i / unit) % 10));
  return bytesOf(room, length);
}

function isNumbered(name: Bytes, side: u32): bool {
  if (!startsWith(name, side == Side.INPUTS ? "input " : "output ")) return false;
  const number = tail(name, side == Side.INPUTS ? 6 : 7);
  for (let k: u32 = 0; k < lengthOf(number); k++) if (load<u8>(startOf(number) + k) - 48 > 9) return false;
  return lengthOf(number) > 0;
}

/** What its values are, as src/api/graph.ts names it. */
function typeName(type: u32): string {
  switch (type) {
    case TensorType.F32: return "float32";
    case TensorType.F16: return "float16";
    case TensorType.I32: return "int32";
    case TensorType.U8: return "uint8";
    case TensorType.I64: return "int64";
    case TensorType.BOOL: return "bool";
    case TensorType.I16: return "int16";
    case TensorType.I8: return "int8";
    case TensorType.U32: return "uint32";
    default: return "uint16";
  }
}

export function putType(o: Output, t: GraphTensor): void {
  putText(o, typeName(t.type));
}

/** Its dimensions; a tensor without any is one value. */
export function putExtent(o: Output, t: GraphTensor): void {
  if (t.rank == 0) putByte(o, 49);
  putDimensions(o, t, " × ");
}

export function putDimensions(o: Output, t: GraphTensor, between: string): void {
  for (let d: u32 = 0; d < t.rank; d++) {
    if (d > 0) putText(o, between);
    putNumber(o, t.dim(d));
  }
}

/** A number of 32 bits in the fewest digits that tell it; whole ones in all of theirs. */
function putFloat(o: Output, value: f32): void {
  if (nearest(value) == value && abs(<f64>value) <= WHOLE) putInteger(o, <i64>value);
  else putFloat32(o, value);
}

/** All values of a tensor; JSON has no whole numbers of 64 bits, and nothing that is not finite. */
export function putValues(o: Output, t: GraphTensor, isJson: bool): void {
  const bytes = elementBytes(t.type);
  for (let i: u32 = 0; i < t.count; i++) {
    if (i > 0) putByte(o, isJson ? 0x2c : SPACE);
    const at = t.data + <usize>i * bytes;
    switch (t.type) {
      case TensorType.F32: {
        const value = load<f32>(at);
        if (isJson || value - value == 0) putFloat(o, value);
        else putText(o, value != value ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
        break;
      }
      case TensorType.I64:
        if (isJson) putByte(o, QUOTE);
        putInteger(o, load<i64>(at));
        if (isJson) putByte(o, QUOTE);
        break;
      case TensorType.I32: putInteger(o, load<i32>(at)); break;
      case TensorType.I16: putInteger(o, load<i16>(at)); break;
      case TensorType.I8: putInteger(o, load<i8>(at)); break;
      case TensorType.U32: putNumber(o, load<u32>(at)); break;
      case TensorType.F16:
      case TensorType.U16: putNumber(o, load<u16>(at)); break;
      default: putNumber(o, load<u8>(at));
    }
  }
}

function scaleOf(t: GraphTensor): f32 {
  return t.scaleCount > 0 ? t.scale : 0;
}

/** The fields of a tensor, without the braces around them. */
export function putFields(o: Output, t: GraphTensor, name: Bytes): void {
  putText(o, '"name":');
  putJson(o, startOf(name), lengthOf(name));
  putText(o, ',"type":"');
  putType(o, t);
  putText(o, '","shape":[');
  putDimensions(o, t, ",");
  putText(o, '],"scale":');
  putFloat(o, scaleOf(t));
  putText(o, ',"zero_point":');
  putInteger(o, t.zero);
}

/** How many kinds of memory there are. */
const KINDS: u32 = 6;

/** Bytes of memory by kind, in the order of `memoryWord`. */
function memoryBytes(g: Graph, kind: u32): u64 {
  switch (kind) {
    case 0: return g.file.size;
    case 1: return g.made;
    case 2: return g.placesBytes;
    case 3: return g.stateBytes;
    case 4: return g.scratchBytes;
    default: return g.apartBytes;
  }
}

function memoryWord(kind: u32): string {
  switch (kind) {
    case 0: return "file";
    case 1: return "constants";
    case 2: return "values";
    case 3: return "state";
    case 4: return "scratch";
    default: return "inputs";
  }
}

/** How many times the multiply-adds of a run without patches those of a run are. */
function factorOf(g: Graph): f64 {
  return g.wholeMacs > 0 ? <f64>g.macs / <f64>g.wholeMacs : 1;
}

/** What a graph takes and gives, as one line of JSON. */
export function putJsonDescription(o: Output, n: Named): void {
  const g = n.graph;
  for (let side = Side.INPUTS; side <= Side.OUTPUTS; side++) {
    putText(o, side == Side.INPUTS ? '{"inputs":[' : '],"outputs":[');
    for (let i: u32 = 0; i < countOf(g, side); i++) {
      putText(o, i > 0 ? ",{" : "{");
      putFields(o, tensorOf(g, side, i), nameOf(n, side, i));
      putText(o, "}");
    }
  }
  putText(o, '],"memory":{');
  for (let kind: u32 = 0; kind < KINDS; kind++) {
    putText(o, kind > 0 ? ',"' : '"');
    putText(o, memoryWord(kind));
    putText(o, '":');
    putNumber(o, memoryBytes(g, kind));
  }
  putText(o, '},"plan":{"patches":');
  putNumber(o, max(g.side * g.side, 1));
  putText(o, ',"stage_end":');
  if (g.stage > 0) putNumber(o, g.stage - 1);
  else putText(o, "null");
  putText(o, ',"factor":');
  putFloat32(o, <f32>factorOf(g));
  putText(o, '},"macs":');
  putNumber(o, g.macs);
  putText(o, "}\n");
}

/** … as tables. False when there is no room to measure them. */
export function putTables(core: Core, o: Output, n: Named): bool {
  const measure = createOutput(core, NOWHERE);
  if (changetype<usize>(measure) == 0) return false;
  const tensors = countOf(n.graph, Side.INPUTS) + countOf(n.graph, Side.OUTPUTS);
  putTable(o, n, measure, false, 1 + tensors, COLUMNS);
  putByte(o, 0x0a);
  putTable(o, n, measure, true, 1 + KINDS, 2);
  putByte(o, 0x0a);
  const g = n.graph;
  putNumber(o, g.macs);
  putText(o, " multiply-adds a run");
  if (g.stage > 0) {
    putText(o, ", x ");
    putDecimal(o, factorOf(g), 4);
    putText(o, ": operators 0 to ");
    putNumber(o, g.stage - 1);
    putText(o, " in ");
    putNumber(o, g.side * g.side);
    putText(o, " patches");
  }
  putByte(o, 0x0a);
  return true;
}

/** Columns beside each other; those of numbers end at the right. */
function putTable(o: Output, n: Named, measure: Output, ofMemory: bool, rows: u32, columns: u32): void {
  for (let column: u32 = 0; column < columns; column++) {
    let widest: i32 = 0;
    for (let row: u32 = 0; row < rows; row++) widest = max(widest, widthOf(n, measure, ofMemory, row, column));
    setI32(n.widths, column, widest);
  }
  for (let row: u32 = 0; row < rows; row++) {
    let spaces: i32 = 0;
    for (let column: u32 = 0; column < columns; column++) {
      const width = widthOf(n, measure, ofMemory, row, column);
      const missing = i32At(n.widths, column) - width;
      const isNumber = ofMemory ? column == 1 : column >= 4;
      spaces += (column > 0 ? 2 : 0) + (isNumber ? missing : 0);
      if (width > 0) {
        putSpaces(o, spaces);
        spaces = 0;
        putCell(o, n, ofMemory, row, column);
      }
      if (!isNumber) spaces += missing;
    }
    putByte(o, 0x0a);
  }
}

/** Characters of a cell. */
function widthOf(n: Named, measure: Output, ofMemory: bool, row: u32, column: u32): i32 {
  clear(measure);
  putCell(measure, n, ofMemory, row, column);
  return charactersIn(measure);
}

function putCell(o: Output, n: Named, ofMemory: bool, row: u32, column: u32): void {
  const g = n.graph;
  if (ofMemory) {
    if (row == 0) putText(o, column == 0 ? "memory" : "bytes");
    else if (column == 0) putText(o, memoryWord(row - 1));
    else putNumber(o, memoryBytes(g, row - 1));
    return;
  }
  if (row == 0) return putHead(o, column);
  const inputs = countOf(g, Side.INPUTS);
  const side = row <= inputs ? Side.INPUTS : Side.OUTPUTS;
  const i = row <= inputs ? row - 1 : row - 1 - inputs;
  const t = tensorOf(g, side, i);
  const name = nameOf(n, side, i);
  switch (column) {
    case 0: putText(o, side == Side.INPUTS ? "input" : "output"); break;
    case 1: putPlain(o, startOf(name), lengthOf(name)); break;
    case 2: putType(o, t); break;
    case 3: putExtent(o, t); break;
    case 4: if (scaleOf(t) != 0) putFloat(o, scaleOf(t)); break;
    default: if (scaleOf(t) != 0) putInteger(o, t.zero);
  }
}

function putHead(o: Output, column: u32): void {
  switch (column) {
    case 0: return;
    case 1: return putText(o, "name");
    case 2: return putText(o, "type");
    case 3: return putText(o, "shape");
    case 4: return putText(o, "scale");
    default: return putText(o, "zero point");
  }
}
