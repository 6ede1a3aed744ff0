/**
 * `graph`: what a .tflite network takes and gives; with inputs, what it answers, or the checksums of all that its
 * operators write. Word for word as src/cli/graph.ts. A file may hold the values of several runs, one behind the other.
 */
import { createGraph, loadSlice } from "../graphs/load";
import { Graph, GraphFlag } from "../graphs/records";
import { sideWanted } from "../graphs/patches";
import { runSlice, runStep } from "../graphs/run";
import { allocate } from "../memory/arena";
import { setU32, setU64, u32At, u64At } from "../memory/bytes";
import { Status } from "../memory/core";
import { Bytes, fromText, lengthOf, same, startOf, tail } from "./bytes";
import { Command, FAILURE, SUCCESS, argument, failure, flag, given, repeated, usageError, whole } from "./command";
import { NO_FLAG, NO_JSON } from "./usage";
import { Use, fileSize, isModel, openFile, readAt } from "./files";
import {
  Named, Side, countOf, nameAll, nameOf, putDimensions, putExtent, putFields, putJsonDescription, putTables, putType,
  putValues, tensorOf,
} from "./graph_values";
import { fd_close } from "./imports";
import {
  Output, createOutput, flush, putByte, putBytes, putJson, putNumber, putPlain, putText, putWords,
} from "./output";

const EQUALS: u8 = 0x3d;
const LINE: u8 = 0x0a;

export function graph(c: Command): i32 {
  if (!given(c, "input") && (given(c, "out") || given(c, "trace"))) {
    return usageError(c, NO_FLAG, fromText(c.core, "--input"));
  }
  if (given(c, "trace") && given(c, "json")) return usageError(c, NO_JSON, fromText(c.core, "--trace"));
  const g = loadGraph(c, argument(c, 0), given(c, "trace") ? GraphFlag.TRACED : 0);
  if (changetype<usize>(g) == 0) return FAILURE;
  const n = nameAll(c.core, g);
  if (changetype<usize>(n) == 0) return failure(c);
  if (given(c, "input")) return runAll(c, n);
  if (given(c, "json")) putJsonDescription(c.out, n);
  else if (!putTables(c.core, c.out, n)) return failure(c);
  return SUCCESS;
}

/** A network of a file; null, and the reason is printed. */
function loadGraph(c: Command, path: Bytes, flags: u32): Graph {
  const none = changetype<Graph>(0);
  const fd = openFile(c, path, Use.READ);
  const size = fd < 0 ? -1 : fileSize(c, <u32>fd, path);
  if (size < 0) return none;
  const g = createGraph(c.core, <u64>size, flags);
  if (changetype<usize>(g) == 0) {
    failure(c);
    return none;
  }
  g.budget = whole(c, "values-memory");
  if (readAt(c, <u32>fd, path, 0, g.fileBytes, <u32>size) != SUCCESS) return none;
  fd_close(<u32>fd);
  let status: i32 = Status.MORE;
  while (status == Status.MORE) status = loadSlice(c.core, g);
  if (status == Status.DONE) return g;
  failure(c);
  return none;
}

/** Runs the network as often as the files of its inputs have values for. */
function runAll(c: Command, n: Named): i32 {
  const g = n.graph;
  const inputs = countOf(g, Side.INPUTS);
  const files = allocate(c.core, 12 * <u64>inputs + 1, "the inputs' files");
  if (files == 0) return failure(c);
  const descriptors = files + 8 * <usize>inputs;
  if (!shareFiles(c, n, files)) return FAILURE;
  const runs = openInputs(c, n, files, descriptors);
  if (runs < 0) return FAILURE;
  let out = changetype<Output>(0);
  if (given(c, "out")) {
    out = createOutputFile(c, inputs, files);
    if (changetype<usize>(out) == 0) return FAILURE;
  }
  for (let run: i64 = 0; run < runs; run++) {
    for (let i: u32 = 0; i < inputs; i++) {
      const t = tensorOf(g, Side.INPUTS, i);
      if (t.patch != 0) continue;
      if (readAt(c, u32At(descriptors, i), u64At(files, i), <u64>run * t.bytes, t.data, t.bytes) != SUCCESS)
        return FAILURE;
    }
    let status: i32 = Status.MORE;
    while (status > Status.DONE) {
      status = given(c, "trace") ? traceStep(c, g) : runSlice(c.core, g);
      if (status == Status.NEED_DATA && !feedParts(c, g, files, descriptors, run)) return FAILURE;
    }
    if (status < 0) return failure(c);
    if (changetype<usize>(out) != 0) putRaw(out, g);
    else if (!given(c, "trace")) putOutputs(c, n);
  }
  if (changetype<usize>(out) == 0) return SUCCESS;
  flush(out);
  fd_close(out.fd);
  if (out.failed == 0) return SUCCESS;
  putText(c.err, "limpet: cannot write ");
  putWords(c.err, flag(c, "out"));
  putByte(c.err, LINE);
  return FAILURE;
}

/** Reads the parts of inputs that a patch wants. */
function feedParts(c: Command, g: Graph, files: usize, descriptors: usize, run: i64): bool {
  for (let i: u32 = 0; i < countOf(g, Side.INPUTS); i++) {
    const t = tensorOf(g, Side.INPUTS, i);
    const top = sideWanted(t, 0), bottom = sideWanted(t, 1), left = sideWanted(t, 2), right = sideWanted(t, 3);
    if (top >= bottom || left >= right) continue;
    const row = t.bytes / t.dim(1), pixel = row / t.dim(2), length = (right - left) * pixel;
    let target = t.data;
    for (let y = top; y < bottom; y++, target += length) {
      const at = <u64>run * t.bytes + <u64>y * row + left * pixel;
      if (readAt(c, u32At(descriptors, i), u64At(files, i), at, target, length) != SUCCESS) return false;
    }
  }
  return true;
}

/** The file of each input: NAME=FILE where NAME is one's name; the others go to the inputs that are left, in order. */
function shareFiles(c: Command, n: Named, files: usize): bool {
  const inputs = countOf(n.graph, Side.INPUTS);
  for (let k: u32 = 0; ; k++) {
    const one = repeated(c, "input", k);
    if (one == 0) break;
    const i = inputNamed(n, one);
    if (i < 0) continue;
    if (u64At(files, i) != 0) {
      beginError(c, n, i);
      putText(c.err, " was given twice\n");
      return false;
    }
    setU64(files, i, tail(one, lengthOf(nameOf(n, Side.INPUTS, i)) + 1));
  }
  let k: u32 = 0;
  for (let i: u32 = 0; i < inputs; i++) {
    if (u64At(files, i) != 0) continue;
    while (repeated(c, "input", k) != 0 && inputNamed(n, repeated(c, "input", k)) >= 0) k += 1;
    const one = repeated(c, "input", k++);
    if (one == 0) {
      beginError(c, n, i);
      putKind(c, n, i);
      putText(c.err, ", has no file: --input ");
      putWords(c.err, nameOf(n, Side.INPUTS, i));
      putText(c.err, "=FILE\n");
      return false;
    }
    setU64(files, i, one);
  }
  while (repeated(c, "input", k) != 0 && inputNamed(n, repeated(c, "input", k)) >= 0) k += 1;
  const surplus = repeated(c, "input", k);
  if (surplus == 0) return true;
  putText(c.err, "limpet: ");
  putWords(c.err, surplus);
  putText(c.err, " is one input too many; the network has ");
  for (let i: u32 = 0; i < inputs; i++) {
    if (i > 0) putText(c.err, ", ");
    putWords(c.err, nameOf(n, Side.INPUTS, i));
  }
  putByte(c.err, LINE);
  return false;
}

/** The input that a word of NAME=FILE names; −1: none. */
function inputNamed(n: Named, word: Bytes): i32 {
  for (let i: u32 = 0; i < countOf(n.graph, Side.INPUTS); i++) {
    const name = nameOf(n, Side.INPUTS, i);
    const length = lengthOf(name);
    if (length >= lengthOf(word) || load<u8>(startOf(word) + length) != EQUALS) continue;
    if (memory.compare(startOf(name), startOf(word), length) == 0) return <i32>i;
  }
  return -1;
}

/** Opens the files of inputs: how many runs they have values for; −1, and the reason is printed. */
function openInputs(c: Command, n: Named, files: usize, descriptors: usize): i64 {
  let runs: i64 = -1;
  for (let i: u32 = 0; i < countOf(n.graph, Side.INPUTS); i++) {
    const path = u64At(files, i);
    const fd = openFile(c, path, Use.READ);
    const size = fd < 0 ? -1 : fileSize(c, <u32>fd, path);
    if (size < 0) return -1;
    setU32(descriptors, i, <u32>fd);
    const bytes = <i64>tensorOf(n.graph, Side.INPUTS, i).bytes;
    const own = bytes == 0 ? 1 : size / bytes;
    if (own == 0 || own * bytes != size) {
      putText(c.err, "limpet: ");
      putWords(c.err, path);
      putText(c.err, " has ");
      putNumber(c.err, size);
      putText(c.err, " bytes, and input ");
      putWords(c.err, nameOf(n, Side.INPUTS, i));
      putKind(c, n, i);
      putText(c.err, ", has ");
      putNumber(c.err, bytes);
      putByte(c.err, LINE);
      return -1;
    }
    if (i > 0 && own != runs) {
      putText(c.err, "limpet: ");
      putWords(c.err, path);
      putText(c.err, " has values for ");
      putNumber(c.err, own);
      putText(c.err, " runs, and ");
      putWords(c.err, u64At(files, 0));
      putText(c.err, " for ");
      putNumber(c.err, runs);
      putByte(c.err, LINE);
      return -1;
    }
    runs = own;
  }
  return max<i64>(runs, 1);
}

function beginError(c: Command, n: Named, i: u32): void {
  putText(c.err, "limpet: input ");
  putWords(c.err, nameOf(n, Side.INPUTS, i));
}

/** What an input wants: `, int8 [1, 96, 96, 1]`. */
function putKind(c: Command, n: Named, i: u32): void {
  const t = tensorOf(n.graph, Side.INPUTS, i);
  putText(c.err, ", ");
  putType(c.err, t);
  putText(c.err, " [");
  putDimensions(c.err, t, ", ");
  putText(c.err, "]");
}

/** The file that outputs go to; null, and the reason is printed. */
function createOutputFile(c: Command, inputs: u32, files: usize): Output {
  const none = changetype<Output>(0);
  const path = flag(c, "out");
  let isRead = isModel(c, path);
  for (let i: u32 = 0; i < inputs; i++) if (same(path, u64At(files, i))) isRead = true;
  if (isRead) {
    putText(c.err, "limpet: ");
    putWords(c.err, path);
    putText(c.err, " is a model or an input: choose another name for the outputs\n");
    return none;
  }
  const fd = openFile(c, path, Use.WRITE);
  if (fd < 0) return none;
  const out = createOutput(c.core, <u32>fd);
  if (changetype<usize>(out) == 0) failure(c);
  return out;
}

/** The bytes of all outputs, one behind the other. */
function putRaw(out: Output, g: Graph): void {
  for (let i: u32 = 0; i < countOf(g, Side.OUTPUTS); i++) {
    const t = tensorOf(g, Side.OUTPUTS, i);
    putBytes(out, t.data, t.bytes);
  }
}

/** The values of all outputs: a line each, or one line of JSON. */
function putOutputs(c: Command, n: Named): void {
  const isJson = given(c, "json");
  const o = c.out;
  for (let i: u32 = 0; i < countOf(n.graph, Side.OUTPUTS); i++) {
    const t = tensorOf(n.graph, Side.OUTPUTS, i);
    const name = nameOf(n, Side.OUTPUTS, i);
    if (isJson) {
      putText(o, i > 0 ? ",{" : "[{");
      putFields(o, t, name);
      putText(o, ',"values":[');
      putValues(o, t, true);
      putText(o, "]}");
      continue;
    }
    putJson(o, startOf(name), lengthOf(name));
    putText(o, " ");
    putType(o, t);
    putText(o, " ");
    putExtent(o, t);
    putText(o, ": ");
    putValues(o, t, false);
    putByte(o, LINE);
  }
  if (isJson) putText(o, "]\n");
}

/** Runs one operator, and prints the checksum of what it wrote: `3 CONV_2D int8 1 × 48 × 48 × 8: 00c0ffee`. */
function traceStep(c: Command, g: Graph): i32 {
  const index = g.next;
  const step = g.step(index);
  const status = runStep(c.core, g);
  if (status < 0 || !step.runs) return status;
  for (let i: u32 = 0; i < step.outputCount; i++) {
    const t = g.output(step, i);
    if (t.bytes == 0) continue;
    putNumber(c.out, index);
    putText(c.out, " ");
    putPlain(c.out, step.name, step.nameLength);
    putText(c.out, " ");
    putType(c.out, t);
    putText(c.out, " ");
    putExtent(c.out, t);
    putText(c.out, ": ");
    putHex(c.out, crc32(t.data, t.bytes));
    putByte(c.out, LINE);
  }
  return status;
}

function putHex(o: Output, value: u32): void {
  for (let shift: i32 = 28; shift >= 0; shift -= 4) {
    const digit = <u8>((value >> shift) & 15);
    putByte(o, digit < 10 ? 48 + digit : 87 + digit);
  }
}

/** CRC-32 as zlib and PNG have it. */
function crc32(at: usize, length: u32): u32 {
  let sum: u32 = 0xffff_ffff;
  for (let i: u32 = 0; i < length; i++) {
    sum ^= load<u8>(at + i);
    for (let bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? 0xedb8_8320 : 0);
  }
  return ~sum;
}
