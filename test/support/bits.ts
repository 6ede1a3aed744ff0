/**
 * Every way through a pass, as a hash of the bits that come out: block formats, chunks, caches, forms, sequences, layers
 * entered and left, masks, rows that move, streamed weights, sessions. What is listed here may not move by one bit.
 *
 * A case has one hash. Its runs (chunks of another size, say) and both builds have to give the same one. Only exports
 * that docs/embedding.md names are called, so that the cases outlive what the core is made of.
 */
import { createHash } from "node:crypto";
import { Status } from "../../bindings/numbers.ts";
import { SHAPES } from "../../scripts/architectures.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import {
  type BatchToken,
  type ContextShape,
  Engine,
  type EngineContext,
  type EngineModel,
  F16,
  F32,
  Form,
  type PassOptions,
  prompt,
  Q8_0,
  Streamed,
  spread,
  Visibility,
} from "./engine.ts";

type GgufFile = ReturnType<typeof makeModel>;
type Entries = GgufFile["metadata"];
type Run = (model: EngineModel) => ArrayBufferView[];

/** Runs that have to give the same bits, by what is different in them. */
interface Case {
  name: string;
  runs: [what: string, run: Run][];
}

export interface BitsModel {
  name: string;
  make: () => GgufFile;
  cases: (layers: number) => Case[];
  /** Runs with the weights, or the tables alone, left in the file: they give the bits of the resident model. */
  streamed?: boolean;
}

const TOKENS = 40;
const IDS = spread(TOKENS);
const ROWS = 96;

/** Runs work on a context that is given back. */
function withContext(shape: ContextShape, work: (context: EngineContext) => ArrayBufferView[]): Run {
  return (model) => {
    const context = model.context({ rows: ROWS, ...shape });
    try {
      return work(context);
    } finally {
      context.release();
    }
  };
}

const chunks = (shape: ContextShape, chunk: number, ids: readonly number[] = IDS): Run =>
  withContext({ batch: chunk, ...shape }, (context) => context.runChunks(prompt(ids), chunk));

/** The bits of a short text, whole and in pieces. */
function plain(name: string, shape: ContextShape, sizes: readonly number[]): Case {
  return { name, runs: sizes.map((size) => [`chunks of ${size}`, chunks(shape, size)]) };
}

const inRange = (model: EngineModel, ids: readonly number[]) => ids.map((id) => id % model.vocabulary);

/** Three sequences of other lengths in one batch, in turns of changing length; logits are asked of some tokens. */
function ragged(shape: ContextShape, chunk: number): Run {
  return withContext({ batch: chunk, rows: 3 * TOKENS, sequences: 3, ...shape }, (context) => {
    const parts = [prompt(IDS.slice(0, 33)), prompt(spread(17, 5), 4, 1), prompt(spread(9, 60), 0, 2)];
    const mixed: BatchToken[] = [];
    for (let turn = 0; mixed.length < 33 + 17 + 9; turn++) {
      const part = parts[turn % 3];
      mixed.push(...part.splice(0, 1 + (turn % 5)));
    }
    const asked = mixed.map((token, i) => ({ ...token, wanted: i % 3 !== 1 }));
    return context.runChunks(asked, chunk);
  });
}

/** The residual stream behind each layer, and the logits of a pass that goes on from there. */
function entered(shape: ContextShape, layers: number): Run {
  return withContext(shape, (context) => {
    const batch = prompt(IDS.slice(0, 20));
    const { hidden } = context.model;
    const out: ArrayBufferView[] = [];
    for (let middle = 1; middle < layers; middle++) {
      context.reset();
      context.run(batch, { end: middle });
      const states = context.core.f32(context.hiddenAt, batch.length * hidden);
      out.push(states, ...context.run(batch, { first: middle }));
      // Some tokens alone, entered anew where the pass was left.
      context.reset();
      context.core.memory.write(context.hiddenAt, states.subarray(0, 7 * hidden));
      out.push(...context.run(batch.slice(0, 7), { first: middle }));
    }
    return out;
  });
}

/** A tree behind a prompt, then tokens that see all of each other. */
function visible(shape: ContextShape): Run {
  return withContext(shape, (context) => {
    const out: ArrayBufferView[] = [...context.run(prompt(IDS.slice(0, 12)))];
    const tree = IDS.slice(12, 20).map((id, i) => ({ id, position: 12 + (i >> 1) }));
    const mask = tree.map((_, i) => Array.from({ length: (i >> 1) + 1 }, (_, j) => 2 * j + (i & 1)));
    out.push(...context.run(tree, { mask }));
    out.push(...context.run(prompt(IDS.slice(20, 29), 16), { visibility: Visibility.ALL }));
    return out;
  });
}

/** The mass of attention by layer and row, and the logits beside it. */
function mass(shape: ContextShape): Run {
  return withContext(shape, (context) => {
    const { core, model } = context;
    const at = core.allocate(model.layers * ROWS * 4);
    core.call("context_set_mass", context.handle, at);
    const rows = context.runChunks(prompt(IDS), shape.batch ?? 64);
    const sums = core.f32(at, model.layers * ROWS);
    core.call("context_set_mass", context.handle, 0);
    core.release(at);
    return [...rows, sums];
  });
}

/** Zeros behind the activation, layer by layer, of the last pass. */
function zeros(shape: ContextShape): Run {
  return withContext(shape, (context) => {
    context.run(prompt(IDS));
    const { core, model } = context;
    const at = (name: string) => core.u8(core.call(name, context.handle) >>> 0, model.layers * 8);
    return [at("context_zeros"), at("context_activations")];
  });
}

/** Rows that are shared, moved, merged and dropped, and what tokens say that see them. */
function moved(shape: ContextShape): Run {
  return withContext({ rows: 3 * TOKENS, sequences: 3, ...shape }, (context) => {
    const out: ArrayBufferView[] = [...context.run(prompt(IDS.slice(0, 30)))];
    const say = (sequence: number, position: number, options: PassOptions = {}) =>
      out.push(
        ...context.run(
          [7, 70].map((id, i) => ({ id, position: position + i, sequence })),
          options,
        ),
      );
    context.share(0, 1, 0, 24);
    say(1, 24);
    context.shift(1, 4, 26, 9);
    say(1, 35);
    for (let layer = 0; layer < context.model.layers; layer++) context.merge(1, layer, 2, 6, 0.375);
    context.merge(0, 0, 3, 4, 0.5);
    say(0, 30);
    say(1, 37);
    context.drop(0, 3, 9);
    context.drop(0, 12, 14, 1, 2);
    context.shift(0, 9, 100, -6);
    say(0, 26);
    context.share(0, 2, 0, 1000);
    context.drop(0, 0, 1000);
    say(2, 28);
    return out;
  });
}

/** A pass given up in its middle, then the same again with little work a step. */
function stepped(shape: ContextShape): Run {
  return withContext(shape, (context) => {
    const { core } = context;
    context.run(prompt(IDS.slice(0, 8)));
    core.call("context_set_step_work", context.handle, 90_000n);
    const rest = prompt(IDS.slice(8), 8);
    context.run(rest, { onStep: (step) => step < 11 });
    const rows = context.run(rest);
    core.call("context_set_step_work", context.handle, BigInt(2 ** 28));
    return rows;
  });
}

/** Tokens and log probabilities of a session, greedy and drawn, with its history saved and restored in the middle. */
function session(shape: ContextShape, restored: boolean): Run {
  return withContext({ batch: 16, ...shape }, (context) => {
    const own = context.model.session(shape, context);
    own.append(inRange(context.model, IDS.slice(0, 21)));
    own.configure({ temperature: 0.9, topK: 60, topP: 0.95, minP: 0.01, repeatPenalty: 1.1, seed: 7 });
    const out: ArrayBufferView[] = [];
    const generate = (count: number) => {
      own.begin(count, 1, 3);
      for (;;) {
        const status = context.model.engine.do("session_step", own.handle);
        if (status === Status.DONE) break;
        if (status !== Status.TOKEN) continue;
        out.push(Uint32Array.of(context.core.call("session_token", own.handle)));
        out.push(Float32Array.of(context.core.call("session_logprob", own.handle)));
        out.push(context.core.f32(context.core.call("session_top_logprobs", own.handle) >>> 0, 3));
      }
    };
    generate(7);
    if (restored) {
      const saved = own.save();
      own.rewind(3);
      own.append([5, 6, 9]);
      own.begin(2);
      while (context.model.engine.do("session_step", own.handle) !== Status.DONE);
      context.reset();
      own.restore(saved);
    }
    own.configure({});
    generate(9);
    own.release();
    return out;
  });
}

const CHUNKS = [1, 3, 7, TOKENS];

/** More tokens than a block of rows holds, of sequences that lose rows in their middle and fill the holes of others. */
function long(shape: ContextShape, chunk: number): Run {
  return withContext({ rows: 200, sequences: 4, batch: chunk, ...shape }, (context) => {
    const ids = inRange(context.model, spread(150, 31));
    const out: ArrayBufferView[] = [];
    const say = (tokens: readonly BatchToken[]) => out.push(...context.runChunks(tokens, chunk));
    say(prompt(ids));
    context.share(0, 1, 0, 90);
    context.drop(0, 10, 80);
    say(prompt(ids.slice(0, 40), 90, 1));
    context.drop(1, 60, 100);
    say(prompt(ids.slice(40, 70), 0, 2));
    context.shift(0, 80, 150, -70);
    say(prompt(ids.slice(0, 5), 80));
    context.drop(2, 0, 1000);
    say(prompt(ids.slice(100, 130), 3, 3));
    say(prompt(ids.slice(7, 12), 130, 1));
    return out;
  });
}

const longer = (form: number, sizes: readonly number[]): Case => ({
  name: "a long text, with holes",
  runs: sizes.map((size) => [`chunks of ${size}`, long({ form }, size)]),
});
const andLonger =
  (cases: BitsModel["cases"], form: number = Form.AUTO) =>
  (layers: number) => [...cases(layers), longer(form, [150, 31])];

/** Everything that can be done with a model of key and value rows, or of latents. */
function everything(form: number): (layers: number) => Case[] {
  const latent = form === Form.EXPANDED;
  const label = latent ? "expanded, " : "";
  const sizes = latent ? [TOKENS] : CHUNKS;
  return (layers) => [
    ...[
      ["F32", F32],
      ["F16", F16],
      ["Q8_0", Q8_0],
    ].flatMap(([name, kv]) => [
      plain(`${label}cache ${name}`, { kv: kv as number, form }, sizes),
      { name: `${label}cache ${name}: rows that move`, runs: [["", moved({ kv: kv as number, form })]] } as Case,
      {
        name: `${label}cache ${name}: ragged`,
        runs: (latent ? [59] : [4, 59]).map((size) => [`${size}`, ragged({ kv: kv as number, form }, size)]),
      } as Case,
    ]),
    { name: `${label}layers entered and left`, runs: [["", entered({ form }, layers)]] },
    { name: `${label}a tree, and all of a batch`, runs: [["", visible({ form })]] },
    { name: `${label}mass of attention`, runs: [["", mass({ form })]] },
    {
      name: `${label}little work a step, given up once`,
      runs: [["", stepped({ form })]],
    },
    { name: `${label}a session`, runs: [["", session({ form }, false)]] },
    { name: `${label}a session, saved and restored`, runs: [["", session({ form, kv: Q8_0 }, true)]] },
    { name: `${label}zeros`, runs: [["", zeros({ form })]] },
  ];
}

/** Both forms of latents, and the choice between them by the chunk. */
function latents(layers: number): Case[] {
  const auto = [1, 7, TOKENS].map((size) => plain(`chosen form, chunks of ${size}`, { form: Form.AUTO }, [size]));
  return [...everything(Form.ABSORBED)(layers), ...everything(Form.EXPANDED)(layers), ...auto];
}

/** A text in a whole chunk and in pieces. */
const brief = (form: number) => (): Case[] => [
  plain("logits", { form }, form === Form.EXPANDED ? [TOKENS] : [TOKENS, 7]),
];
const briefLatent = (): Case[] => [
  plain("logits", { form: Form.ABSORBED }, [TOKENS, 7]),
  plain("expanded, logits", { form: Form.EXPANDED }, [TOKENS]),
];

const FORMATS = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"];
FORMATS.push("IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q1_0", "Q2_0");

/** The models, and what each of them is asked. */
export function bitsModels(): BitsModel[] {
  const models: BitsModel[] = [];
  const tiny = (kind: string, type: string, cases: BitsModel["cases"], streamed = false) =>
    models.push({ name: `${kind} ${type}`, make: () => makeModel(kind, type), cases, streamed });
  const changed = (
    name: string,
    make: () => GgufFile,
    cases: BitsModel["cases"] = brief(Form.AUTO),
    streamed = false,
  ) => models.push({ name, make, cases, streamed });

  for (const kind of ["llama-tiny", "qwen2-tiny", "qwen3-tiny"]) tiny(kind, "Q8_0", everything(Form.AUTO), true);
  tiny("llama-odd", "Q4_0", andLonger(everything(Form.AUTO)), true);
  tiny("plm-1m", "Q4_K", latents, true);
  tiny("plm-1m", "Q8_0", briefLatent, true);
  for (const type of ["F32", "F16", "Q8_0", "Q4_0"])
    tiny("memoryformer-tiny", type, andLonger(everything(Form.AUTO)), true);

  for (const type of FORMATS) {
    if (type !== "Q8_0") tiny("llama-tiny", type, brief(Form.AUTO), ["Q4_K", "F16", "Q1_0", "NVFP4"].includes(type));
    if (type !== "Q8_0" && type !== "Q4_K") tiny("plm-1m", type, briefLatent, ["F32", "Q6_K", "Q2_0"].includes(type));
  }
  for (const type of ["F32", "F16", "Q5_1", "IQ4_NL", "MXFP4"]) tiny("llama-odd", type, brief(Form.AUTO));
  for (const type of ["F32", "Q4_0", "Q4_K", "Q5_K"])
    for (const kind of ["qwen2-tiny", "qwen3-tiny"]) tiny(kind, type, brief(Form.AUTO));
  for (const type of ["F16", "Q4_0", "Q8_0", "Q4_K", "Q6_K"] as const)
    changed(
      `plm of two layers ${type}, nine activations of ten zero`,
      () => sparse(type),
      () => [...briefLatent(), { name: "zeros", runs: [["", zeros({ form: Form.ABSORBED })]] }],
    );

  changed(
    "llama with biases, a part of each head turned, a scale of its own",
    biased,
    andLonger(everything(Form.AUTO)),
    true,
  );
  changed("llama whose head is its embedding", () => small("llama", { tied: true }));
  changed("qwen2 with a head of its own", () => small("qwen2", { kvHeads: 4 }), brief(Form.AUTO), true);
  changed("qwen3 with as many keys as queries", () => small("qwen3", { kvHeads: 4, headSize: 24 }));
  changed("plm of other widths, with a head of its own", oddLatent, andLonger(latents, Form.ABSORBED), true);
  for (const type of ["F32", "Q4_0"] as const)
    changed(`memoryformer of probabilities, ε inside the root, zeros not one, ${type}`, () => otherMemory(type));
  changed("demo F16", () => makeModel("demo", "F16"));
  return models;
}

type Shape = (typeof SHAPES)[string];

function small(architecture: Shape["architecture"], more: Partial<Shape>): GgufFile {
  const shape = {
    ...SHAPES["qwen2-tiny"],
    architecture,
    layers: 3,
    hidden: 64,
    heads: 4,
    kvHeads: 2,
    headSize: 16,
    ffn: 96,
    tied: false,
    ...more,
  };
  return randomModel(shape, "Q4_0", 5);
}

/** Metadata with other values, or new ones, for some keys. */
function withEntries(file: GgufFile, entries: Entries): GgufFile {
  const names = new Set(entries.map(([name]) => name));
  return { ...file, metadata: [...file.metadata.filter(([name]) => !names.has(name)), ...entries] };
}

/** Qwen2's biases under llama's name, and an output bias, which some files of llama have. */
function biased(): GgufFile {
  const file = small("qwen2", { headSize: 16 });
  const renamed: Entries = file.metadata.map(([name, type, value]) =>
    name === "general.architecture" ? [name, type, "llama"] : [name.replace(/^qwen2\./, "llama."), type, value],
  );
  const values = Float32Array.from({ length: 64 }, (_, i) => ((i * 37) % 64) / 64 - 0.5);
  const bytes = new Uint8Array(values.buffer);
  const biases = Array.from({ length: 3 }, (_, layer) => ({
    name: `blk.${layer}.attn_output.bias`,
    type: "F32" as const,
    shape: [64],
    fill: (chunk: Uint8Array) => chunk.set(bytes.subarray(0, chunk.length)),
  }));
  return withEntries({ metadata: renamed, tensors: [...file.tensors, ...biases] }, [
    ["llama.rope.dimension_count", "u32", 12],
    ["llama.attention.scale", "f32", 0.3],
  ]);
}

function sparse(type: "F16" | "Q4_0" | "Q8_0" | "Q4_K" | "Q6_K"): GgufFile {
  return randomModel({ ...SHAPES["plm-1m"], layers: 2, hidden: 512 }, type, 1, undefined, 0.9);
}

function oddLatent(): GgufFile {
  const shape = { ...SHAPES["plm-1m"], layers: 3, hidden: 96, heads: 3, nope: 20, rope: 12, value: 32 };
  return randomModel({ ...shape, rank: 64, ffn: 160, tied: false }, "Q5_0", 9);
}

function otherMemory(type: "F32" | "Q4_0"): GgufFile {
  return withEntries(makeModel("memoryformer-tiny", type), [
    ["memoryformer.memory.weight_rule", "string", "prob"],
    ["memoryformer.memory.temperature", "f32", 0.7],
    ["memoryformer.memory.zero_sign", "bool", false],
    ["memoryformer.attention.rms_epsilon_outside", "bool", false],
    ["memoryformer.attention.layer_norm_epsilon", "f32", 1e-3],
  ]);
}

/** What stays in the file: the weights, or tables with and without room for rows that were hit. */
export const STREAMINGS = [
  { streamed: Streamed.ALL, rowCache: 0 },
  { streamed: Streamed.TABLES, rowCache: 0 },
  { streamed: Streamed.TABLES, rowCache: 3000 },
];

export const hashOf = (parts: readonly ArrayBufferView[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
  return hash.digest("hex").slice(0, 16);
};

export const fileOf = (model: BitsModel): Uint8Array => encodeGguf(model.make());

/** The hash of every case of a model, and which runs of a case give other bits than its first. */
export function measureBits(model: BitsModel): { hashes: Map<string, string>; torn: string[] } {
  const bytes = fileOf(model);
  const hashes = new Map<string, string>();
  const torn: string[] = [];
  const note = (name: string, what: string, hash: string) => {
    const key = `${model.name}: ${name}`;
    const first = hashes.get(key);
    if (first === undefined) hashes.set(key, hash);
    else if (first !== hash) torn.push(`${key}: ${what} gives ${hash}, not ${first}`);
  };
  for (const build of ["portable", "scalar"] as const) {
    const engine = new Engine(build);
    const resident = engine.load(bytes);
    const cases = model.cases(resident.layers);
    for (const { name, runs } of cases)
      for (const [what, run] of build === "portable" ? runs : runs.slice(-1))
        note(name, `${build}, ${what}`, hashOf(run(resident)));
    resident.release();
    if (!model.streamed || build !== "portable") continue;
    for (const streaming of STREAMINGS) {
      const streamed = engine.load(bytes, false, streaming);
      const [{ name, runs }] = cases;
      const [what, run] = runs[runs.length - 1];
      note(name, `${what}, streamed ${streaming.streamed} with ${streaming.rowCache} bytes`, hashOf(run(streamed)));
      streamed.release();
    }
    if (engine.used > 4096) torn.push(`${model.name}: ${engine.used} bytes are not given back`);
  }
  return { hashes, torn };
}
