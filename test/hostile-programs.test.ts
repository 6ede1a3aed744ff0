/**
 * Programs of files that nobody would make on purpose: any number of layers, with and without their tensors, layers that
 * differ. The builder answers soon and in words, or the model computes what its layers one by one would.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SHAPES, TINY } from "../scripts/architectures.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { blank, type File, key, tensor } from "./support/changes.ts";
import { assertBits, Code, Engine, type EngineContext, modelBytes, prompt, refuses, spread } from "./support/engine.ts";

const engine = new Engine("portable");
const scalar = new Engine("scalar");
const ids = spread(20);
/** What a machine with much else to do may take. */
const SECONDS = 4;

/** Kinds of layers that the program of a model has: each has a heading on its page. */
function kindsOf(own: Engine, bytes: Uint8Array): number {
  const model = own.load(bytes);
  const length = own.core.call("model_program", model.handle, 0, 0);
  const target = own.core.allocate(length);
  own.core.call("model_program", model.handle, target, length);
  const page = own.core.text(target, length);
  own.core.release(target);
  model.release();
  return page.match(/^layers? \d/gm)?.length ?? 0;
}

/** Whether a call takes less than the limit; its result. */
function soon<T>(what: string, work: () => T): T {
  const start = performance.now();
  const result = work();
  const took = performance.now() - start;
  assert.ok(took < SECONDS * 1000, `${what}: ${Math.round(took)} ms`);
  return result;
}

for (const kind of TINY) {
  const { architecture, layers } = SHAPES[kind];
  const changed = (...changes: ((file: File) => void)[]) => {
    const file = makeModel(kind, "Q8_0");
    for (const change of changes) change(file);
    return encodeGguf(file);
  };
  const blocks = (count: number) => key(`${architecture}.block_count`, count);

  test(`${kind}: any number of layers is answered soon, in words`, () => {
    const used = engine.used;
    for (const count of [0, 1025, 4096, 0x7fffffff, 0x80000000, 0xffffffff]) {
      const file = changed(blocks(count));
      soon(`${count} layers`, () =>
        refuses(() => engine.load(file), Code.BAD_FILE, /block_count is (0, and must lie between 1 and|above) 1024/),
      );
    }
    for (const count of [layers + 1, 100, 1024]) {
      const file = changed(blocks(count));
      const words = new RegExp(
        // So many layers have norms of heads in command-r.
        `has no tensor blk\\.(${layers}\\.|0\\.attn_q_norm)|is a list of ${layers}|per_layer_token_embd.weight is`,
      );
      soon(`${count} layers`, () => refuses(() => engine.load(file), Code.BAD_FILE, words));
    }
    assert.is(engine.used, used, "what is refused leaves nothing behind");
  });

  // What all layers have in one tensor is no less for fewer layers, and what a layer of minicpm3 adds depends on how many
  // there are.
  // The first layers of hybrids do not attend, and such a model is refused.
  const beginsRecurrent = /^(lfm2|granitehybrid|nemotron_h|jamba)/.test(architecture);
  if (!SHAPES[kind].inputWidth && architecture !== "minicpm3" && !beginsRecurrent)
    test(`${kind}: a model of its first layer alone is what a pass through that layer is`, () => {
      // What is said of layers that nobody counts is refused: it goes, too.
      const numbers = (file: File) => {
        file.metadata = file.metadata.map((entry) => {
          const [name, kind, value] = entry;
          const isOfLayers = Array.isArray(value) && value.length === layers && !name.startsWith("tokenizer.");
          return isOfLayers ? ([name, kind, value.slice(0, 1)] as typeof entry) : entry;
        });
      };
      const first = (file: File) => {
        numbers(file);
        file.tensors = file.tensors.filter(({ name }) => !/^blk\.[1-9]/.test(name));
      };
      refuses(() => engine.load(changed(blocks(1), numbers)), Code.UNSUPPORTED, /has a tensor blk\.1\./);
      const one = engine.load(changed(blocks(1), first));
      const whole = engine.load(changed());
      assert.is(one.layers, 1);
      const [a, b] = [one, whole].map((model) => model.context({ rows: 32, batch: 32 }));
      a.run(prompt(ids));
      b.run(prompt(ids), { end: 1 });
      const hidden = (context: EngineContext) => [engine.core.f32(context.hiddenAt, ids.length * one.hidden)];
      assertBits(hidden(a), hidden(b), kind);
      for (const context of [a, b]) context.release();
      for (const model of [one, whole]) model.release();
    });

  test(`${kind}: a layer without its tensors is refused by the first that it lacks`, () => {
    for (let layer = 0; layer < layers; layer++) {
      const isThere = makeModel(kind, "Q8_0").tensors.some(({ name }) => name.startsWith(`blk.${layer}.`));
      // deci has layers of nothing.
      if (!isThere) continue;
      const file = changed((own) => {
        own.tensors = own.tensors.filter(({ name }) => !name.startsWith(`blk.${layer}.`));
      });
      refuses(() => engine.load(file), Code.BAD_FILE, new RegExp(`has no tensor blk\\.${layer}\\.`));
    }
  });
}

test("a model of 1024 layers that are there is loaded and run soon", () => {
  const shape = { ...SHAPES["llama-tiny"], layers: 1024, hidden: 32, heads: 1, kvHeads: 1, headSize: 32, ffn: 32 };
  const bytes = encodeGguf(randomModel(shape, "Q8_0"));
  const own = new Engine("portable");
  const model = soon("loading", () => own.load(bytes));
  const context = soon("a context", () => model.context({ rows: 32, batch: 8 }));
  const want = soon("a pass", () => context.run(prompt(ids.slice(0, 8))));
  assert.ok(want.flatMap((row) => [...row]).every(Number.isFinite));
  assert.is(kindsOf(own, bytes), 1);
});

test("layers of every mix of biases: as many kinds as there are mixes, made and planned soon", () => {
  // Seven matrices with a bias or without one: 128 kinds of layers.
  const shape = { ...SHAPES["qwen2-tiny"], layers: 256, hidden: 32, heads: 1, kvHeads: 1, headSize: 32, ffn: 32 };
  const make = (biased: (layer: number, matrix: number) => boolean) => {
    const file = randomModel(shape, "Q8_0");
    const matrices = ["attn_output", "ffn_gate", "ffn_up", "ffn_down"];
    for (let layer = 0; layer < shape.layers; layer++) {
      for (const [i, matrix] of matrices.entries()) {
        if (!biased(layer, i)) continue;
        file.tensors = [
          ...file.tensors,
          { name: `blk.${layer}.${matrix}.bias`, type: "F32", shape: [32], fill: blank },
        ];
      }
    }
    return encodeGguf(file);
  };
  const own = new Engine("portable");
  const mixed = make((layer, i) => ((layer >> i) & 1) === 1);
  const model = soon("loading", () => own.load(mixed));
  const context = soon("a context", () => model.context({ rows: 32, batch: 32 }));
  const plain = own.load(make(() => false)).context({ rows: 32, batch: 32 });
  assertBits(context.run(prompt(ids)), plain.run(prompt(ids)), "a bias of zeros, and none");
  assert.is(kindsOf(own, mixed), 16);
});

test("biases in some layers make two kinds, and give the bits of biases of zeros in the others", () => {
  const without = makeModel("llama-tiny", "Q4_0");
  const zeros = makeModel("llama-tiny", "Q4_0");
  for (const [file, layers] of [
    [without, [1, 3]],
    [zeros, [0, 1, 2, 3]],
  ] as const) {
    for (const layer of layers) {
      const fill =
        layer % 2
          ? (chunk: Uint8Array) => new Float32Array(chunk.buffer, chunk.byteOffset, chunk.length >> 2).fill(0.25)
          : blank;
      file.tensors = [...file.tensors, { name: `blk.${layer}.attn_q.bias`, type: "F32", shape: [256], fill }];
    }
  }
  const [some, all] = [without, zeros].map((file) => encodeGguf(file));
  assert.is(kindsOf(engine, some), 2);
  assert.is(kindsOf(engine, all), 1);
  const rows = [some, all].map((bytes) => {
    const model = engine.load(bytes);
    const context = model.context({ rows: 32, batch: 32 });
    const made = context.run(prompt(ids));
    context.release();
    model.release();
    return made;
  });
  assertBits(rows[0], rows[1], "biases of zeros");
});

for (const [kind, pattern] of [
  ["llama-tiny", "ABBA"],
  ["llama-odd", "ABA"],
  ["plm-1m", "ABBA"],
] as const) {
  test(`${kind}: layers in other block formats are of one kind, and each computes as in a model of its format`, () => {
    for (const [a, b] of [
      ["Q4_0", "Q8_0"],
      ["Q8_0", "F32"],
      ["F16", "Q4_K"],
    ]) {
      const [first, second] = [makeModel(kind, a), makeModel(kind, b)];
      const { layers } = SHAPES[kind];
      const whole = pattern.padEnd(layers, "BA").slice(0, layers - 1) + "A";
      first.tensors = first.tensors.map((own) => {
        const layer = Number(own.name.match(/^blk\.(\d+)\./)?.[1] ?? -1);
        return layer >= 0 && whole[layer] === "B" ? (second.tensors.find(({ name }) => name === own.name) ?? own) : own;
      });
      const bytes = encodeGguf(first);
      assert.is(kindsOf(engine, bytes), 1);
      const batch = prompt(ids);
      const wants = [engine, scalar].map((own) => own.load(bytes).context({ rows: 32, batch: 32 }).run(batch));
      assertBits(wants[0], wants[1], "both builds");
      const parts = Object.fromEntries(
        (["A", "B"] as const).map((which) => {
          const model = engine.load(modelBytes(kind, which === "A" ? a : b));
          return [which, model.context({ rows: 128, batch: 32 })];
        }),
      );
      const { hidden } = parts.A.model;
      let states = new Uint8Array(0);
      let rows: Float32Array[] = [];
      for (let layer = 0; layer < layers; layer++) {
        const context = parts[whole[layer]];
        if (layer) engine.core.memory.write(context.hiddenAt, states);
        rows = context.run(batch, { first: layer, end: layer + 1 });
        states = engine.core.u8(context.hiddenAt, ids.length * hidden * 4) as Uint8Array<ArrayBuffer>;
      }
      assertBits(wants[0], rows, `${kind}, ${whole} of ${a} and ${b}`);
    }
  });
}

test("a tensor of no layer, and one of another shape, are refused by name", () => {
  const stray = makeModel("llama-tiny", "Q8_0");
  stray.tensors = [...stray.tensors, { name: "blk.9.attn_q.weight", type: "F32", shape: [32], fill: blank }];
  refuses(() => engine.load(encodeGguf(stray)), Code.UNSUPPORTED, /has a tensor blk\.9\.attn_q\.weight, which/);
  const wrong = makeModel("llama-tiny", "F32");
  tensor("blk.2.ffn_up.weight", { shape: [512, 256] })(wrong);
  refuses(() => engine.load(encodeGguf(wrong)), Code.BAD_FILE, /blk\.2\.ffn_up\.weight is \{512, 256\}, but/);
});

test.run();
