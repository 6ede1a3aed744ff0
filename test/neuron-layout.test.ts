/**
 * Matrices that lie neuron by neuron: the file's own bytes come back, and products have the bits of the same matrix
 * packed by rows, whatever the share of zeros, the number of tokens, the range of outputs and the build.
 */

import { setFlagsFromString } from "node:v8";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Status, Streamed } from "../bindings/numbers.ts";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { constantColumns } from "../scripts/sparse-weights.mjs";
import { bothCores, loadCore, sameBits, type TestCore } from "./support/core.ts";
import { feed } from "./support/engine.ts";
import { type Format, formatOf, rowBytes } from "./support/formats.ts";
import { generator, normals, randomBytes } from "./support/random.ts";

// Node 20 has relaxed SIMD behind a flag.
setFlagsFromString("--experimental-wasm-relaxed-simd");

const FORMATS = ["F32", "F16", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q6_K"].map(formatOf);
const TOKENS = 5;

/** Rows and columns: an odd number of strips, one strip, less than one, many neurons, and rows asked for ahead. */
const SHAPES: readonly (readonly [rows: number, columns: number])[] = [
  [160, 256],
  [64, 512],
  [32, 768],
  [1024, 256],
];

interface Matrix {
  readonly core: TestCore;
  readonly format: Format;
  readonly rows: number;
  readonly columns: number;
  readonly byRows: number;
  readonly byNeurons: number;
  readonly scratch: number;
}

/** The same matrix in both layouts; `file` are its bytes as in a file. */
function pack(core: TestCore, format: Format, rows: number, columns: number, file: Uint8Array): Matrix {
  const source = core.put(file);
  const byRows = core.allocate(core.call("kernel_packed_bytes", format.type, rows, columns));
  const byNeurons = core.allocate(file.length + 64);
  core.memory.u8(byNeurons, file.length + 64).fill(0xa5);
  const scratch = core.allocate(core.call("kernel_neuron_scratch_bytes", format.type, rows, columns, TOKENS));
  assert.is(core.call("kernel_pack", format.type, source, rows, columns, byRows), 0);
  assert.is(core.call("kernel_pack_neurons", format.type, source, rows, columns, byNeurons, scratch), 0);
  const behind = core.u8(byNeurons + file.length, 64);
  assert.ok(
    behind.every((byte) => byte === 0xa5),
    `${format.name} packs past its end`,
  );
  return { core, format, rows, columns, byRows, byNeurons, scratch };
}

/** A file's bytes of normal weights. */
function fileOf(core: TestCore, format: Format, rows: number, columns: number): Uint8Array {
  const weights = core.put(normals(rows * columns, rows + columns + format.type));
  const bytes = rows * rowBytes(format, columns);
  const target = core.allocate(bytes);
  assert.is(core.call("kernel_quantize", format.type, weights, target, rows * columns), 0);
  return core.u8(target, bytes);
}

/** Tokens of squares, a share of them zero; whole blocks are zero too, and one token is all zeros. */
function squares(columns: number, zeros: number, seed: number): Float32Array {
  const next = generator(seed);
  const values = normals(TOKENS * columns, seed + 1);
  return values.map((value, i) => {
    const token = Math.floor(i / columns);
    const block = (i % columns) >> 5;
    if (token === 3 || (zeros > 0 && (block + token) % 5 === 0)) return 0;
    return next() < zeros ? 0 : value * value;
  });
}

/** Activations as the kernel wants them: the address of token 0 and the bytes from one to the next. */
function operands(m: Matrix, values: Float32Array): [x: number, stride: number] {
  const floats = m.core.put(values);
  if (m.format.float) return [floats, m.columns * 4];
  const stride = m.core.call("kernel_activation_bytes", m.columns);
  const x = m.core.allocate(stride * TOKENS);
  for (let t = 0; t < TOKENS; t++) {
    m.core.call("kernel_quantize_activations", floats + t * m.columns * 4, m.columns, x + t * stride);
  }
  return [x, stride];
}

/** Outputs begin … end − 1 of tokens first … first + tokens − 1, in a layout. */
function multiply(
  m: Matrix,
  layout: "rows" | "neurons" | "strips",
  [x, stride]: [number, number],
  first: number,
  tokens: number,
  begin: number,
  end: number,
): Float32Array {
  const { core, format, rows, columns } = m;
  const width = end - begin;
  const target = core.allocate(tokens * width * 4 + 64);
  core.memory.u8(target, tokens * width * 4 + 64).fill(0xa5);
  const from = x + first * stride;
  const status =
    layout === "rows"
      ? // biome-ignore format: the arguments in the order of their groups.
        core.call(
          "kernel_matmul", format.type, m.byRows, rows, columns, begin, end, from, stride, tokens,
          target, width * 4, m.scratch,
        )
      : // biome-ignore format: as above.
        core.call(
          "kernel_multiply_neurons", format.type, m.byNeurons, rows, columns, begin, end, from, stride, tokens,
          target, width * 4, m.scratch, layout === "strips" ? 1 : 0,
        );
  assert.is(status, 0);
  const behind = core.u8(target + tokens * width * 4, 64);
  assert.ok(
    behind.every((byte) => byte === 0xa5),
    `${format.name} writes past its outputs`,
  );
  const result = core.f32(target, tokens * width);
  core.release(target);
  return result;
}

for (const format of FORMATS) {
  test(`${format.name}: neurons give back the file's bytes, in both builds alike`, () => {
    for (const [rows, columns] of SHAPES) {
      const packed = bothCores().map((core) => {
        const file = fileOf(core, format, rows, columns);
        const m = pack(core, format, rows, columns, file);
        const back = core.allocate(file.length);
        core.call("kernel_unpack_neurons", format.type, m.byNeurons, rows, columns, back, m.scratch);
        assert.ok(sameBits(core.u8(back, file.length), file), `${rows} × ${columns}`);
        return core.u8(m.byNeurons, file.length);
      });
      assert.ok(sameBits(packed[0], packed[1]), `${rows} × ${columns}`);
    }
  });

  test(`${format.name}: the bits of the matrix packed by rows, in both builds`, () => {
    for (const [rows, columns] of SHAPES) {
      const builds = bothCores().map((core) => {
        const m = pack(core, format, rows, columns, fileOf(core, format, rows, columns));
        return [0, 0.3, 0.7, 0.9, 0.98, 1].map((zeros, i) => {
          const x = operands(m, squares(columns, zeros, 7 * i + columns));
          const whole = multiply(m, "rows", x, 0, TOKENS, 0, rows);
          const words = `${core.build}, ${rows} × ${columns}, ${zeros} zeros`;
          assert.ok(sameBits(multiply(m, "neurons", x, 0, TOKENS, 0, rows), whole), words);
          assert.ok(sameBits(multiply(m, "strips", x, 0, TOKENS, 0, rows), whole), `${words}, strips`);
          // One token by itself, and outputs in two ranges.
          for (let t = 0; t < TOKENS; t++) {
            const one = whole.subarray(t * rows, (t + 1) * rows);
            assert.ok(sameBits(multiply(m, "neurons", x, t, 1, 0, rows), one), `${words}, token ${t}`);
            if (rows > 32) {
              const upper = multiply(m, "neurons", x, t, 1, 32, rows);
              assert.ok(sameBits(upper, one.subarray(32)), `${words}, token ${t} from output 32`);
              assert.ok(sameBits(multiply(m, "neurons", x, t, 1, 0, 32), one.subarray(0, 32)), words);
            }
          }
          return whole;
        });
      });
      builds[0].forEach((whole, i) => {
        assert.ok(sameBits(whole, builds[1][i]));
      });
    }
  });
}

test("activations of any size give the bits of the rows", () => {
  for (const format of FORMATS) {
    const results = bothCores().map((core) => {
      const m = pack(core, format, 64, 512, fileOf(core, format, 64, 512));
      return [1e-34, 1e-20, 1e12, 1e25].map((size) => {
        const values = squares(512, 0.7, 5).map((value) => value * size);
        const x = operands(m, values);
        const whole = multiply(m, "rows", x, 0, TOKENS, 0, 64);
        assert.ok(
          sameBits(multiply(m, "neurons", x, 0, TOKENS, 0, 64), whole),
          `${format.name}, ${core.build}, ${size}`,
        );
        return whole;
      });
    });
    results[0].forEach((whole, i) => {
      assert.ok(sameBits(whole, results[1][i]));
    });
  }
});

test("blocks of random bytes, infinite scales among them, give the bits of the rows", () => {
  for (const name of ["Q4_0", "Q8_0", "Q4_K", "Q6_K"]) {
    const format = formatOf(name);
    for (const core of bothCores()) {
      const file = randomBytes(64 * rowBytes(format, 512), format.type);
      const m = pack(core, format, 64, 512, file);
      const x = operands(m, squares(512, 0.8, 3));
      const whole = multiply(m, "rows", x, 0, TOKENS, 0, 64);
      assert.ok(sameBits(multiply(m, "neurons", x, 0, TOKENS, 0, 64), whole), `${name}, ${core.build}`);
      const back = core.allocate(file.length);
      core.call("kernel_unpack_neurons", format.type, m.byNeurons, 64, 512, back, m.scratch);
      assert.ok(sameBits(core.u8(back, file.length), file), name);
    }
  }
});

test("Float blocks need not be whole", () => {
  const format = formatOf("F32");
  for (const core of bothCores()) {
    for (const columns of [1, 31, 33, 100]) {
      const m = pack(core, format, 32, columns, fileOf(core, format, 32, columns));
      const x = operands(m, squares(columns, 0.5, columns));
      const whole = multiply(m, "rows", x, 0, TOKENS, 0, 32);
      assert.ok(sameBits(multiply(m, "neurons", x, 0, TOKENS, 0, 32), whole), `${columns}, ${core.build}`);
    }
  }
});

test("what may not lie neuron by neuron is refused", () => {
  const core = loadCore("portable");
  const call = (type: number, rows: number, columns: number) =>
    core.call("kernel_pack_neurons", type, 0, rows, columns, 0, 0);
  assert.is(call(formatOf("Q5_0").type, 32, 32), -3);
  assert.is(call(999, 32, 32), -3);
  assert.is(call(formatOf("Q8_0").type, 40, 32), -3);
  assert.is(call(formatOf("Q8_0").type, 32, 33), -4);
  assert.is(core.call("kernel_neuron_scratch_bytes", formatOf("Q5_0").type, 32, 32, 1), 0);
  const q8 = formatOf("Q8_0").type;
  const ranged = (begin: number, end: number) =>
    core.call("kernel_multiply_neurons", q8, 0, 64, 32, begin, end, 0, 0, 0, 0, 0, 0, 0);
  assert.is(ranged(0, 96), -4);
  assert.is(ranged(32, 0), -4);
  assert.is(ranged(8, 32), -4);
});

/** A PLM whose neurons are just long enough to lie one by one: 1024 outputs of a byte. */
const WIDE = {
  architecture: "plm",
  layers: 2,
  hidden: 1024,
  heads: 2,
  nope: 32,
  rope: 16,
  value: 32,
  rank: 64,
  ffn: 384,
  vocabulary: 320,
  context: 64,
  theta: 1e5,
  epsilon: 1e-6,
  pre: "qwen2",
  tied: true,
} as const;

const TOKENS_IN_ALL = 56;
const spreadId = (at: number) => (at * 37 + 5) % WIDE.vocabulary;

/** A loaded model; `streamed`: with matrices left in the file, packed by rows. */
function modelOf(core: TestCore, file: Uint8Array, streamed = false) {
  const check = (status: number): number => {
    if (status < 0) throw new Error(core.message);
    return status;
  };
  const model = core.call("model_create", core.core, 1, 0);
  core.call("model_set_file_size", model, 0, BigInt(file.length));
  if (streamed) check(core.call("model_stream", model, Streamed.ALL, 0));
  for (let status: Status = Status.MORE; status !== Status.DONE; )
    if ((status = check(core.call("model_step", model))) === Status.NEED_DATA) feed(core, "model", model, file);
  /** Whether the first layer's down projection lies column by column. */
  const turned = () => {
    const length = core.call("model_program", model, 0, 0);
    const at = core.allocate(length);
    core.call("model_program", model, at, length);
    const page = new TextDecoder().decode(core.u8(at, length));
    core.release(at);
    return page.includes("by columns: zeros pay");
  };
  const context = () => {
    const handle = core.call("context_create", core.core, model, 64, 64, 1, 1, 0);
    assert.ok(handle !== 0, core.message);
    let position = 0;
    const begin = (tokens: number, idOf: (at: number) => number) => {
      const put = (what: string, values: number[]) => core.memory.u32(core.call(what, handle), tokens).set(values);
      const positions = Array.from({ length: tokens }, (_, i) => position + i);
      put("context_ids", positions.map(idOf));
      put("context_positions", positions);
      const sequences = positions.map(() => 0);
      put("context_sequences", sequences);
      core.memory.u8(core.call("context_wanted", handle), tokens).fill(0)[tokens - 1] = 1;
      check(core.call("context_begin", handle, tokens, 0, WIDE.layers));
      position += tokens;
    };
    /** A slice of a pass; whether it was the last. */
    const step = () => {
      const status = check(core.call("context_step", handle));
      if (status === Status.NEED_DATA) feed(core, "context", handle, file);
      return status === Status.DONE;
    };
    const run = (tokens: number, idOf = spreadId) => {
      begin(tokens, idOf);
      while (!step());
      return core.f32(core.call("context_logits", handle), 320);
    };
    const zeros = () => Number(new BigUint64Array(core.u8(core.call("context_zeros", handle), 8).buffer)[0]);
    return { handle, begin, step, run, zeros, release: () => core.call("context_release", handle) };
  };
  return { context, turned, release: () => core.call("model_release", model) };
}

/** The logits of the last token, all of them in one pass by rows. */
function byRows(file: Uint8Array, build: "portable" | "fast" = "portable"): Float32Array {
  const model = modelOf(loadCore(build), file, true);
  const logits = model.context().run(TOKENS_IN_ALL);
  assert.not(model.turned());
  return logits;
}

for (const type of ["Q8_0", "F16"] as const) {
  test(`a PLM in ${type} turns to columns where zeros pay: the bits of its rows, whatever the chunks and the build`, () => {
    for (const zeros of [0.5, 0.9]) {
      const file = encodeGguf(randomModel(WIDE, type, 1, undefined, zeros));
      for (const core of [...bothCores(), loadCore("fast")]) {
        const want = byRows(file, core.build === "fast" ? "fast" : "portable");
        for (const chunks of [[56], [36, 20], [36, 1, 19], [17, 38, 1], [3, 1, 36, 16]]) {
          const model = modelOf(core, file);
          const context = model.context();
          const logits = chunks.map((tokens) => context.run(tokens)).at(-1) as Float32Array;
          assert.ok(sameBits(logits, want), `${core.build}, ${zeros} zeros, chunks of ${chunks}`);
          if (chunks.length === 1) {
            const share = context.zeros() / (TOKENS_IN_ALL * WIDE.ffn);
            assert.ok(Math.abs(share - zeros) < 0.1, `${share} of the activations are zero, not ${zeros}`);
          }
          assert.is(model.turned(), zeros > 0.5, `${core.build}, ${zeros} zeros, chunks of ${chunks}`);
          context.release();
          model.release();
        }
      }
    }
  });
}

test("one token after the other: a layer a pass turns, and turns back where zeros pay no more", () => {
  const plm = randomModel(WIDE, "F16", 1, undefined, 0.9);
  const embedding = plm.tensors.find(({ name }) => name === "token_embd.weight") as (typeof plm.tensors)[0];
  const { fill } = embedding;
  // What makes zeros is a constant in the first columns of an embedding: in the lower half of the ids it is another's.
  const half = WIDE.vocabulary / 2;
  embedding.fill = (bytes: Uint8Array) => {
    fill(bytes);
    const values = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
    for (let id = 0; id < half; id++)
      for (let i = 0; i < constantColumns("F16"); i++) values[id * WIDE.hidden + i] ^= 0x8000;
  };
  const file = encodeGguf(plm);
  const idOf = (at: number) => ((at * 37 + 5) % half) + (at < 33 ? half : 0);
  const by = (core: TestCore, chunks: number[], isStreamed: boolean) => {
    const model = modelOf(core, file, isStreamed);
    const context = model.context();
    const seen: boolean[] = [];
    let logits: Float32Array = new Float32Array();
    for (const tokens of chunks) {
      logits = context.run(tokens, idOf);
      seen.push(model.turned());
    }
    context.release();
    model.release();
    return { logits, seen };
  };
  const core = loadCore("portable");
  const { logits, seen } = by(core, [...new Array<number>(33).fill(1), 22, 1], false);
  assert.is(seen.indexOf(true), 31);
  assert.is(seen.lastIndexOf(true), 32);
  assert.ok(sameBits(logits, by(core, [TOKENS_IN_ALL], true).logits));
});

test("a context that is amid a matrix when another one turns it has the bits of its rows", () => {
  const file = encodeGguf(randomModel(WIDE, "Q8_0", 1, undefined, 0.9));
  const want = byRows(file);
  const core = loadCore("portable");
  // So many slices into its pass, of which each is a part of a matrix.
  for (let slices = 1, isDone = false; !isDone; slices += 5) {
    const model = modelOf(core, file);
    const [context, other] = [model.context(), model.context()];
    core.call("context_set_step_work", context.handle, 1n << 16n);
    context.begin(TOKENS_IN_ALL, spreadId);
    for (let i = 0; i < slices && !isDone; i++) isDone = context.step();
    other.run(40);
    assert.ok(model.turned());
    while (!isDone && !context.step());
    const logits = core.f32(core.call("context_logits", context.handle), 320);
    assert.ok(sameBits(logits, want), `${slices} slices`);
    for (const used of [context, other, model]) used.release();
  }
});

test("without room for another matrix it stays as it is", () => {
  const file = encodeGguf(randomModel(WIDE, "Q8_0", 1, undefined, 0.9));
  const want = byRows(file);
  const core = loadCore("portable");
  const model = modelOf(core, file);
  const context = model.context();
  core.call("core_set_limit", core.core, 1);
  context.run(40);
  const logits = context.run(16);
  core.call("core_set_limit", core.core, 0);
  assert.not(model.turned());
  assert.ok(sameBits(logits, want));
});

test.run();
