/**
 * Taps: what a pass has beside its logits, for whoever asks. The answers keep their bits, what is tapped is what the pass
 * computes with, and a context that nobody taps pays nothing.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Tap } from "../bindings/numbers.ts";
import { architectureOf, SHAPES, TINY } from "../scripts/architectures.mjs";
import { encodeGguf, tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { blank, tensor } from "./support/changes.ts";
import {
  assertBits,
  Code,
  type ContextShape,
  Engine,
  EngineContext,
  type EngineModel,
  F16,
  F32,
  Form,
  modelBytes,
  prompt,
  Q8_0,
  refuses,
  spread,
} from "./support/engine.ts";
import { erf } from "./support/erf.ts";

const ROWS = 80;
const BATCH = 40;
const ALL = (1 << Tap.ATTENTION) | (1 << Tap.FFN) | (1 << Tap.HIDDEN);
const ids = spread(BATCH + 3);
const engine = new Engine("portable");
const { core } = engine;

function tapped(model: EngineModel, taps = ALL, shape: ContextShape = {}): EngineContext {
  const { rows = ROWS, batch = BATCH, logitRows = batch, sequences = 1, kv = F16 } = shape;
  const sizes = [rows, batch, logitRows, sequences, kv];
  return new EngineContext(
    model,
    engine.handle(core.call("context_create_tapped", core.core, model.handle, ...sizes, taps)),
    { ...shape, batch },
  );
}

/** Runs `work` with memory of `floats` for a tap, and gives what the tap wrote there. */
function withTap(context: EngineContext, tap: number, floats: number, work: () => unknown): Float32Array {
  const at = core.allocate(floats * 4);
  engine.do("context_set_tap", context.handle, tap, at);
  work();
  engine.do("context_set_tap", context.handle, tap, 0);
  const values = core.f32(at, floats);
  core.release(at);
  return values;
}

const formsOf = (kind: string) =>
  architectureOf(kind).latent ? [Form.ABSORBED, Form.EXPANDED, Form.AUTO] : [Form.AUTO];
/** The widest feed-forward network of a model. */
const widthOf = (kind: string) => {
  const { ffn, ffnOf = [ffn], sharedWidth = 0, dense = 0 } = SHAPES[kind];
  return sharedWidth && !dense ? sharedWidth : Math.max(...ffnOf, sharedWidth);
};
/** Whether a layer attends, and whether what it attends to adds up to 1: a sink takes a share. */
const attends = (kind: string, layer: number, head = 0) =>
  SHAPES[kind].kvHeadsOf?.[layer] !== 0 && head < (SHAPES[kind].headsOf?.[layer] ?? Number.POSITIVE_INFINITY);
const isWhole = (kind: string, layer: number, total: number, whole: number, slack: number, head = 0) => {
  if (!attends(kind, layer, head)) return total === 0;
  if (SHAPES[kind].architecture === "gpt-oss") return total > 0 && total < whole;
  return Math.abs(total - whole) < slack;
};

/** The last matrix of what mixes tokens: attention, state space models and delta nets, a convolution, RWKV. */
const MIXED = /(attn_output|ssm_out|shortconv\.out_proj|time_mix_output)\.(weight|bias)$/;

const geluByErf = (u: number) => (u / 2) * (1 + erf(u / Math.SQRT2));
const gelu = (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** Architectures whose norm before the network is a LayerNorm. */
const CENTRED = [
  ...["phi2", "cohere2", "command-r", "gpt2", "gptneox", "starcoder2", "stablelm", "rwkv6", "rwkv7", "starcoder"],
  ...["falcon", "olmo", "bloom", "mpt", "nemotron", "jais2", "orion", "codeshell", "jais", "cohere2moe"],
];

/** xIELU (arXiv:2411.13010) with the numbers of a layer: α of what is above 0, α of what is below, β, ε. */
function xielu(x: number, [above, below, beta, least]: number[]): number {
  const soft = (y: number) => Math.log1p(Math.exp(y));
  if (x > 0) return soft(above) * x * x + beta * x;
  return (Math.expm1(Math.min(x, least)) - x) * (beta + soft(below)) + beta * x;
}

function xieluOf({ metadata }: ReturnType<typeof makeModel>, layer: number): number[] | undefined {
  const listOf = (name: string) => metadata.find(([key]) => key === `xielu.${name}`)?.[2] as number[] | undefined;
  const lists = ["alpha_p", "alpha_n", "beta", "eps"].map((name) => listOf(name) ?? []);
  return lists[0].length ? lists.map((list) => list[layer]) : undefined;
}

for (const kind of TINY) {
  const { hashes } = architectureOf(kind);
  const heads = SHAPES[kind].heads;

  test(`${kind}: tapped passes have the bits of others, whoever listens`, () => {
    for (const type of hashes ? ["Q8_0", "F32"] : ["Q4_0", "Q4_K", "F32"]) {
      const model = engine.load(modelBytes(kind, type));
      const plain = model.context({ rows: ROWS, batch: BATCH });
      const context = tapped(model);
      const floats = model.layers * Math.max(heads * ROWS, BATCH * Math.max(model.hidden, widthOf(kind)));
      const places = [0, 1, 2].map(() => core.allocate(floats * 4));
      for (const chunk of [1, 7, BATCH]) {
        plain.reset();
        const want = plain.runChunks(prompt(ids), chunk);
        for (const listens of [false, true]) {
          for (const tap of [0, 1, 2]) engine.do("context_set_tap", context.handle, tap, listens ? places[tap] : 0);
          context.reset();
          assertBits(context.runChunks(prompt(ids), chunk), want, `${kind} ${type}, chunks of ${chunk}, ${listens}`);
        }
      }
      for (const place of places) core.release(place);
      for (const one of [plain, context]) one.release();
      model.release();
    }
  });

  // A model of recurrent layers alone attends to nothing.
  if (SHAPES[kind].kvHeadsOf?.some((count) => count > 0) ?? heads > 0)
    test(`${kind}: attention by head is one for each token, and adds up to the mass of the rows`, () => {
      const model = engine.load(modelBytes(kind, "Q8_0"));
      const { layers } = model;
      for (const kv of [F32, F16, Q8_0]) {
        for (const form of formsOf(kind)) {
          const context = tapped(model, 1 << Tap.ATTENTION, { kv, form });
          const mass = core.allocate(layers * ROWS * 4);
          core.call("context_set_mass", context.handle, mass);
          for (const [token, id] of ids.slice(0, 9).entries()) {
            core.memory.write(mass, new Uint8Array(layers * ROWS * 4));
            const byHead = withTap(context, Tap.ATTENTION, layers * heads * ROWS, () =>
              context.run([{ id, position: token }]),
            );
            const summed = core.f32(mass, layers * ROWS);
            for (let layer = 0; layer < layers; layer++) {
              const sums = new Float64Array(ROWS);
              for (let head = 0; head < heads; head++) {
                const first = (layer * heads + head) * ROWS;
                const weights = byHead.subarray(first, first + ROWS);
                const total = weights.reduce((sum, weight) => sum + weight, 0);
                assert.ok(
                  isWhole(kind, layer, total, 1, 1e-5, head),
                  `layer ${layer}, head ${head}, token ${token}: ${total}`,
                );
                assert.ok(weights.subarray(token + 1).every((weight) => weight === 0));
                for (const [row, weight] of weights.entries()) sums[row] += weight;
              }
              for (let row = 0; row < ROWS; row++) {
                assert.ok(
                  Math.abs(sums[row] - summed[layer * ROWS + row]) < 1e-5 * heads,
                  `layer ${layer}, row ${row}`,
                );
              }
            }
          }
          // A chunk adds up what its tokens, one by one, would.
          core.call("context_set_mass", context.handle, 0);
          context.reset();
          const chunk = withTap(context, Tap.ATTENTION, layers * heads * ROWS, () =>
            context.run(prompt(ids.slice(0, BATCH))),
          );
          for (let at = 0; at < layers * heads; at++) {
            const total = chunk.subarray(at * ROWS, (at + 1) * ROWS).reduce((sum, weight) => sum + weight, 0);
            assert.ok(
              isWhole(kind, Math.floor(at / heads), total, BATCH, 1e-3, at % heads),
              `${total} of ${BATCH} tokens`,
            );
          }
          context.release();
          core.release(mass);
        }
      }
      model.release();
    });

  test(`${kind}: hidden states behind a layer are those of a pass that ends there`, () => {
    const model = engine.load(modelBytes(kind, hashes ? "Q8_0" : "Q4_0"));
    const { layers, hidden } = model;
    const context = tapped(model);
    const plain = model.context({ rows: ROWS, batch: BATCH });
    const batch = prompt(ids.slice(0, 20));
    const states = withTap(context, Tap.HIDDEN, layers * BATCH * hidden, () => context.run(batch));
    for (let layer = 0; layer < layers; layer++) {
      for (const one of [plain, context]) {
        one.reset();
        one.run(batch, { end: layer + 1 });
        // Behind the last layer only tokens whose logits are asked for are left: here all.
        assertBits(
          [core.f32(one.hiddenAt, 20 * hidden)],
          [states.subarray(layer * BATCH * hidden, (layer * BATCH + 20) * hidden)],
          `${kind}, layer ${layer}`,
        );
      }
    }
    // Where few are asked for, those keep their places in the batch.
    context.reset();
    const some = batch.map((token, i) => ({ ...token, wanted: i === 5 || i === 19 }));
    const few = withTap(context, Tap.HIDDEN, layers * BATCH * hidden, () => context.run(some));
    for (const token of [5, 19]) {
      const at = ((layers - 1) * BATCH + token) * hidden;
      assertBits([few.subarray(at, at + hidden)], [states.subarray(at, at + hidden)], `${kind}, token ${token}`);
    }
    for (const one of [plain, context]) one.release();
    model.release();
  });

  // Where layers have an input of their own, the stream is not what the layer before has left. Mamba has no network, and
  // in BitNet's a norm stands before the last matrix.
  if (!hashes && !SHAPES[kind].inputWidth && widthOf(kind) > 0 && !/^bitnet/.test(kind)) {
    test(`${kind}: FFN activity is what enters the last matrix of the network`, () => {
      const file = makeModel(kind, "F32");
      // Weights are drawn as they are written, so what is read here is another drawing.
      const drawn = makeModel(kind, "F32").tensors;
      const floats = (name: string) => {
        const own = drawn.find((other) => other.name === name);
        if (!own) throw new Error(`no ${name}`);
        const bytes = new Uint8Array(tensorBytes(own.type, own.shape));
        own.fill(bytes);
        return new Float32Array(bytes.buffer);
      };
      const { layers, hidden, epsilon } = SHAPES[kind];
      const ffn = widthOf(kind);
      // Attention and states that add nothing: what enters the network is what the layer before has left.
      for (const { name } of file.tensors) {
        if (MIXED.test(name)) tensor(name, { fill: blank })(file);
      }
      const model = engine.load(encodeGguf(file));
      const context = tapped(model);
      const batch = prompt(ids.slice(0, 11));
      let activity: Float32Array = new Float32Array();
      const states = withTap(context, Tap.HIDDEN, layers * BATCH * hidden, () => {
        activity = withTap(context, Tap.FFN, layers * BATCH * ffn, () => context.run(batch));
      });
      for (let layer = 1; layer < layers; layer++) {
        const constants = xieluOf(file, layer);
        const own = (name: string) => {
          const full = `blk.${layer}.${name}`;
          return drawn.some((other) => other.name === full) ? floats(full) : null;
        };
        // Parallel branches have one norm, the attention's, a LayerNorm; where norms stand behind, there is none before.
        const before = /^(qwen3(5|next)|seed_oss)/.test(kind) ? ["post_attention_norm.weight"] : [];
        const norm =
          [...before, "ffn_norm.weight", "ffn_norm", "attn_norm_2.weight", "attn_norm.weight"]
            .map(own)
            .find((found) => found) ??
          (architectureOf(kind).plainOutput && new Float32Array(hidden).fill(1));
        const centred = CENTRED.includes(SHAPES[kind].architecture);
        const shift = own("ffn_norm.bias") ?? own("attn_norm_2.bias") ?? own("attn_norm.bias");
        const bias = own("ffn_up.bias");
        const gateBias = own("ffn_gate.bias");
        // Of experts the shared one, which every token goes to. Without it, or without a network, nothing is tapped.
        const both = own("ffn_up.weight") ?? own("ffn_up_shexp.weight") ?? own("channel_mix_key.weight");
        if (!both) continue;
        // Gate and up may lie in one matrix, gate first.
        const fused = own("ffn_down.weight")?.length === both.length / 2;
        const up = fused ? both.subarray(both.length / 2) : both;
        const gate = fused ? both : (own("ffn_gate.weight") ?? own("ffn_gate_shexp.weight"));
        const normedAt = (token: number): Float64Array => {
          const x = Float64Array.from(states.subarray(((layer - 1) * BATCH + token) * hidden).subarray(0, hidden));
          const mean = centred ? x.reduce((sum, value) => sum + value, 0) / hidden : 0;
          const square = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / hidden;
          return x.map((value, k) =>
            norm ? ((value - mean) / Math.sqrt(square + epsilon)) * norm[k] + (shift?.[k] ?? 0) : value,
          );
        };
        // RWKV mixes a token with the one before it.
        const mixed = own("channel_mix_lerp_k.weight");
        for (const token of [0, 4, 10]) {
          const last = token && mixed ? normedAt(token - 1) : null;
          const normed = normedAt(token).map((value, k) =>
            mixed ? value + mixed[k] * ((last?.[k] ?? 0) - value) : value,
          );
          const product = (matrix: Float32Array, row: number) =>
            normed.reduce((sum, value, k) => sum + value * matrix[row * hidden + k], 0);
          const got = activity.subarray((layer * BATCH + token) * ffn).subarray(0, ffn);
          for (let row = 0; row < up.length / hidden; row += 3) {
            const u = product(up, row) + (bias?.[row] ?? 0);
            const g = gate ? product(gate, row) + (gateBias?.[row] ?? 0) : 0;
            const gated = /^gemma/.test(kind) ? gelu(g) : g / (1 + Math.exp(-g));
            const alone = constants
              ? xielu(u, constants)
              : /^(gptneox|falcon|mpt)/.test(kind)
                ? geluByErf(u)
                : shift && !mixed && !/^(nemotron|jais2)/.test(kind)
                  ? gelu(u)
                  : Math.max(u, 0) ** 2;
            const want = gate ? gated * u : alone;
            const off = Math.abs(got[row] - want);
            assert.ok(
              off <= 1e-4 * Math.max(1, Math.abs(want)),
              `layer ${layer}, token ${token}, ${row}: off by ${off}`,
            );
          }
        }
      }
      context.release();
      model.release();
    });
  }

  test(`${kind}: taps that there are not are refused, and an untapped context takes no byte more`, () => {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    const shape = { rows: ROWS, batch: BATCH };
    const planned = model.contextBytes(shape);
    const used = engine.used;
    const before = model.context(shape);
    assert.is(engine.used - used, planned);
    const context = tapped(model, 1 << Tap.HIDDEN);
    assert.is(model.contextBytes(shape), planned);
    const between = engine.used;
    const after = model.context(shape);
    assert.is(engine.used - between, planned, "a tapped program beside it changes nothing");
    for (const taps of [0, 8, 15, 0x80000000, 0xffffffff]) {
      refuses(() => tapped(model, taps), Code.BAD_ARGUMENT, /taps are a sum of 1 attention/);
    }
    for (const tap of [3, 31, 32, 33, 0x7fffffff, 0xffffffff]) {
      refuses(() => engine.do("context_set_tap", context.handle, tap, 64), Code.BAD_ARGUMENT, /not made for tap/);
    }
    for (const one of [before, after]) {
      for (const tap of [0, 1, 2]) {
        refuses(() => engine.do("context_set_tap", one.handle, tap, 64), Code.BAD_ARGUMENT, /not made for tap/);
      }
    }
    for (const one of [before, context, after]) one.release();
    model.release();
    assert.is(engine.used < used, true, "the tapped program goes with its model");
  });
}

test.run();
