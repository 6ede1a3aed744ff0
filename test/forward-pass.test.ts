/**
 * The forward pass through the raw exports: the same bits however the work is split, the oracle's logits, layers entered
 * and left, taps, and passes given up in the middle.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { architectureOf, jumps, SHAPES, TINY, VARIANTS } from "../scripts/architectures.mjs";
import { encodeGguf, tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import golden from "./golden/logits.json" with { type: "json" };
import {
  assertBits,
  type BatchToken,
  Code,
  Engine,
  type EngineContext,
  EngineError,
  F16,
  F32,
  Form,
  modelBytes,
  prompt,
  Q8_0,
  refuses,
  spread,
  Visibility,
} from "./support/engine.ts";
import { divergence, fromBase64 } from "./support/peers.ts";
import { shared } from "./support/shared.ts";

const POSITIONS = 64;
const portable = new Engine("portable");
const scalar = new Engine("scalar");

/** Two sequences of tokens in one batch, in runs of changing length. */
function interleave(a: readonly BatchToken[], b: readonly BatchToken[]): BatchToken[] {
  const mixed: BatchToken[] = [];
  for (let i = 0, j = 0, run = 1; i < a.length || j < b.length; run = (run % 5) + 1) {
    mixed.push(...a.slice(i, i + run), ...b.slice(j, j + 3));
    i += run;
    j += 3;
  }
  return mixed;
}

const files: [name: string, read: () => Uint8Array | null][] = [
  [
    "stories260K",
    () => {
      const path = shared("data/stories260K.gguf");
      return path === null ? null : readFileSync(path);
    },
  ],
];
for (const kind of TINY) {
  const { types, latent, hashes } = architectureOf(kind);
  for (const type of latent || hashes ? types : ["Q4_K"]) files.push([`${kind} ${type}`, () => modelBytes(kind, type)]);
}

for (const [name, read] of files) {
  test(`${name}: 64 positions have the same bits in both builds, in any chunks, and beside another sequence`, () => {
    const bytes = read();
    if (bytes === null) return;
    const ids = spread(POSITIONS);
    const model = portable.load(bytes);
    const context = model.context({ rows: 2 * POSITIONS, sequences: 2 });
    const want = context.run(prompt(ids));
    for (const chunk of [1, 7, 32]) {
      context.reset();
      assertBits(context.runChunks(prompt(ids), chunk), want, `chunks of ${chunk}`);
    }
    context.reset();
    const mixed = interleave(prompt(ids, 0, 1), prompt(spread(40, 11), 0, 0));
    const rows = context.runChunks(mixed, POSITIONS).filter((_, i) => mixed[i].sequence === 1);
    assertBits(rows, want, "beside another sequence");
    context.release();
    model.release();

    const other = scalar.load(bytes);
    const small = other.context({ rows: POSITIONS });
    assertBits(small.run(prompt(ids)), want, "the scalar build");
    small.reset();
    assertBits(small.runChunks(prompt(ids), 7), want, "the scalar build in chunks of 7");
    small.release();
    other.release();
  });
}

test("a cache in Q8_0: the same bits in both builds, in any chunks, beside another sequence", () => {
  const ids = spread(POSITIONS);
  for (const [kind, type, form] of [
    ["llama-tiny", "Q8_0", Form.AUTO],
    ["plm-1m", "Q8_0", Form.ABSORBED],
    ["plm-1m", "Q8_0", Form.EXPANDED],
    ["demo", "F16", Form.ABSORBED],
  ] as const) {
    let want: Float32Array[] | undefined;
    for (const engine of [portable, scalar]) {
      const model = engine.load(modelBytes(kind, type));
      const context = model.context({ rows: 2 * POSITIONS, sequences: 2, kv: Q8_0, form });
      want ??= context.run(prompt(ids));
      for (const chunk of form === Form.EXPANDED ? [POSITIONS] : [1, 7, POSITIONS]) {
        context.reset();
        assertBits(context.runChunks(prompt(ids), chunk), want, `${kind}, form ${form}, chunks of ${chunk}`);
      }
      context.reset();
      if (form !== Form.EXPANDED) {
        const mixed = interleave(prompt(ids, 0, 1), prompt(spread(40, 11), 0, 0));
        const rows = context.runChunks(mixed, POSITIONS).filter((_, i) => mixed[i].sequence === 1);
        assertBits(rows, want, `${kind}: beside another sequence`);
      }
      context.release();
      model.release();
    }
  }
});

test("every architecture agrees with the float64 oracle, and MLA in both forms", () => {
  for (const { kind, type, logits } of golden.models) {
    const expected = fromBase64(logits);
    const model = portable.load(modelBytes(kind, type));
    for (const form of architectureOf(kind).latent ? [Form.ABSORBED, Form.EXPANDED] : [Form.ABSORBED]) {
      // A cache of halves may look up another row of a table, or choose another expert.
      // Variants are met in F32: their layers may be many, and what a cache rounds adds up.
      for (const kv of jumps(kind) || VARIANTS.includes(kind) ? [F32] : [F16, F32, Q8_0]) {
        const context = model.context({ rows: POSITIONS, kv, form });
        const last = context.run(prompt(golden.tokens)).at(-1) as Float32Array;
        const kl = divergence(expected, last);
        assert.ok(
          kl < (kv === Q8_0 ? 2e-3 : type === "F32" && kv === F32 ? 1e-9 : 1e-5),
          `${kind} ${type}, form ${form}, kv ${kv}: KL ${kl}`,
        );
        context.release();
      }
    }
    model.release();
  }
});

/** The largest |a − b| / |b| of a row, by Euclid's norm. */
function distance(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  const norm = (row: Float32Array) => Math.hypot(...row);
  return Math.max(...b.map((row, i) => norm(row.map((value, j) => value - a[i][j])) / norm(row)));
}

test("MLA: absorbed and expanded logits are as good as equal, and expanded ones the same bits in both builds", () => {
  const ids = spread(40);
  for (const type of ["F32", "Q8_0"]) {
    const rows = [portable, scalar].map((engine) => {
      const model = engine.load(modelBytes("plm-1m", type));
      const run = (form: number, kv: number) => {
        const context = model.context({ rows: POSITIONS, form, kv });
        const logits = context.run(prompt(ids));
        context.release();
        return logits;
      };
      const expanded = run(Form.EXPANDED, F32);
      for (const kv of [F32, F16]) {
        const far = distance(run(Form.EXPANDED, kv), run(Form.ABSORBED, kv));
        // The forms' sums differ in their last bits: rounded to halves, or to 16-bit activations, some fall apart there.
        assert.ok(far < (type === "F32" && kv === F32 ? 1e-5 : 5e-4), `${type}, kv ${kv}: ${far}`);
      }
      model.release();
      return expanded;
    });
    assertBits(rows[0], rows[1], `${type}, expanded`);
  }
});

test("the form is chosen by the chunk: one token runs absorbed, a long chunk expanded", () => {
  const model = portable.load(modelBytes("plm-1m", "Q8_0"));
  const rowsOf = (form: number, chunk: number) => {
    const context = model.context({ rows: 256, batch: 256, form });
    const rows = context.runChunks(prompt(spread(256)), chunk);
    context.release();
    return rows;
  };
  assertBits(rowsOf(Form.AUTO, 1), rowsOf(Form.ABSORBED, 1), "token by token");
  assertBits(rowsOf(Form.AUTO, 256), rowsOf(Form.EXPANDED, 256), "in one chunk");
  model.release();
});

test("logits asked of some tokens are those that all would give", () => {
  for (const kind of ["llama-tiny", "plm-1m"]) {
    for (const form of [Form.ABSORBED, Form.EXPANDED]) {
      const model = portable.load(modelBytes(kind, "Q4_0"));
      const context = model.context({ rows: POSITIONS, form });
      const ids = spread(POSITIONS);
      const all = context.run(prompt(ids));
      for (const asked of [[63], [0], [], [3, 4, 17, 40], [0, 63]]) {
        context.reset();
        const batch = prompt(ids).map((token, i) => ({ ...token, wanted: asked.includes(i) }));
        assertBits(
          context.run(batch),
          asked.map((i) => all[i]),
          `${kind}, tokens ${asked}`,
        );
        assert.is(context.rows(0, model.layers - 1), POSITIONS);
      }
      model.engine.core.call("context_release", context.handle);
      model.release();
    }
  }
});

test("a pass stops at any layer, goes on from there, and is entered with hidden states from elsewhere", () => {
  for (const kind of TINY) {
    const model = portable.load(modelBytes(kind, "Q8_0"));
    const { layers, hidden } = model;
    const context = model.context({ rows: POSITIONS });
    const batch = prompt(spread(20));
    const want = context.run(batch);
    for (let middle = 1; middle < layers; middle++) {
      context.reset();
      context.run(batch, { end: middle });
      // Some layers keep no rows, some read those of others.
      const { kvHeadsOf, sharing = 0 } = SHAPES[kind];
      assert.is(context.rows(0, middle - 1), kvHeadsOf?.[middle - 1] === 0 ? 0 : 20);
      if (middle < layers - sharing) assert.is(context.rows(0, middle), 0);
      const states = portable.core.f32(context.hiddenAt, 20 * hidden);
      assertBits(context.run(batch, { first: middle }), want, `${kind}: on from layer ${middle}`);
      context.reset();
      // Layers that read rows of those before them, or the first one's values, are not entered without these.
      if (sharing || SHAPES[kind].architecture === "rwkv7") continue;
      // Only some tokens go on: the states of the others are left out, and with them their rows.
      portable.core.memory.write(context.hiddenAt, states);
      assertBits(context.run(batch, { first: middle }), want, `${kind}: entered at layer ${middle}`);
    }
    context.release();
    model.release();
  }
});

test("the attention mass of a layer sums to heads · tokens, and changes no bits", () => {
  for (const [kind, heads] of [
    ["llama-tiny", 8],
    ["plm-1m", 4],
  ] as const) {
    const model = portable.load(modelBytes(kind, "Q8_0"));
    const context = model.context({ rows: POSITIONS });
    const batch = prompt(spread(30));
    const want = context.run(batch);
    context.reset();
    const mass = portable.core.allocate(model.layers * POSITIONS * 4);
    portable.core.call("context_set_mass", context.handle, mass);
    assertBits(context.run(batch), want, kind);
    portable.core.call("context_set_mass", context.handle, 0);
    for (let layer = 0; layer < model.layers; layer++) {
      const rows = portable.core.f32(mass + layer * POSITIONS * 4, POSITIONS);
      const sum = rows.reduce((total, value) => total + value, 0);
      assert.ok(Math.abs(sum - heads * 30) < 1e-3, `${kind}, layer ${layer}: ${sum}`);
      // The first row is seen by all tokens, the last by its own alone, rows behind by none.
      assert.ok(rows[0] > 0 && rows[29] <= heads && rows[30] === 0);
    }
    portable.core.release(mass);
    context.release();
    model.release();
  }
});

test("exact zeros behind ReLU² are counted layer by layer", () => {
  // Attention adds nothing, so that what enters the first FFN is the embedding itself.
  const made = () => {
    const file = makeModel("plm-1m", "F32");
    for (const tensor of file.tensors) {
      if (tensor.name === "blk.0.attn_output.weight") tensor.fill = (chunk: Uint8Array) => void chunk.fill(0);
    }
    return file;
  };
  const { tensors } = made();
  const values = (name: string) => {
    const tensor = tensors.find((candidate) => candidate.name === name);
    assert.ok(tensor, name);
    const bytes = new Uint8Array(tensorBytes(tensor.type, tensor.shape));
    tensor.fill(bytes);
    return new Float32Array(bytes.buffer);
  };
  const [embedding, norm, up] = ["token_embd.weight", "blk.0.ffn_norm.weight", "blk.0.ffn_up.weight"].map(values);
  const [hidden, ffn] = [norm.length, up.length / norm.length];
  const ids = spread(16);
  let zeros = 0;
  for (const id of ids) {
    for (let row = 0; row < ffn; row++) {
      let sum = 0;
      for (let i = 0; i < hidden; i++) sum += embedding[id * hidden + i] * norm[i] * up[row * hidden + i];
      if (sum <= 0) zeros++;
    }
  }
  for (const engine of [portable, scalar]) {
    const model = engine.load(encodeGguf(made()));
    const context = model.context();
    const { core } = engine;
    const read = (name: string) => Number(core.memory.readU64(core.call(name, context.handle)));
    for (let again = 0; again < 2; again++) {
      context.reset();
      context.run(prompt(ids));
      assert.is(read("context_zeros"), zeros, "each pass counts its own");
      assert.is(read("context_activations"), ids.length * ffn);
    }
    assert.ok(zeros > 0.3 * ids.length * ffn && zeros < 0.7 * ids.length * ffn);
    context.release();
    model.release();
  }
});

test("a pass is given up at any step, and the same pass gives the same bits afterwards", () => {
  for (const [kind, form] of [
    ["llama-tiny", 0],
    ["plm-1m", Form.ABSORBED],
    ["plm-1m", Form.EXPANDED],
  ] as const) {
    const model = portable.load(modelBytes(kind, "Q4_0"));
    const context = model.context({ rows: 24, batch: 16, logitRows: 1, form });
    const ids = spread(24);
    const before = prompt(ids.slice(0, 8)).map((token) => ({ ...token, wanted: false }));
    const batch = prompt(ids.slice(8), 8).map((token, i) => ({ ...token, wanted: i === 15 }));
    context.run(before);
    const want = context.run(batch);
    // The last step is not counted: it answers that all is done.
    assert.is(context.steps, model.layers - 1, "a chunk that is little work returns once a layer");

    // With less work a step, stages return in their middle too.
    portable.core.call("context_set_step_work", context.handle, 150_000n);
    context.drop(0, 8, 1000);
    assertBits(context.run(batch), want, `${kind}, form ${form}, in many steps`);
    const { steps } = context;
    assert.ok(steps > 15 * model.layers, `${steps} steps`);
    for (let stop = 0; stop < steps; stop++) {
      context.drop(0, 8, 1000);
      assert.equal(context.run(batch, { onStep: (step) => step < stop }), []);
      assert.is(context.rows(0), 8, "what the pass wrote is gone");
    }
    assertBits(context.run(batch), want, `${kind}, form ${form}`);
    context.release();
    model.release();
  }
});

test("a batch that cannot be is refused before anything changes", () => {
  const model = portable.load(modelBytes("llama-tiny", "Q4_0"));
  const context = model.context({ rows: 16, batch: 8, logitRows: 2, sequences: 2 });
  const quiet = (token: BatchToken) => ({ ...token, wanted: false });
  const one = prompt([5])[0];
  const { BAD_ARGUMENT, CONTEXT_FULL, WRONG_STATE } = Code;
  refuses(() => context.run([]), BAD_ARGUMENT, /1 to 8 tokens, not 0/);
  refuses(() => context.run([{ ...one, id: 512 }]), BAD_ARGUMENT, /512 is not in the vocabulary/);
  refuses(() => context.run([{ ...one, id: -1 }]), BAD_ARGUMENT, /-1 is not in the vocabulary/);
  refuses(() => context.run([{ ...one, sequence: 2 }]), BAD_ARGUMENT, /sequence/);
  refuses(() => context.run([{ ...one, position: -1 }]), BAD_ARGUMENT, /position/);
  refuses(() => context.run([{ ...one, position: 1e6 }]), BAD_ARGUMENT, /position/);
  refuses(() => context.run(prompt([1, 2, 3])), BAD_ARGUMENT, /at most 2 tokens a batch, and 3/);
  refuses(() => context.run([one], { first: 2, end: 2 }), BAD_ARGUMENT, /layers/);
  refuses(() => context.run([one], { first: 3, end: 2 }), BAD_ARGUMENT, /layers/);
  refuses(() => context.run([one], { end: 5 }), BAD_ARGUMENT, /layers/);
  refuses(() => context.run([one], { end: 2 ** 32 - 1 }), BAD_ARGUMENT, /layers/);
  assert.is(context.rows(0), 0);
  context.begin([one]);
  refuses(() => context.run([one]), WRONG_STATE, /middle of a pass/);
  refuses(() => context.drop(0, 0, 9), WRONG_STATE, /middle of a pass/);
  refuses(() => context.share(0, 1, 0, 9), WRONG_STATE, /middle of a pass/);
  portable.core.call("context_abort", context.handle);
  context.run(prompt(spread(8)).map(quiet));
  context.run(prompt(spread(7), 0, 1).map(quiet));
  refuses(() => context.run(prompt([1, 2], 8).map(quiet)), CONTEXT_FULL, /16 tokens is full: 2 more/);
  const last = context.run([{ id: 9, position: 8 }]);
  refuses(() => context.run([{ id: 9, position: 9 }]), CONTEXT_FULL, /full/);
  context.drop(0, 8, 9);
  assertBits(context.run([{ id: 9, position: 8 }]), last, "the context goes on");
  context.release();
  model.release();
});

test("contexts of impossible shapes are refused", () => {
  const model = portable.load(modelBytes("llama-tiny", "Q4_0"));
  const { BAD_ARGUMENT, UNSUPPORTED, OUT_OF_MEMORY, WRONG_STATE } = Code;
  const used = portable.used;
  for (const shape of [
    { rows: 0 },
    { rows: 1e6 + 1 },
    { batch: 0 },
    { batch: 8193 },
    { sequences: 0 },
    { sequences: 257 },
  ]) {
    refuses(() => model.context({ logitRows: 1, ...shape }), BAD_ARGUMENT, /a context takes/);
  }
  refuses(() => model.context({ logitRows: 0 }), BAD_ARGUMENT, /logits/);
  refuses(() => model.context({ batch: 4, logitRows: 5 }), BAD_ARGUMENT, /logits/);
  refuses(() => model.context({ kv: 2 }), UNSUPPORTED, /type 2/);
  refuses(() => model.context({ rows: 1e6, batch: 4096, sequences: 256, kv: F32 }), OUT_OF_MEMORY, /not enough memory/);
  assert.is(portable.used, used, "nothing is lost");
  const context = model.context();
  refuses(() => model.release(), WRONG_STATE, /contexts/);
  context.release();
  context.release();
  model.release();
});

test("above 2 GiB everything is as below", () => {
  const run = (engine: Engine) => {
    const model = engine.load(modelBytes("plm-1m", "Q4_K"));
    const context = model.context({ sequences: 2 });
    const session = model.session();
    session.append(spread(9));
    session.configure({ temperature: 0.8, topK: 50, seed: 3 });
    const saved = session.save();
    const { ids } = session.generate(12);
    session.restore(saved);
    assert.equal(session.generate(12).ids, ids);
    return { rows: runAll(context), ids, handles: [model, context, session].map(({ handle }) => handle) };
  };
  const want = run(new Engine("portable"));
  const engine = new Engine("portable");
  try {
    // A pool of rows that nobody writes is memory that the host need not back.
    engine.load(modelBytes("qwen2-tiny", "Q4_0")).context({ rows: 530_000, batch: 1, kv: F32 });
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== Code.OUT_OF_MEMORY) throw error;
    console.log("skipped: needs a host that gives 2.2 GiB of address space");
    return;
  }
  // Holes below are filled, so that whatever follows lies above.
  for (const bytes of [1 << 16, 1 << 12, 64]) while (engine.core.allocate(bytes) < 0x8000_0000);
  const { rows, ids, handles } = run(engine);
  for (const handle of handles) assert.ok(handle >= 0x8000_0000, `${handle} is below 2 GiB`);
  assertBits(rows, want.rows, "above 2 GiB");
  assert.equal(ids, want.ids);
});

/** A chunk, a mixed batch, and one with a tree: every path through the cache. */
function runAll(context: EngineContext): Float32Array[] {
  const rows = context.run(prompt(spread(24)));
  context.share(0, 1, 0, 20);
  rows.push(...context.run(interleave(prompt([7, 8, 9], 24), prompt([10, 11], 20, 1))));
  context.shift(1, 4, 30, 3);
  rows.push(...context.run(prompt([1, 2, 3, 4], 30, 1), { mask: [[0], [0, 1], [0, 2], [0, 2, 3]] }));
  rows.push(...context.run(prompt([5, 6], 27), { visibility: Visibility.ALL }));
  return rows;
}

test.run();
