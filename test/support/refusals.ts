/**
 * What the core refuses, case by case, for a golden list of its words: sound files with one key or one tensor changed,
 * headers with one number changed or cut off, and calls that cannot be.
 */
import { createHash, type Hash } from "node:crypto";
import { NAMES, SHAPES } from "../../scripts/architectures.mjs";
import { encodeGguf, floatTensor } from "../../scripts/gguf-writer.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { blank, type Change, type File, key, tensor } from "./changes.ts";
import { TEMPLATES } from "./chat-templates.ts";
import { Code, Engine, EngineError, type EngineModel, modelBytes, prompt, spread } from "./engine.ts";
import { parse } from "./gguf-reader.ts";
import { gguf } from "./gguf-writer.ts";
import { Tokenizer, type VocabularySpec, vocabularyFile } from "./tokenizer.ts";

export interface Refusal {
  name: string;
  /** Cases of which only some are listed, by what is wrong: a key, a tensor, a header. Every other case is listed. */
  group?: string;
  /** The code and the words, or nothing where the core takes it. */
  words: () => string | undefined;
}

const engine = new Engine("portable");
const { core } = engine;

/** What limpet ran when the words were written down: a newer name in such a list changes no words. */
const FIRST_NAMES = "llama, qwen2, qwen3, plm, memoryformer";

/** How much is in use when memory ends is no promise. */
const said = ({ code, message }: { code?: number; message: string }) => {
  const words = message.replace(NAMES.join(", "), FIRST_NAMES);
  return `${code} ${code === Code.OUT_OF_MEMORY ? words.replace(/\d+/g, "#") : words}`;
};

/** The words that a call throws; what it made is left to the arena, which lives as long as the cases. */
function refused(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof EngineError) return said(error);
    throw error;
  }
}

/** The words behind a status below zero. */
const status = (value: number) => {
  if (value < 0) throw new EngineError(core);
};

function load(bytes: Uint8Array | Uint8Array[]): void {
  const model = engine.load(bytes);
  model.release();
}

// Files.

const BASE = {
  layers: 2,
  hidden: 32,
  heads: 4,
  vocabulary: 320,
  context: 256,
  theta: 1e4,
  epsilon: 1e-5,
  pre: "gpt-2",
};
const GROUPED = { ...BASE, kvHeads: 2, headSize: 8, ffn: 64 };
const FILES: Record<string, () => File> = {
  llama: () => randomModel({ ...GROUPED, architecture: "llama" }, "Q8_0"),
  qwen2: () => randomModel({ ...GROUPED, architecture: "qwen2" }, "F32"),
  qwen3: () => randomModel({ ...GROUPED, architecture: "qwen3" }, "F16"),
  plm: () =>
    randomModel({ ...BASE, ffn: 64, architecture: "plm", nope: 8, rope: 4, value: 8, rank: 32, tied: true }, "Q4_0"),
  memoryformer: () =>
    randomModel({ ...SHAPES["memoryformer-tiny"], layers: 2, chunks: 8, hidden: 32, ffn: 48, vocabulary: 320 }, "Q8_0"),
};

type Value = File["metadata"][number][2];
type Kind = File["metadata"][number][1];

const VALUES: [name: string, kind: Kind, value: Value][] = [
  ["0", "u32", 0],
  ["1", "u32", 1],
  ["3", "u32", 3],
  ["7", "u32", 7],
  ["64", "u32", 64],
  ["2³¹", "u32", 2 ** 31],
  ["2³² − 1", "u32", 2 ** 32 - 1],
  ["2⁶³", "u64", 2n ** 63n],
  ["−1", "i32", -1],
  ["0.0", "f32", 0],
  ["−1.0", "f32", -1],
  ["4.0", "f32", 4],
  ["no number", "f32", Number.NaN],
  ["a text", "string", "some text"],
  ["yes", "bool", true],
  ["no", "bool", false],
  ["two whole numbers", "i32[]", [2, 2]],
  ["two texts", "string[]", ["a", "b"]],
];
/** Keys that files may have and the random ones have not. */
const MORE = ["rope.scaling.factor", "rope.scaling.type", "attention.scale", "memory.zero_sign", "memory.temperature"];
MORE.push("memory.shared_hash", "attention.rms_epsilon_outside");

function fileCases(architecture: string, make: () => File): Refusal[] {
  const { metadata, tensors } = make();
  const cases: [subject: string, what: string, change: Change][] = [];
  const keys = [...metadata.map(([name]) => name), ...MORE.map((name) => `${architecture}.${name}`)];
  for (const name of new Set([...keys, "general.alignment", "split.count", "split.no", "split.tensors.count"])) {
    cases.push([name, `without ${name}`, key(name)]);
    for (const [what, kind, value] of VALUES) cases.push([name, `${name} is ${what}`, key(name, value, kind)]);
  }
  const firsts = tensors.filter(({ name }) => !/^blk\.[1-9]/.test(name));
  for (const { name, shape, type } of firsts) {
    const [columns, rows = 1] = shape;
    cases.push([name, `without ${name}`, tensor(name)]);
    const other = (what: string, size: number[], format: typeof type = type) =>
      cases.push([name, `${name} ${what}`, tensor(name, { shape: size, fill: blank, type: format })]);
    other("with a row more", [columns, rows + 1]);
    other("of twice the columns", [2 * columns, rows]);
    other("turned round", [rows === 1 ? 32 : rows % 32 ? 32 : rows, columns]);
    other("twice", [columns, rows, 2]);
    other("as bytes", [...shape], "I8");
    other("as halves", [...shape], "F16");
    const values = new Float32Array(columns * rows).fill(Number.NaN);
    cases.push([
      name,
      `${name} of no numbers`,
      (file) => {
        file.tensors = file.tensors.map((own) => (own.name === name ? floatTensor(name, [...shape], values) : own));
      },
    ]);
  }
  for (const name of ["dbrx", "", "LLAMA", "arctic"])
    cases.push(["architecture", `architecture ${name}`, key("general.architecture", name, "string")]);
  return cases.map(([subject, what, change]) => ({
    name: `${architecture}, ${what}`,
    group: `${architecture}, ${subject}`,
    words: () =>
      refused(() => {
        const file = make();
        change(file);
        let bytes: Uint8Array;
        try {
          bytes = encodeGguf(file);
        } catch {
          return; // The writer cannot say it.
        }
        load(bytes);
      }),
  }));
}

/** A header with a number changed at every place, and cut off at every place. */
function headerCases(): Refusal[] {
  const sound = gguf({
    entries: [
      ["general.architecture", "string", "llama"],
      ["llama.block_count", "u32", 2],
      ["k.tokens", "string[]", ["<unk>", "a"]],
      ["k.types", "i32[]", [1, 2]],
    ],
    tensors: [
      { name: "token_embd.weight", type: 8, ne: [32, 5] },
      { name: "t.0", type: 30, ne: [16, 1, 2] },
    ],
  });
  const length = sound.length - 32 * 7;
  const words = (bytes: Uint8Array) => {
    const { g, status: code } = parse(core, bytes);
    const said = code < 0 ? `${code} ${core.message}` : undefined;
    core.exports.gguf_release(core.core, g);
    return said;
  };
  const cases: Refusal[] = [];
  for (let at = 0; at < length; at++) {
    cases.push({ name: `a header cut at ${at}`, group: "headers cut", words: () => words(sound.subarray(0, at)) });
    for (const [width, number] of [
      [1, 0n],
      [1, 255n],
      [1, 97n],
      [4, 0n],
      [4, 2n ** 31n],
      [8, 2n ** 60n],
      [8, 2n ** 64n - 1n],
    ] as const) {
      cases.push({
        name: `a header with ${number} in ${width} bytes at ${at}`,
        group: "headers changed",
        words: () => {
          const bytes = sound.slice();
          const view = new DataView(new ArrayBuffer(8));
          view.setBigUint64(0, number, true);
          bytes.set(new Uint8Array(view.buffer, 0, Math.min(width, bytes.length - at)), at);
          return words(bytes);
        },
      });
    }
  }
  return cases;
}

function splitCases(): Refusal[] {
  const part = (i: number, count: number, total = FILES.llama().tensors.length) => {
    const file = FILES.llama();
    return encodeGguf({
      metadata: [
        ...(i === 0 ? file.metadata : []),
        ["split.no", "u32", i],
        ["split.count", "u32", count],
        ["split.tensors.count", "i32", total],
      ],
      tensors: file.tensors.filter((_, t) => t % count === i),
    });
  };
  const whole = encodeGguf(FILES.llama());
  const lists: [string, () => Uint8Array[]][] = [
    ["one part of three", () => [part(0, 3)]],
    ["two parts of three", () => [part(0, 3), part(1, 3)]],
    ["two whole files", () => [whole, whole]],
    ["parts in another order", () => [part(0, 3), part(2, 3), part(1, 3)]],
    ["the first part last", () => [part(1, 3), part(2, 3), part(0, 3)]],
    ["a part of another model", () => [part(0, 3), part(1, 3), part(2, 4)]],
    ["a part cut in its header", () => [part(0, 2), part(1, 2).subarray(0, 60)]],
    ["a part cut in its weights", () => [part(0, 2), part(1, 2).subarray(0, -64)]],
    ["too few tensors", () => [part(0, 2, 99), part(1, 2, 99)]],
    ["no part", () => []],
  ];
  return lists.map(([what, parts]) => ({
    name: `split, ${what}`,
    words: () => refused(() => load(parts())),
  }));
}

// Vocabularies and chats.

function vocabularyCases(): Refusal[] {
  const piece = { model: "llama", tokens: ["<unk>", "a", "b"], scores: [0, 0, 0], types: [2, 1, 1] };
  const specs: [string, VocabularySpec][] = [
    ["another tokenizer", { model: "plamo2", tokens: ["a"] }],
    ["another pre-tokenizer", { pre: "somebody's", tokens: ["a"] }],
    ["no tokens", { pre: "gpt-2", tokens: [] }],
    ["two of one text", { pre: "gpt-2", tokens: ["a", "b", "a"] }],
    ["too few types", { pre: "gpt-2", tokens: ["a", "b"], types: [1] }],
    ["too many scores", { ...piece, scores: [0, 0, 0, 0] }],
    ["a merge of one word", { pre: "gpt-2", tokens: ["a"], merges: ["aa"] }],
    ["a merge of what is no token", { pre: "gpt-2", tokens: ["a"], merges: ["a b"] }],
  ];
  return specs.map(([what, spec]) => ({
    name: `vocabulary, ${what}`,
    words: () => {
      try {
        Tokenizer.load(core, vocabularyFile(spec)).release();
      } catch (error) {
        return said(error as Error & { code: number });
      }
    },
  }));
}

function textCases(): Refusal[] {
  const text = (template?: string) => {
    const entries = template === undefined ? [] : [["tokenizer.chat_template", "string", template] as const];
    const tokens = [
      "<unk>",
      "<s>",
      "</s>",
      ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`),
    ];
    return Tokenizer.load(
      core,
      gguf({
        entries: [
          ["general.architecture", "string", "llama"],
          ["tokenizer.ggml.model", "string", "llama"],
          ["tokenizer.ggml.tokens", "string[]", tokens],
          ["tokenizer.ggml.scores", "f32[]", tokens.map(() => 0)],
          ["tokenizer.ggml.token_type", "i32[]", tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : 6))],
          ...entries,
        ],
      }),
    );
  };
  const format = (template: string | undefined, ...words: number[]) => {
    const t = text(template);
    const at = core.put(Uint32Array.from(words));
    status(core.call("chat_format", core.core, t.model, at, 4 * words.length, 0, 0));
  };
  const cases: [string, () => void][] = [
    ["no template", () => format(undefined, 1, 0)],
    ["a template that nobody knows", () => format("{{ something }}", 1, 0)],
    ["no message", () => format(TEMPLATES.ChatML)],
    ["a role that is none", () => format(TEMPLATES.ChatML, 3, 0)],
    ["a message behind the list", () => format(TEMPLATES.ChatML, 1, 99)],
    ["half a message", () => format(TEMPLATES.ChatML, 1)],
    ["two users", () => format(TEMPLATES["Llama 2"] ?? "", 1, 0, 1, 0)],
    ["the kind of no model", () => status(core.call("chat_kind", core.core, 0))],
    ["the text of −1", () => void text().detokenize([-1])],
    ["the text of a token behind the last", () => void text().detokenize([259])],
    ["a stream of a token behind the last", () => void text().stream([259])],
  ];
  return cases.map(([what, work]) => ({
    name: `text, ${what}`,
    words: () => {
      try {
        work();
      } catch (error) {
        return error instanceof EngineError ? said(error) : (error as Error).message;
      }
    },
  }));
}

// Calls.

function callCases(): Refusal[] {
  const bytes = modelBytes("llama-tiny", "Q4_0");
  const cases: [string, () => unknown][] = [];
  const add = (what: string, work: () => unknown) => cases.push([what, work]);
  let loaded: EngineModel | undefined;
  const model = () => (loaded ??= engine.load(bytes));

  add("a model of 1025 files", () => engine.handle(core.call("model_create", core.core, 1025, 0)));
  add("a size told twice", () => engine.do("model_set_file_size", engine.open(bytes).handle, 0, 5n));
  add("the size of a file that is not there", () => engine.do("model_set_file_size", engine.open(bytes).handle, 1, 5n));
  add("a context of a model that is not loaded", () => engine.open(bytes).context());
  const unsized = () => core.call("model_create", core.core, 1, 0) >>> 0;
  add("a step without a size", () => engine.do("model_step", unsized()));
  add("a step after a failure", () => {
    const handle = unsized();
    core.call("model_step", handle);
    engine.do("model_step", handle);
  });
  add("streaming of another kind", () => engine.do("model_stream", engine.open(bytes).handle, 3, 0));
  add("streaming said too late", () => {
    const late = engine.open(bytes);
    while (late.state < 1) late.step();
    engine.do("model_stream", late.handle, 1, 0);
  });
  add("a context of no model", () => engine.handle(core.call("context_create", core.core, 0, 8, 8, 1, 1, 1)));
  add("a context of a vocabulary", () => engine.load(bytes, true).context());
  for (const shape of [
    { rows: 0 },
    { rows: 1e6 + 1 },
    { batch: 0 },
    { batch: 8193 },
    { sequences: 0 },
    { sequences: 257 },
  ])
    add(`a context of ${JSON.stringify(shape)}`, () => model().context({ logitRows: 1, ...shape }));
  add("a context without logits", () => model().context({ logitRows: 0 }));
  add("more logits than tokens", () => model().context({ batch: 4, logitRows: 5 }));
  add("a cache of another type", () => model().context({ kv: 2 }));
  add("a context beyond all memory", () => model().context({ rows: 1e6, batch: 4096, sequences: 256, kv: 0 }));
  add("a model given back under a context", () => {
    const own = engine.load(bytes);
    own.context();
    own.release();
  });
  add("operands under a context", () => {
    const own = engine.load(bytes);
    own.context();
    engine.do("model_set_operands", own.handle, 0, 1);
  });
  add("operands of another form", () => engine.do("model_set_operands", engine.load(bytes).handle, 0, 9));

  const context = () => model().context({ rows: 16, batch: 8, logitRows: 2, sequences: 2 });
  const one = prompt([5])[0];
  const quiet = (ids: number[], from = 0, sequence = 0) =>
    prompt(ids, from, sequence).map((token) => ({ ...token, wanted: false }));
  add("a batch of nothing", () => context().run([]));
  add("a batch that is too long", () =>
    context().begin(
      quiet(spread(8))
        .slice(0, 8)
        .concat(quiet([1])),
    ),
  );
  for (const change of [{ id: 512 }, { id: -1 }, { sequence: 2 }, { position: -1 }, { position: 1e6 }])
    add(`a token of ${JSON.stringify(change)}`, () => context().run([{ ...one, ...change }]));
  add("too many logits asked", () => context().run(prompt([1, 2, 3])));
  for (const [first, end] of [
    [2, 2],
    [3, 2],
    [0, 5],
    [0, 2 ** 32 - 1],
  ])
    add(`layers ${first} to ${end}`, () => context().run([one], { first, end }));
  for (const [what, during] of [
    ["a pass", (c) => c.begin([one])],
    ["a drop", (c) => c.drop(0, 0, 9)],
    ["a share", (c) => c.share(0, 1, 0, 9)],
    ["a shift", (c) => c.shift(0, 0, 9, 1)],
    ["a merge", (c) => c.merge(0, 0, 0, 0, 0.5)],
  ] as [string, (c: ReturnType<typeof context>) => void][])
    add(`${what} in the middle of a pass`, () => {
      const c = context();
      c.begin([one]);
      during(c);
    });
  add("a full context", () => {
    const c = context();
    c.run(quiet(spread(8)));
    c.run(quiet(spread(7), 0, 1));
    c.run(quiet([1, 2], 8));
  });
  add("sharing without room", () => {
    const c = context();
    c.run(quiet(spread(8)));
    c.run(quiet(spread(8), 0, 1));
    c.share(0, 1, 0, 8);
    c.share(0, 1, 0, 8);
  });
  add("sharing with a sequence that is not there", () => context().share(0, 3, 0, 12));
  add("dropping of a sequence that is not there", () => context().drop(3, 0, 12));
  for (const delta of [-1, 1e6, -(2 ** 31)])
    add(`rows moved by ${delta}`, () => {
      const c = context();
      c.run(quiet(spread(4)));
      c.shift(0, 0, 10, delta);
    });
  const shared = () => {
    const c = context();
    c.run(quiet(spread(8)));
    c.run(quiet(spread(8), 0, 1));
    c.drop(1, 0, 9);
    c.share(0, 1, 0, 8);
    c.run(quiet(spread(8), 8, 0));
    return c;
  };
  add("a shared row moved without room", () => shared().shift(1, 0, 8, 3));
  add("a shared row merged without room", () => shared().merge(1, 0, 0, 1, 0.5));
  add("a row that is not there", () => context().merge(0, 0, 33, 0, 0.5));
  add("a layer that is not there", () => context().merge(0, 4, 0, 0, 0.5));

  const session = (rows = 16) => model().session({ rows, batch: 8 });
  add("a session of no context", () => engine.handle(core.call("session_create", core.core, 0, 0)));
  add("a session of a sequence that is not there", () => model().session({}, context(), 2));
  add("an empty stop", () => session().addStop(""));
  add("a long stop", () => session().addStop("x".repeat(4097)));
  add("log probabilities of 21", () => {
    const own = session();
    own.append([1]);
    own.begin(1, 1, 21);
  });
  add("tokens that do not fit", () => session().append(spread(17)));
  add("tokens that do not fit behind others", () => {
    const own = session();
    own.append(spread(16));
    own.append([1]);
  });
  add("tokens put in place that do not fit", () => session().replace(spread(17)));
  add("a text that does not fit", () => session().append("word ".repeat(40)));
  add("a beginning without tokens", () => session().begin(5));
  add("a step without a beginning", () => engine.do("session_step", session().handle));
  for (const id of [512, -1]) add(`a session's token ${id}`, () => session().append([id]));
  for (const options of [
    { temperature: -1 },
    { temperature: Number.NaN },
    { topP: 0 },
    { minP: 1.5 },
    { repeatPenalty: 0 },
    { repeatPenalty: 101 },
  ])
    add(`options ${JSON.stringify(options)}`, () => session().configure(options));
  add("saving in the middle", () => {
    const own = session();
    own.append([1, 2]);
    own.begin(5);
    engine.do("session_step", own.handle);
    own.save();
  });
  add("a session beside another that is in a pass", () => {
    const c = model().context({ rows: 32, batch: 8, sequences: 2 });
    core.call("context_set_step_work", c.handle, 1n);
    const [a, b] = [model().session({}, c, 0), model().session({}, c, 1)];
    for (const own of [a, b]) {
      own.append(spread(6));
      own.begin(5);
    }
    engine.do("session_step", a.handle);
    engine.do("session_step", b.handle);
  });
  add("a session restored from nothing", () => session().restore(new Uint8Array(0)));
  add("a session restored from zeros", () => session().restore(new Uint8Array(4096)));
  const saved = (kind: string, type: string, kv: number, tokens = 5) => {
    const own = engine.load(modelBytes(kind, type)).session({ rows: 64, batch: 8, kv });
    own.append(spread(tokens));
    own.begin(1);
    while (engine.do("session_step", own.handle) !== 0);
    return own.save();
  };
  add("a session of another model", () => session().restore(saved("qwen2-tiny", "Q4_0", 1)));
  add("a session of another cache", () => session().restore(saved("llama-tiny", "Q4_0", 0)));
  add("a session longer than the context", () => session().restore(saved("llama-tiny", "Q4_0", 1, 40)));
  return cases.map(([what, work]) => ({ name: `call, ${what}`, words: () => refused(work) }));
}

export function refusals(): Refusal[] {
  return [
    ...Object.entries(FILES).flatMap(([architecture, make]) => fileCases(architecture, make)),
    ...headerCases(),
    ...splitCases(),
    ...vocabularyCases(),
    ...textCases(),
    ...callCases(),
  ];
}

/** What words have in common that differ in numbers, names and types only. */
export const templateOf = (words: string): string =>
  words
    .replace(/\b[uif](8|16|32|64)\b|\bstring\b|\bbool\b/g, "T")
    .replace(/\S*[\w]\.[\w]\S*/g, "@")
    .replace(/\d+/g, "#");

interface Refused {
  said: Map<string, string>;
  /** The cases of `said` that are in no group. */
  single: Set<string>;
  hashes: Map<string, string>;
}

/** The words of every case that is refused, and of each group of cases one hash over all words, those of the taken too. */
export function measureRefusals(): Refused {
  const single = new Set<string>();
  const said = new Map<string, string>();
  const groups = new Map<string, Hash>();
  for (const { name, group, words } of refusals()) {
    const own = words();
    if (own !== undefined) {
      if (said.has(name)) throw new Error(`${name} stands there twice`);
      said.set(name, own);
    }
    if (group === undefined) {
      single.add(name);
      continue;
    }
    if (!groups.has(group)) groups.set(group, createHash("sha256"));
    groups.get(group)?.update(`${name}: ${own}\n`);
  }
  const hashes = new Map([...groups].map(([group, hash]) => [group, hash.digest("hex").slice(0, 16)]));
  return { said, single, hashes };
}
