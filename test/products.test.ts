/**
 * Products with packed matrices, in every format: right against float64, and the same bits whatever the build, the
 * number of tokens, the range of rows and the place of the operands.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ActivationPrecision } from "../bindings/numbers.ts";
import { bothCores, loadCore, sameBits, type TestCore } from "./support/core.ts";
import { blocksOf, CODEBOOKS, FORMATS, type Format, formatOf, rowBytes, setHalf } from "./support/formats.ts";
import { generator, normals, randomBytes } from "./support/random.ts";

const cores = bothCores();

/** Error of an activation in 16 bits, at most: half a step of (the largest of its 32) / 32767. */
const Q16_BUDGET = 0.501 / 32767;
/** Error of the f32 sums over |row of weights| · |activations|, at most. */
const SUM_BUDGET = 4e-7;

const { TWO_SIXTEENS } = ActivationPrecision;

/** The formats whose products look up sums of activations. */
const SUMS = ["Q1_0", "Q2_0"];

const TOKENS = 9;
const ROWS = 17;

/** A matrix and activations in a core's memory. */
interface Operands {
  readonly core: TestCore;
  readonly format: Format;
  /** Of the activations; 0 where none is named. */
  readonly form?: number;
  readonly rows: number;
  readonly columns: number;
  readonly packed: number;
  readonly x: number;
  readonly xStride: number;
}

/** `shift`: bytes that every pointer is off its alignment. */
function prepare(
  core: TestCore,
  format: Format,
  rows: number,
  columns: number,
  values: Float32Array,
  shift = 0,
): Operands {
  const tokens = values.length / Math.max(columns, 1);
  const blocks = blocksOf(core, format, normals(rows * columns, columns + format.type));
  const source = core.allocate(rows * rowBytes(format, columns) + 16) + shift;
  const packed = core.allocate(core.call("kernel_packed_bytes", format.type, rows, columns) + 16) + shift;
  core.memory.write(source, blocks);
  assert.is(core.call("kernel_pack", format.type, source, rows, columns, packed), 0);
  const floats = core.allocate(values.byteLength + 16) + shift;
  core.memory.write(floats, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  if (format.float) return { core, format, rows, columns, packed, x: floats, xStride: columns * 4 };
  const xStride = core.call("kernel_activation_bytes", columns);
  const x = core.allocate(xStride * tokens + 16) + shift;
  for (let t = 0; t < tokens; t++) {
    assert.is(core.call("kernel_quantize_activations", floats + t * columns * 4, columns, x + t * xStride), 0);
  }
  return { core, format, rows, columns, packed, x, xStride };
}

/** The same with the activations in a form. */
function inForm(operands: Operands, values: Float32Array, form: number): Operands {
  const { core, columns } = operands;
  const xStride = core.call("kernel_operand_bytes", form, columns);
  const tokens = values.length / columns;
  const x = core.allocate(xStride * tokens);
  const floats = core.put(values);
  for (let t = 0; t < tokens; t++) {
    const [from, to] = [floats + 4 * columns * t, x + xStride * t];
    assert.is(core.call("kernel_quantize_operand", form, from, columns, to), 0);
  }
  return { ...operands, form, x, xStride };
}

/** Rows begin … end − 1 × `tokens` rows of activations from `first` on: [tokens, end − begin]. */
function multiply(
  operands: Operands,
  first: number,
  tokens: number,
  begin: number,
  end: number,
  shift = 0,
): Float32Array {
  const { core, format, form = 0, rows, columns, packed, x, xStride } = operands;
  const width = end - begin;
  const stride = width * 4 + 8;
  const target = core.allocate(stride * tokens + 64) + shift;
  const product = format.type | (form << 8);
  const scratchBytes = core.call("kernel_matmul_scratch_bytes", product, tokens);
  const scratch = core.allocate(scratchBytes + 64) + shift;
  core.memory.u8(scratch + scratchBytes, 32).fill(0xa5);
  core.memory.u8(target, stride * tokens + 48).fill(0xa5);
  const from = x + first * xStride;
  // biome-ignore format: the arguments in the order of their groups.
  const status = core.call(
    "kernel_matmul", product, packed, rows, columns, begin, end, from, xStride, tokens, target, stride, scratch,
  );
  assert.is(status, 0);
  const result = new Float32Array(tokens * width);
  const written = core.u8(target, stride * tokens + 48);
  for (let t = 0; t < tokens; t++) {
    const row = written.slice(t * stride, t * stride + width * 4);
    result.set(new Float32Array(row.buffer), t * width);
    const gap = written.subarray(t * stride + width * 4, (t + 1) * stride);
    assert.ok(
      gap.every((byte) => byte === 0xa5),
      `${format.name} writes beside its rows`,
    );
  }
  assert.ok(
    written.subarray(stride * tokens).every((byte) => byte === 0xa5),
    `${format.name} writes past its target`,
  );
  assert.ok(
    core.u8(scratch + scratchBytes, 32).every((byte) => byte === 0xa5),
    `${format.name} writes past its scratch`,
  );
  core.release(target - shift);
  core.release(scratch - shift);
  return result;
}

/** [tokens, width] cut out of a whole [TOKENS, rows]. */
function slice(
  whole: Float32Array,
  rows: number,
  first: number,
  tokens: number,
  begin: number,
  end: number,
): Float32Array {
  const part = new Float32Array(tokens * (end - begin));
  for (let t = 0; t < tokens; t++) {
    part.set(whole.subarray((first + t) * rows + begin, (first + t) * rows + end), t * (end - begin));
  }
  return part;
}

/** At least so many columns. */
const wholeBlocks = ({ elements }: Format, least: number) => Math.ceil(least / elements) * elements;

/** Columns at the edges of blocks and of the float kernels' pairs of blocks. */
function edges(format: Format): number[] {
  if (format.float) return [1, 3, 31, 32, 33, 64, 100, 160];
  if (format.elements === 32) return [32, 64, 96, 256];
  // Tables of sums are made for 2048 columns at most, fewer where tokens share them: 512 of four.
  if (format.elements === 64) return [64, 128, 192, 512, 576, 2112];
  return format.elements === 128 ? [128, 256, 384, 512, 640, 2048, 2176] : [256, 512];
}

/** Activations with blocks of zeros in some tokens, one block of zeros in all, and outliers. */
function activations(columns: number, seed: number): Float32Array {
  const values = normals(TOKENS * columns, seed);
  const next = generator(seed);
  for (let block = 0; block < TOKENS * Math.floor(columns / 32); block++) {
    if (next() < 0.3) values.fill(0, block * 32, block * 32 + 32);
  }
  if (columns >= 96) for (let t = 0; t < TOKENS; t++) values.fill(0, t * columns + 32, t * columns + 64);
  for (let i = 0; i < values.length; i += 37) values[i] *= 12;
  return values;
}

for (const format of FORMATS) {
  test(`${format.name}: right, and the same bits in any way of computing it`, () => {
    for (const columns of edges(format)) {
      const values = activations(columns, columns);
      const operands = cores.map((core) => prepare(core, format, ROWS, columns, values));
      const whole = multiply(operands[0], 0, TOKENS, 0, ROWS);
      const named = `${format.name} ${columns}`;

      // Against float64 over the dequantised weights and the f32 activations.
      const weight = lookUpAll(operands[0]);
      const largest = blockMaxima(values);
      for (let t = 0; t < TOKENS; t++) {
        for (let r = 0; r < ROWS; r++) {
          let dot = 0;
          let weightSquare = 0;
          let valueSquare = 0;
          let rounding = 0;
          for (let k = 0; k < columns; k++) {
            const w = weight[r * columns + k];
            const x = values[t * columns + k];
            dot += w * x;
            weightSquare += w * w;
            valueSquare += x * x;
            if (!format.float) rounding += Math.abs(w) * largest[(t * columns + k) >> 5] * Q16_BUDGET;
          }
          const error = Math.abs(whole[t * ROWS + r] - dot);
          const budget = rounding + SUM_BUDGET * Math.sqrt(weightSquare * valueSquare);
          assert.ok(error <= budget, `${named}: row ${r}, token ${t}: ${whole[t * ROWS + r]}, not ${dot}`);
        }
      }

      for (const each of operands) {
        const { build } = each.core;
        assert.ok(sameBits(multiply(each, 0, TOKENS, 0, ROWS), whole), `${named}: ${build} build`);
        for (const tokens of [1, 2, 3, 4, 5, 8]) {
          const first = TOKENS - tokens;
          const part = multiply(each, first, tokens, 0, ROWS);
          assert.ok(sameBits(part, slice(whole, ROWS, first, tokens, 0, ROWS)), `${named}: ${tokens} tokens, ${build}`);
        }
        for (const [begin, end] of [
          [0, 8],
          [8, 16],
          [3, 5],
          [7, 9],
          [2, 17],
          [16, 17],
          [5, 5],
          [0, 16],
        ]) {
          const part = multiply(each, 1, 5, begin, end);
          assert.ok(sameBits(part, slice(whole, ROWS, 1, 5, begin, end)), `${named}: rows ${begin}…${end}, ${build}`);
        }
        const unaligned = prepare(each.core, format, ROWS, columns, values, 1);
        assert.ok(sameBits(multiply(unaligned, 0, TOKENS, 0, ROWS, 1), whole), `${named}: unaligned, ${build}`);
      }
    }
  });

  test(`${format.name}: few rows, no rows, no columns, no tokens`, () => {
    const columns = wholeBlocks(format, 64);
    const values = activations(columns, 5);
    for (const rows of [1, 7, 8, 9, 16]) {
      const [portable, scalar] = cores.map((core) =>
        multiply(prepare(core, format, rows, columns, values), 0, 5, 0, rows),
      );
      assert.ok(sameBits(portable, scalar), `${format.name} with ${rows} rows`);
    }
    for (const core of cores) {
      assert.is(multiply(prepare(core, format, 8, columns, values), 0, 0, 0, 8).length, 0);
      assert.is(multiply(prepare(core, format, 8, columns, values), 0, 2, 4, 4).length, 0);
      const none = multiply(prepare(core, format, 9, 0, new Float32Array(0)), 0, 5, 0, 9);
      assert.ok(sameBits(none, new Float32Array(45)), `${format.name} without columns`);
    }
  });

  test(`${format.name}: the transposed product`, () => {
    const columns = wholeBlocks(format, 96);
    const operands = cores.map((core) => prepare(core, format, ROWS, columns, new Float32Array(columns)));
    const weight = lookUpAll(operands[0]);
    const factors = normals(ROWS, 11);
    factors[6] = 0;
    for (const [begin, end] of [
      [0, 17],
      [0, 16],
      [8, 16],
      [3, 14],
      [5, 6],
      [4, 4],
    ]) {
      const [portable, scalar] = operands.map((each) => accumulate(each, begin, end, factors.subarray(begin, end)));
      assert.ok(sameBits(portable, scalar), `${format.name} transposed, rows ${begin}…${end}`);
      for (let k = 0; k < columns; k++) {
        let sum = 0;
        let size = 0;
        for (let r = begin; r < end; r++) {
          sum += factors[r] * weight[r * columns + k];
          size += Math.abs(factors[r] * weight[r * columns + k]);
        }
        assert.ok(
          Math.abs(portable[k] - sum) <= 1e-6 * size + 1e-30,
          `${format.name}, column ${k}: ${portable[k]}, not ${sum}`,
        );
      }
    }
  });
}

/** Blocks with every code, those too that no encoder writes: rows of ones, of zeros, and of random bytes. */
function rawRows(format: Format, rows: number, columns: number): Uint8Array {
  const bytes = randomBytes(rows * rowBytes(format, columns), format.type);
  bytes.fill(0xff, 0, rowBytes(format, columns));
  bytes.fill(0, rowBytes(format, columns), 2 * rowBytes(format, columns));
  for (let at = 0; at < bytes.length; at += format.bytes) {
    if (format.name === "NVFP4") for (let i = 0; i < 4; i++) bytes[at + i] = 48 + (bytes[at + i] & 15);
    else if (format.name === "IQ1_M") bytes[at + 55] = (bytes[at + 55] & 0x8f) | 0x30;
    // Halves near one, of both signs.
    else bytes[at + 1] = (bytes[at + 1] & 0x83) | 0x38;
  }
  return bytes;
}

for (const name of [...SUMS, "NVFP4", ...CODEBOOKS.map((format) => format.name)]) {
  test(`${name}: all codes and the largest activations of every sign`, () => {
    const format = formatOf(name);
    const columns = wholeBlocks(format, 1152);
    const signs = [() => 1, () => -1, (i: number) => (i & 1 ? 1 : -1), (i: number) => (i & 4 ? 1 : -1)];
    const values = normals(TOKENS * columns, 3);
    signs.forEach((sign, t) => {
      for (let i = 0; i < columns; i++) values[t * columns + i] = 100 * sign(i);
    });
    const raw = rawRows(format, ROWS, columns);
    const results = cores.map((core) => {
      const operands = prepare(core, format, ROWS, columns, values);
      assert.is(core.call("kernel_pack", format.type, core.put(raw), ROWS, columns, operands.packed), 0);
      const product = multiply(operands, 0, TOKENS, 0, ROWS);
      const twice = multiply(inForm(operands, values, TWO_SIXTEENS), 0, TOKENS, 0, ROWS);
      return { weight: lookUpAll(operands), product, twice };
    });
    assert.ok(sameBits(results[0].product, results[1].product), "both builds");
    assert.ok(sameBits(results[0].twice, results[1].twice), "both builds, twice sixteen bits");
    const { weight, product, twice } = results[0];
    for (let t = 0; t < TOKENS; t++) {
      for (let r = 0; r < ROWS; r++) {
        let [dot, size] = [0, 0];
        for (let k = 0; k < columns; k++) {
          dot += weight[r * columns + k] * values[t * columns + k];
          size += Math.abs(weight[r * columns + k]) * (t < signs.length ? 100 : 4);
        }
        const error = Math.abs(product[t * ROWS + r] - dot);
        assert.ok(
          error <= size * (Q16_BUDGET + SUM_BUDGET),
          `row ${r}, token ${t}: ${product[t * ROWS + r]}, not ${dot}`,
        );
        const exact = Math.abs(twice[t * ROWS + r] - dot);
        assert.ok(exact <= size * SUM_BUDGET, `twice, row ${r}, token ${t}: ${twice[t * ROWS + r]}, not ${dot}`);
      }
    }
  });
}

test("F16: many tokens, whose weights are widened once, give the bits of one after the other", () => {
  const format = formatOf("F16");
  for (const columns of [4, 28, 32, 36, 126, 128, 132, 260]) {
    const values = normals(131 * columns, columns);
    const [portable, scalar] = cores.map((core) => prepare(core, format, ROWS, columns, values));
    const whole = multiply(scalar, 0, 131, 0, ROWS);
    for (const tokens of [31, 32, 33, 63, 64, 65, 127, 128, 131]) {
      const part = multiply(portable, 131 - tokens, tokens, 0, ROWS);
      assert.ok(sameBits(part, slice(whole, ROWS, 131 - tokens, tokens, 0, ROWS)), `${columns}, ${tokens} tokens`);
    }
    const rows = multiply(portable, 3, 100, 5, 17);
    assert.ok(sameBits(rows, slice(whole, ROWS, 3, 100, 5, 17)), `${columns}, rows 5…17`);
    const unaligned = prepare(portable.core, format, ROWS, columns, values, 1);
    assert.ok(sameBits(multiply(unaligned, 0, 131, 0, ROWS, 1), whole), `${columns}, unaligned`);
  }
});

test("scratch: every form writes as many bytes as it says, and no more", () => {
  for (const core of cores) {
    for (const format of FORMATS) {
      const sums = SUMS.includes(format.name);
      // A block whose words are looked up.
      const words = CODEBOOKS.includes(format) ? 656 : 0;
      // A panel of a super-block's units.
      const panel = format.elements === 256 && core.build === "portable" ? 10_240 : 0;
      const tables = sums && core.build === "portable" ? 25_600 : words || panel;
      assert.is(core.call("kernel_matmul_scratch_bytes", format.type, TOKENS), 32 * TOKENS + tables, format.name);
      const asked = core.call("kernel_matmul_scratch_bytes", format.type | (TWO_SIXTEENS << 8), TOKENS);
      assert.is(asked, format.float ? 0 : (sums ? 32 : 64) * TOKENS + tables, format.name);
      if (format.float) continue;
      const columns = format.elements;
      const values = normals(TOKENS * columns, 5);
      const operands = prepare(core, format, ROWS, columns, values);
      // Both ends of the range lie within a group. `multiply` looks at what stands behind the scratch.
      const twice = multiply(inForm(operands, values, TWO_SIXTEENS), 0, TOKENS, 3, 15);
      const once = multiply(operands, 0, TOKENS, 3, 15);
      const largest = once.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert.ok(
        twice.every((value, i) => Math.abs(value - once[i]) < 1e-3 * largest),
        format.name,
      );
    }
    assert.is(core.call("kernel_matmul_scratch_bytes", 99, 1), 0, "no such type");
    assert.is(core.call("kernel_matmul_scratch_bytes", formatOf("Q4_0").type | (9 << 8), 1), 0, "no such form");
    assert.is(core.call("kernel_matmul_scratch_bytes", formatOf("Q4_0").type, 2 ** 31), 0, "beyond the memory");
  }
});

/** Bytes of a block that are scales: halves at these places, but MXFP4's exponent and bfloats. */
const SCALES: Record<string, readonly number[]> = {
  Q2_K: [80, 82],
  Q3_K: [108],
  Q6_K: [208],
  TQ1_0: [52],
  TQ2_0: [64],
};
const TWO_SCALES = ["Q4_1", "Q5_1", "Q4_K", "Q5_K"];

test("products and transposed products of scales that are no numbers have the same bits in both builds", () => {
  for (const format of FORMATS) {
    const columns = Math.max(format.elements, 64);
    const blocks = (ROWS * columns) / format.elements;
    for (const bits of [0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7fff, 0x7c01]) {
      const weights = normals(ROWS * columns, format.type);
      const [portable, scalar] = cores.map((core) => {
        const file = blocksOf(core, format, weights);
        for (let block = 0; block < blocks; block += 3) {
          for (const at of SCALES[format.name] ?? (TWO_SCALES.includes(format.name) ? [0, 2] : [0])) {
            const place = block * format.bytes;
            if (format.name === "F32") file.set([0, 0, bits & 255, bits >> 8], place);
            else if (format.name === "MXFP4") file[place] = bits & 1 ? 255 : 254;
            else setHalf(file, format, place, at, bits);
          }
        }
        const packed = core.allocate(core.call("kernel_packed_bytes", format.type, ROWS, columns));
        assert.is(core.call("kernel_pack", format.type, core.put(file), ROWS, columns, packed), 0);
        const operands = { ...prepare(core, format, ROWS, columns, normals(columns, 3)), packed };
        const factors = normals(ROWS, 5);
        const ranges = [
          [0, 16],
          [0, ROWS],
          [3, 5],
        ] as const;
        return [
          ...ranges.map(([begin, end]) => accumulate(operands, begin, end, factors.subarray(begin, end))),
          multiply(operands, 0, 1, 0, ROWS),
        ];
      });
      for (const [i, sums] of portable.entries()) {
        // Which bits a NaN has is left to the machine.
        const same = sums.every((sum, k) => Object.is(sum, scalar[i][k]));
        assert.ok(same, `${format.name}, ${bits.toString(16)}, ${i}: ${sums} and ${scalar[i]}`);
      }
    }
  }
});

/** The largest magnitude of each 32 values. */
function blockMaxima(values: Float32Array): number[] {
  return Array.from({ length: Math.ceil(values.length / 32) }, (_, block) =>
    values.subarray(block * 32, block * 32 + 32).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
}

/** All rows, dequantised. */
function lookUpAll({ core, format, rows, columns, packed }: Operands): Float32Array {
  const values = new Float32Array(rows * columns);
  const target = core.allocate(columns * 4);
  const scratch = core.allocate(rowBytes(format, columns));
  for (let row = 0; row < rows; row++) {
    assert.is(core.call("kernel_lookup_row", format.type, packed, row, columns, target, scratch), 0);
    values.set(core.f32(target, columns), row * columns);
  }
  return values;
}

function accumulate(operands: Operands, begin: number, end: number, factors: Float32Array): Float32Array {
  const { core, format, columns, packed } = operands;
  const target = core.allocate(columns * 4);
  const scratch = core.allocate(core.call("kernel_accumulate_scratch_bytes", format.type, columns));
  const given = core.put(factors);
  const status = core.call("kernel_accumulate_rows", format.type, packed, columns, begin, end, given, target, scratch);
  assert.is(status, 0);
  return core.f32(target, columns);
}

test("operands above 2 GiB", () => {
  const high = loadCore("portable");
  high.exports.memory.grow(33_000);
  let next = 2 ** 31 - 3000;
  high.allocate = (bytes) => {
    const pointer = next;
    next += Math.ceil(bytes / 16) * 16;
    return pointer;
  };
  high.release = () => {};
  for (const format of FORMATS) {
    const columns = wholeBlocks(format, 96);
    const values = activations(columns, 13);
    const [low, above] = [cores[0], high].map((core) => prepare(core, format, ROWS, columns, values));
    assert.ok(sameBits(multiply(above, 0, 5, 2, 17), multiply(low, 0, 5, 2, 17)), format.name);
    const factors = normals(ROWS, 11);
    assert.ok(
      sameBits(accumulate(above, 0, ROWS, factors), accumulate(low, 0, ROWS, factors)),
      `${format.name} transposed`,
    );
  }
});

test("activations: sums and steps of 16 bits, the same in both builds", () => {
  const columns = 256;
  for (const scale of [1, 1e-30, 1e-38, 1e30]) {
    const values = normals(columns, 21).map((value) => value * scale);
    values.fill(0, 64, 96);
    const rows = cores.map((core) => {
      const bytes = core.call("kernel_activation_bytes", columns);
      const target = core.allocate(bytes);
      core.call("kernel_quantize_activations", core.put(values), columns, target);
      return core.u8(target, bytes);
    });
    assert.ok(sameBits(rows[0], rows[1]), `scale ${scale}`);
    const view = new DataView(rows[0].buffer);
    for (let block = 0; block < columns / 32; block++) {
      const at = block * 80;
      const d = view.getFloat32(at, true);
      const sums = [0, 0];
      for (let i = 0; i < 32; i++) {
        const q = view.getInt16(at + 16 + 2 * i, true);
        sums[i >> 4] += q;
        const x = values[block * 32 + i];
        if (d === 0) assert.ok(q === 0 && Math.abs(x) < 3.86e-34);
        else assert.ok(Math.abs(x - d * q) <= d * 0.51, `${x} as ${d} · ${q}`);
      }
      assert.is(view.getInt32(at + 4, true), sums[0] + sums[1]);
      assert.is(view.getInt32(at + 8, true), sums[0]);
      assert.is(view.getInt32(at + 12, true), sums[1]);
    }
  }
});

test("activations that are not finite give finite products, the same in both builds", () => {
  const values = normals(64, 9);
  values.set([Number.NaN, Number.POSITIVE_INFINITY, -1, 3], 0);
  values.set([Number.NaN, -3.4e38, 1e-45, -0], 32);
  const results = cores.map((core) => multiply(prepare(core, formatOf("Q8_0"), 8, 64, values), 0, 1, 0, 8));
  assert.ok(sameBits(results[0], results[1]));
});

test("shapes that do not fit are refused", () => {
  const [core] = cores;
  const buffer = core.allocate(4096);
  const call = (type: number, rows: number, columns: number, begin: number, end: number) =>
    core.call("kernel_matmul", type, buffer, rows, columns, begin, end, buffer, 80, 1, buffer, 32, buffer);
  assert.is(call(99, 8, 32, 0, 8), -3);
  assert.is(call(2, 8, 33, 0, 8), -4);
  assert.is(call(2, 8, 32, 0, 9), -4);
  assert.is(call(2, 8, 32, 5, 4), -4);
});

test.run();
