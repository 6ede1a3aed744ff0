/**
 * `doctor`: what the host gives, and whether the kernels of this build compute right there. Each block format
 * multiplies a small matrix, whose product is made once more from the dequantised values in f64; the bits of all
 * products have one hash, which is the same in every host and in the portable and the scalar build. The fast build has
 * a hash of its own, and sums products of bytes in both ways that it has, which give the same bits.
 */
import { tensorTypeName } from "../files/type_names";
import {
  ActivationPrecision, IN_QUADS, PRECISION_SHIFT, meetsBytes, operandRowBytes, precisionFor, quantizeAs,
} from "../kernels/quant/activations/precision";
import { ByteDots, hasQuads } from "../kernels/quant/byte_dots";
import { matmulRows, matmulScratchBytes } from "../kernels/quant/matmul";
import { dequantizeRow, multipliesFloats, packGroup, packedGroupBytes, quantizeRow } from "../kernels/quant/index";
import { Type, blockBytes, blockElements, hasCodebook, rowBytes } from "../kernels/quant/types";
import { allocateRaw } from "../memory/arena";
import { FNV_START, f32At, fnv, setF32 } from "../memory/bytes";
import { Command, FAILURE, SUCCESS, hostScratch, failure } from "./command";
import { buildName, now } from "./load";
import { Errno, fd_prestat_dir_name, fd_prestat_get } from "./imports";
import { Output, putByte, putBytes, putNumber, putText } from "./output";

const ROWS: u32 = 8;
const COLUMNS: u32 = 512;
const TYPES: u32 = 64;
/** How near a product is, of its operands' lengths: of activations of 16 bits, and of 14 in the fast build. */
const TOLERANCE: f64 = ASC_FEATURE_RELAXED_SIMD ? 5e-4 : 1e-4;

/** Buffers of a check, in one block. */
@unmanaged
class Bench {
  values: usize;
  file: usize;
  packed: usize;
  x: usize;
  quantized: usize;
  row: usize;
  product: usize;
  scratch: usize;
}

export function doctor(c: Command): i32 {
  const o = c.out;
  putText(o, "limpet, ");
  putText(o, buildName());
  putText(o, ASC_FEATURE_RELAXED_SIMD ? " build (relaxed " : ASC_FEATURE_SIMD ? " build (" : " build (no ");
  putText(o, ASC_FEATURE_SIMD ? "SIMD128)" : "SIMD)");
  putText(o, ", wasi_snapshot_preview1\n");
  printFolders(c);
  putText(o, now(c) > 0 ? "clock      there\n" : "clock      lacks: bench cannot measure\n");
  putText(o, "memory     ");
  putNumber(o, (<u64>memory.size()) << 16);
  putText(o, " bytes now, at most 4294967296, less where the host limits it\n");
  if (ASC_FEATURE_RELAXED_SIMD) {
    putText(o, "bytes      are summed in ");
    putText(o, c.core.byteDots == ByteDots.QUADS ? "quads\n" : "pairs\n");
  }
  const bench = allocateRaw(c.core, offsetof<Bench>(), "a check");
  const b = changetype<Bench>(bench);
  if (bench == 0 || !reserve(c, b)) return failure(c);
  let wrong: u32 = 0;
  let formats: u32 = 0;
  let hash = FNV_START;
  fillRandom(b.values, ROWS * COLUMNS, 1);
  fillRandom(b.x, COLUMNS, 2);
  for (let type: u32 = 0; type < TYPES; type++) {
    if (blockElements(type) == 0) continue;
    formats += 1;
    multiply(b, type);
    if (!isNear(b, type) || !agrees(b, type)) {
      wrong += 1;
      putText(o, "kernel     ");
      putText(o, tensorTypeName(type));
      putText(o, " computes wrong\n");
    }
    hash = fnv(hash, b.product, 4 * ROWS);
  }
  putText(o, "kernels    ");
  putNumber(o, formats - wrong);
  putText(o, " of ");
  putNumber(o, formats);
  putText(o, " block formats multiply right; hash ");
  putHex(o, hash);
  putByte(o, 0x0a);
  if (wrong == 0) return SUCCESS;
  putText(c.err, "limpet: this host does not compute as WebAssembly demands: report it to its makers\n");
  return FAILURE;
}

function printFolders(c: Command): void {
  const o = c.out;
  putText(o, "folders    ");
  const name = allocateRaw(c.core, 4096, "the name of a folder");
  let fd: u32 = 3;
  for (; name != 0 && fd_prestat_get(fd, hostScratch(c)) != Errno.BADF; fd++) {
    const length = load<u32>(hostScratch(c), 4);
    if (length > 4096 || fd_prestat_dir_name(fd, name, length) != 0) break;
    if (fd > 3) putText(o, ", ");
    putBytes(o, name, length);
  }
  putText(o, fd == 3 ? "none: the host opens no folder for the command\n" : "\n");
}

function reserve(c: Command, b: Bench): bool {
  const floats: u64 = 4 * COLUMNS;
  // Large enough for every format: none takes more than four bytes a value, and none more scratch than these two.
  let scratch = max(matmulScratchBytes(Type.Q1_0, 1), matmulScratchBytes(Type.Q2_0, 1));
  if (ASC_FEATURE_RELAXED_SIMD) scratch = max(scratch, matmulScratchBytes(Type.Q4_0, 1));
  const block = allocateRaw(c.core, floats * (3 * ROWS + 4) + 64 + <u64>scratch, "a check");
  b.values = block;
  b.file = b.values + 4 * ROWS * COLUMNS;
  b.packed = b.file + 4 * ROWS * COLUMNS;
  b.x = b.packed + 4 * ROWS * COLUMNS;
  b.quantized = b.x + 4 * COLUMNS;
  b.row = b.quantized + 8 * COLUMNS;
  b.product = b.row + 4 * COLUMNS;
  b.scratch = b.product + 64;
  return block != 0;
}

/** f32 between -1 and 1 by a linear congruential generator. */
function fillRandom(target: usize, count: u32, state: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    state = state * 1664525 + 1013904223;
    setF32(target, i, <f32>(<i32>state) / 2147483648);
  }
}

function multiply(b: Bench, type: u32): void {
  const bytes = <usize>rowBytes(type, COLUMNS);
  if (hasCodebook(type)) {
    // Nothing is quantised to it: any bytes are blocks, once their half scales are finite.
    memory.copy(b.file, b.values, <usize>ROWS * bytes);
    const block = blockBytes(type);
    const scale: usize = type == Type.IQ1_M ? 55 : 1;
    for (let at = scale; at < <usize>ROWS * bytes; at += block) store<u8>(b.file + at, load<u8>(b.file + at) & 0xa3);
  }
  for (let r: u32 = 0; r < ROWS && !hasCodebook(type); r++) {
    quantizeRow(type, b.values + <usize>r * (4 * COLUMNS), b.file + <usize>r * bytes, COLUMNS);
  }
  packGroup(type, b.file, bytes, ROWS, COLUMNS, b.packed);
  multiplyPacked(b, type, 0);
}

/** The product once more with bytes summed in quads, where this host has them: whether it has the same bits. */
function agrees(b: Bench, type: u32): bool {
  if (!ASC_FEATURE_RELAXED_SIMD || !meetsBytes(formOf(type)) || !hasQuads()) return true;
  const hash = fnv(FNV_START, b.product, 4 * ROWS);
  multiplyPacked(b, type, IN_QUADS);
  return fnv(FNV_START, b.product, 4 * ROWS) == hash;
}

/** The most exact form of activations in which the products of this build are its own. */
@inline
function formOf(type: u32): u32 {
  return precisionFor(type, ActivationPrecision.FOURTEEN);
}

function multiplyPacked(b: Bench, type: u32, dots: u32): void {
  const isFloat = multipliesFloats(type);
  const form = formOf(type);
  if (!isFloat) quantizeAs(form, b.x, COLUMNS, b.quantized);
  const key = type | (form << PRECISION_SHIFT) | dots;
  const stride: usize = isFloat ? 4 * COLUMNS : operandRowBytes(form, COLUMNS);
  const x = isFloat ? b.x : b.quantized;
  matmulRows(key, b.packed, ROWS, COLUMNS, 0, ROWS, x, stride, 1, b.product, 4 * ROWS, b.scratch);
}

function isNear(b: Bench, type: u32): bool {
  const bytes = <usize>rowBytes(type, COLUMNS);
  if (packedGroupBytes(type, COLUMNS) > 4 * ROWS * COLUMNS) return false;
  for (let r: u32 = 0; r < ROWS; r++) {
    dequantizeRow(type, b.file + <usize>r * bytes, b.row, COLUMNS);
    let sum: f64 = 0;
    let size: f64 = 0;
    for (let i: usize = 0; i < 4 * COLUMNS; i += 4) {
      const product = <f64>load<f32>(b.row + i) * <f64>load<f32>(b.x + i);
      sum += product;
      size += product * product;
    }
    const apart = <f64>f32At(b.product, r) - sum;
    // Also false for NaN.
    if (!(abs(apart) <= TOLERANCE * sqrt(size) + 1e-30)) return false;
  }
  return true;
}

function putHex(o: Output, value: u64): void {
  for (let shift: i32 = 60; shift >= 0; shift -= 4) {
    const digit = <u8>((value >> shift) & 15);
    putByte(o, digit < 10 ? 48 + digit : 87 + digit);
  }
}
