/**
 * The block formats: dequantised exactly, packed and unpacked without loss, quantised within a budget of error, and all
 * of it with the same bits in the portable and the scalar build.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bothCores, sameBits, type TestCore } from "./support/core.ts";
import { blocksOf, CODEBOOKS, FORMATS, type Format, formatOf, rowBytes, WRITTEN } from "./support/formats.ts";
import { goldenBlocks, goldenValues } from "./support/quantisers.ts";
import { normals, randomBytes } from "./support/random.ts";
import { shared } from "./support/shared.ts";

const cores = bothCores();

/** What the reference quantisers may lose: root mean square of the error over that of normally distributed values. */
const QUANTISER_BUDGET: Record<string, number> = {
  F32: 0,
  F16: 0.00025,
  BF16: 0.002,
  Q4_0: 0.095,
  Q4_1: 0.085,
  Q5_0: 0.047,
  Q5_1: 0.042,
  Q8_0: 0.006,
  IQ4_NL: 0.08,
  MXFP4: 0.12,
  Q2_K: 0.3,
  Q3_K: 0.17,
  Q4_K: 0.08,
  Q5_K: 0.04,
  Q6_K: 0.02,
  IQ4_XS: 0.085,
  TQ1_0: 0.85,
  TQ2_0: 0.85,
  NVFP4: 0.1,
  Q1_0: 0.61,
  Q2_0: 0.73,
};

function dequantize(core: TestCore, format: Format, bytes: Uint8Array): Float32Array {
  const count = (bytes.length / format.bytes) * format.elements;
  const source = core.put(bytes);
  const target = core.allocate(count * 4);
  assert.is(core.call("kernel_dequantize", format.type, source, target, count), 0);
  const values = core.f32(target, count);
  core.release(source);
  core.release(target);
  return values;
}

function quantize(core: TestCore, format: Format, values: Float32Array): Uint8Array {
  const length = rowBytes(format, values.length);
  const source = core.put(values);
  const target = core.allocate(length);
  assert.is(core.call("kernel_quantize", format.type, source, target, values.length), 0);
  const bytes = core.u8(target, length);
  core.release(source);
  core.release(target);
  return bytes;
}

test("golden blocks are dequantised exactly", () => {
  const file = shared("specs/quant_vectors.json");
  if (file === null) return;
  const { blocks } = JSON.parse(readFileSync(file, "utf8")) as {
    blocks: Record<string, { hex: string; f32: number[] }[]>;
  };
  for (const [name, samples] of Object.entries(blocks)) {
    for (const { hex, f32 } of samples) {
      for (const core of cores) {
        const values = dequantize(core, formatOf(name), Uint8Array.from(Buffer.from(hex, "hex")));
        assert.ok(sameBits(values, Float32Array.from(f32)), `${name} in the ${core.build} build`);
      }
    }
  }
});

test("blocks are what llama.cpp reads them as, and its quantiser's are ours", () => {
  const file = new URL("golden/blocks.json", import.meta.url);
  const golden = JSON.parse(readFileSync(file, "utf8")) as Record<string, { values: string; quantised: string }>;
  for (const [name, { values, quantised }] of Object.entries(golden)) {
    const format = formatOf(name);
    for (const core of cores) {
      const expected = new Float32Array(Uint8Array.from(Buffer.from(values, "hex")).buffer);
      assert.ok(sameBits(dequantize(core, format, goldenBlocks(name)), expected), `${name}, ${core.build}`);
      const own = Buffer.from(quantize(core, format, goldenValues(format.elements))).toString("hex");
      assert.is(own, quantised, `${name} quantised, ${core.build}`);
    }
  }
});

/** Bytes by a linear congruential generator, as test/oracle/codebooks.py draws them. */
function drawn(count: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

test("words of codebooks are what gguf-py reads them as", () => {
  const file = new URL("golden/codebooks.json", import.meta.url);
  type Golden = Record<string, { block: string; values: string; sha256: string }>;
  const golden = JSON.parse(readFileSync(file, "utf8")) as Golden;
  assert.equal(Object.keys(golden).sort(), CODEBOOKS.map(({ name }) => name).sort());
  for (const [name, { block, values, sha256 }] of Object.entries(golden)) {
    const format = formatOf(name);
    const bytes = drawn(1024 * format.bytes, format.bytes);
    for (let at = name === "IQ1_M" ? 55 : 1; at < bytes.length; at += format.bytes) bytes[at] &= 0xbf;
    assert.is(Buffer.from(bytes.subarray(0, format.bytes)).toString("hex"), block, "the bytes that gguf-py had");
    for (const core of cores) {
      const ours = dequantize(core, format, bytes);
      const first = new Float32Array(Uint8Array.from(Buffer.from(values, "base64")).buffer);
      assert.ok(sameBits(ours.subarray(0, 256), first), `${name}, the first block, ${core.build}`);
      const hash = createHash("sha256").update(new Uint8Array(ours.buffer)).digest("hex");
      assert.is(hash, sha256, `${name}, 1,024 blocks, ${core.build}`);
    }
  }
});

test("nothing is quantised to words of codebooks", () => {
  for (const { type, name } of CODEBOOKS) {
    for (const core of cores) {
      const [source, target] = [core.put(normals(256, 1)), core.allocate(256)];
      assert.is(core.call("kernel_quantize", type, source, target, 256), -3, name);
      assert.equal(core.u8(target, 256), new Uint8Array(256), name);
    }
  }
});

/** IEEE half → number, from the definition. */
function halfToNumber(code: number): number {
  const sign = code & 0x8000 ? -1 : 1;
  const exponent = (code >> 10) & 31;
  const mantissa = code & 1023;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent ? sign * 2 ** (exponent - 15) * (1 + mantissa / 1024) : sign * 2 ** -14 * (mantissa / 1024);
}

const sameNumber = (a: number, b: number): boolean => Object.is(a, b);

test("all 65,536 codes of F16 and BF16 are converted exactly, and back", () => {
  const codes = Uint16Array.from({ length: 65536 }, (_, code) => code);
  const bytes = new Uint8Array(codes.buffer);
  const single = new DataView(new ArrayBuffer(4));
  for (const core of cores) {
    const halves = dequantize(core, formatOf("F16"), bytes);
    const bfloats = dequantize(core, formatOf("BF16"), bytes);
    for (let code = 0; code < 65536; code++) {
      single.setUint32(0, code << 16);
      if (!sameNumber(halves[code], halfToNumber(code))) assert.unreachable(`F16 ${code}: ${halves[code]}`);
      if (!sameNumber(bfloats[code], single.getFloat32(0))) assert.unreachable(`BF16 ${code}: ${bfloats[code]}`);
    }
    for (const [name, values] of [["F16", halves] as const, ["BF16", bfloats] as const]) {
      const back = new Uint16Array(quantize(core, formatOf(name), values).buffer);
      for (let code = 0; code < 65536; code++) {
        if (!Number.isNaN(values[code]) && back[code] !== code)
          assert.unreachable(`${name} ${code} comes back as ${back[code]}`);
      }
    }
  }
});

test("rows come out of packed groups as they went in", () => {
  for (const format of FORMATS) {
    const columns = Math.max(format.elements * 3, 96);
    const stride = rowBytes(format, columns);
    for (const rows of [1, 7, 8, 9, 16, 17]) {
      // Blocks as an encoder writes them for TQ1_0 (which has spare codes), any bytes for the others.
      const source =
        format.name === "TQ1_0"
          ? quantize(cores[0], format, normals(rows * columns, rows))
          : randomBytes(rows * stride, format.type * 100 + rows);
      const packedByBuild = cores.map((core) => {
        const from = core.put(source);
        const length = core.call("kernel_packed_bytes", format.type, rows, columns);
        const packed = core.allocate(length + 64);
        const row = core.allocate(stride + 16);
        assert.is(core.call("kernel_pack", format.type, from, rows, columns, packed), 0);
        for (let r = 0; r < rows; r++) {
          assert.is(core.call("kernel_unpack_row", format.type, packed, r, columns, row), 0);
          const expected = source.subarray(r * stride, (r + 1) * stride);
          assert.ok(sameBits(core.u8(row, stride), expected), `${format.name}, row ${r} of ${rows}, ${core.build}`);
        }
        assert.equal(core.u8(packed + length, 64), new Uint8Array(64), `${format.name} wrote past its group`);
        return core.u8(packed, length);
      });
      assert.ok(sameBits(packedByBuild[0], packedByBuild[1]), `${format.name} packs alike in both builds`);
    }
  }
});

test("a packed row is looked up as the values that it dequantises to", () => {
  for (const format of FORMATS) {
    const columns = Math.max(format.elements, 32);
    const rows = 11;
    const source = blocksOf(cores[0], format, normals(rows * columns, format.type));
    const expected = dequantize(cores[0], format, source);
    for (const core of cores) {
      const packed = core.allocate(core.call("kernel_packed_bytes", format.type, rows, columns));
      core.call("kernel_pack", format.type, core.put(source), rows, columns, packed);
      const target = core.allocate(columns * 4);
      const scratch = core.allocate(core.call("kernel_row_bytes", format.type, columns));
      for (let row = 0; row < rows; row++) {
        assert.is(core.call("kernel_lookup_row", format.type, packed, row, columns, target, scratch), 0);
        const values = expected.subarray(row * columns, (row + 1) * columns);
        assert.ok(sameBits(core.f32(target, columns), values), `${format.name} row ${row}`);
      }
    }
  }
});

test("the quantisers keep their budgets, with the same bytes in both builds", () => {
  const values = normals(8192, 7);
  for (const format of WRITTEN) {
    const bytes = quantize(cores[0], format, values);
    assert.ok(sameBits(bytes, quantize(cores[1], format, values)), `${format.name} differs between builds`);
    const back = dequantize(cores[0], format, bytes);
    let error = 0;
    let power = 0;
    for (let i = 0; i < values.length; i++) {
      error += (back[i] - values[i]) ** 2;
      power += values[i] ** 2;
    }
    const relative = Math.sqrt(error / power);
    if (process.env.VERBOSE) console.log(format.name, relative.toFixed(5));
    assert.ok(relative <= QUANTISER_BUDGET[format.name], `${format.name}: ${relative}`);
  }
});

test("zeros stay zeros", () => {
  for (const format of WRITTEN) {
    const back = dequantize(cores[0], format, quantize(cores[0], format, new Float32Array(512)));
    assert.ok(
      back.every((value) => value === 0),
      format.name,
    );
  }
});

test("values that are not finite, tiny or huge neither trap nor differ between builds", () => {
  const extremes = [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    3.4e38,
    -3.4e38,
    1e-45,
    -1e-40,
    1,
    -0,
  ];
  for (const format of WRITTEN) {
    for (const [i, extreme] of extremes.entries()) {
      const values = normals(512, 3);
      values[5] = extreme;
      values.fill(extreme, 256);
      const [portable, scalar] = cores.map((core) => quantize(core, format, values));
      // The payload of a NaN scale is the host's choice.
      if (i > 2) assert.ok(sameBits(portable, scalar), `${format.name} of ${extreme}`);
    }
  }
});

test("unknown types and parts of blocks are refused", () => {
  const [core] = cores;
  const buffer = core.allocate(4096);
  for (const type of [4, 5, 9, 15, 31, 36, 1000, 0xffffffff]) {
    assert.is(core.call("kernel_dequantize", type, buffer, buffer, 32), -3);
    assert.is(core.call("kernel_quantize", type, buffer, buffer, 32), -3);
    assert.is(core.call("kernel_pack", type, buffer, 1, 32, buffer), -3);
    assert.is(core.call("kernel_packed_bytes", type, 1, 32), 0);
  }
  for (const { elements, type, name } of FORMATS) {
    if (elements > 1) assert.is(core.call("kernel_dequantize", type, buffer, buffer, elements - 1), -4, name);
  }
  assert.is(core.call("kernel_packed_bytes", formatOf("F32").type, 0xffffffff, 0xffffffff), 0);
  assert.is(core.call("kernel_quantize_activations", buffer, 33, buffer), -4);
});

test.run();
