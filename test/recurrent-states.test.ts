/**
 * Recurrent states: marks to which sequences go back, forks, saved ones, passes given up: whatever is done to a sequence,
 * it goes on with the bits that its tokens give when they are evaluated anew. What cannot be done is refused in words.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ARCHITECTURES, SHAPES, TINY_RECURRENT, VARIANTS } from "../scripts/architectures.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { Model } from "../src/index.ts";
import { all, type Change, key, tensor } from "./support/changes.ts";
import {
  assertBits,
  type BatchToken,
  Code,
  Engine,
  EngineError,
  EngineSession,
  F32,
  modelBytes,
  prompt,
  refuses,
  sealed,
  sectionsOf,
  sessionOf,
  spread,
  Visibility,
} from "./support/engine.ts";
import { generator } from "./support/random.ts";

const engine = new Engine("portable");
/** One of each way to keep a state. */
const KINDS = ["mamba2-tiny", "lfm2-tiny", "rwkv7-tiny"];
/** Models without a layer that keeps a row a token. */
const isPure = (kind: string) => !(SHAPES[kind].kvHeads || SHAPES[kind].kvHeadsOf?.some((heads) => heads > 0));

/** The logits behind the last of some tokens, evaluated anew. */
function oracle(kind: string): (ids: readonly number[]) => Float32Array {
  const model = engine.load(modelBytes(kind, "F32"));
  const context = model.context({ rows: 128, batch: 128 });
  const known = new Map<string, Float32Array>();
  return (ids) => {
    const name = ids.join(" ");
    const before = known.get(name);
    if (before) return before;
    context.reset();
    const [row] = context.run(prompt(ids).map((token, i) => ({ ...token, wanted: i === ids.length - 1 })));
    known.set(name, row);
    return row;
  };
}

for (const kind of KINDS) {
  test(`${kind}: sequences under 500 random operations are what their tokens make of them`, () => {
    const random = generator(kind.length);
    const below = (n: number) => Math.floor(random() * n);
    const fresh = oracle(kind);
    const model = engine.load(modelBytes(kind, "F32"));
    const context = model.context({ rows: 256, batch: 32, sequences: 3 });
    const sequences: number[][] = [[], [], []];
    const next = () => below(512);
    const operations = {
      append(sequence: number) {
        const tokens: BatchToken[] = [];
        const from = sequences.map((ids) => ids.length);
        // Sometimes two sequences in one batch, token by token in turn.
        const others = random() < 0.5 ? [sequence] : [sequence, (sequence + 1) % 3];
        for (let i = 0, n = 1 + below(8); i < n; i++) {
          for (const one of others) {
            if (from[one] + i >= 60) continue;
            tokens.push({ id: next(), position: sequences[one].length, sequence: one, wanted: false });
            sequences[one].push(tokens[tokens.length - 1].id);
          }
        }
        for (const one of others) for (const token of tokens) if (token.sequence === one) token.wanted = true;
        if (tokens.length === 0) return;
        const rows = context.run(tokens);
        for (const one of others) {
          const last = tokens.findLastIndex((token) => token.sequence === one);
          if (last >= 0) assertBits([rows[last]], [fresh(sequences[one])], `${sequences[one].length} tokens`);
        }
      },
      giveUp(sequence: number) {
        const ids = Array.from({ length: 1 + below(6) }, next);
        const stop = below(6);
        context.run(prompt(ids, sequences[sequence].length, sequence), { onStep: (step) => step < stop });
        // A pass that was through before it was given up is one.
        if (context.steps < stop) sequences[sequence].push(...ids);
      },
      goBack(sequence: number) {
        const to = below(sequences[sequence].length + 1);
        try {
          context.drop(sequence, to, 1000);
        } catch (error) {
          assert.ok(error instanceof EngineError && error.code === Code.UNSUPPORTED, String(error));
          return;
        }
        sequences[sequence].length = to;
      },
      forget(sequence: number) {
        context.drop(sequence, 0, 1000);
        sequences[sequence] = [];
      },
      fork(sequence: number) {
        const to = (sequence + 1 + below(2)) % 3;
        operations.forget(to);
        context.share(sequence, to, 0, sequences[sequence].length);
        sequences[to] = [...sequences[sequence]];
      },
    };
    for (let i = 0; i < 500; i++) {
      const at = random();
      const { append, giveUp, goBack, forget, fork } = operations;
      const operation = at < 0.5 ? append : at < 0.65 ? goBack : at < 0.8 ? fork : at < 0.95 ? giveUp : forget;
      operation(below(3));
    }
    context.release();
    model.release();
  });

  test(`${kind}: sessions rewound, saved and restored 500 times go on as their tokens say`, () => {
    const random = generator(kind.length + 1);
    const below = (n: number) => Math.floor(random() * n);
    const fresh = oracle(kind);
    const model = engine.load(modelBytes(kind, "F32"));
    const context = model.context({ rows: 200, batch: 16, sequences: 2 });
    const sessions = [new EngineSession(context, 0), new EngineSession(context, 1)];
    for (let i = 0; i < 500; i++) {
      const which = below(2);
      const session = sessions[which];
      const at = random();
      if (at < 0.5) {
        if (session.tokens.length > 60) session.rewind(below(60));
        session.append(Array.from({ length: 1 + below(20) }, () => below(511)));
        session.generate(1);
        const evaluated = session.tokens.slice(0, -1);
        assertBits(context.logits(1), [fresh(evaluated)], `${evaluated.length} tokens`);
      } else if (at < 0.8) session.rewind(below(session.tokens.length + 1));
      else sessions[1 - which].restore(session.save());
    }
    for (const session of sessions) session.release();
    context.release();
    model.release();
  });
}

test("a session goes back to the end of its prompt without evaluating anything again", () => {
  for (const kind of TINY_RECURRENT) {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    const context = model.context({ rows: 256, batch: 16 });
    const session = new EngineSession(context);
    session.append(spread(50));
    session.generate(60);
    session.rewind(50);
    assert.is(session.evaluated, 50, `${kind}: the end of the prompt is a mark`);
    session.append(spread(30, 11));
    session.generate(20);
    session.rewind(80);
    assert.is(session.evaluated, 80, `${kind}: so is the end of the next one`);
    session.rewind(50);
    assert.is(session.evaluated, 50, `${kind}: and the first is still there`);
    session.release();
    context.release();
    model.release();
  }
});

test("marks lie the closer to each other the nearer they are to the end", () => {
  const model = engine.load(modelBytes("mamba2-tiny", "Q8_0"));
  const context = model.context({ rows: 900, batch: 16 });
  const session = new EngineSession(context);
  session.append(spread(20));
  session.generate(800);
  const count = session.tokens.length - 1;
  for (const back of [1, 2, 10, 100, 400]) {
    const copy = session.save();
    session.rewind(count - back);
    const again = count - back - session.evaluated;
    assert.ok(again <= 10 * back, `back by ${back} evaluates ${again} again`);
    session.restore(copy);
  }
  session.release();
  context.release();
  model.release();
});

test("state is constant where no layer attends, and grows by the attention layers alone where some do", () => {
  for (const kind of [
    ...TINY_RECURRENT,
    ...VARIANTS.filter((kind) => ARCHITECTURES[SHAPES[kind].architecture].recurrent),
  ]) {
    const model = engine.load(modelBytes(kind, "F32"));
    const bytes = [1, 2].map((times) => {
      const context = model.context({ rows: 512 * times, kv: F32 });
      const { core, handle } = context;
      const answer = [core.call("context_cache_bytes", handle), core.call("context_token_bytes", handle)].map(Number);
      context.release();
      return answer;
    });
    assert.is(bytes[1][0] - bytes[0][0], 512 * bytes[0][1], kind);
    const { layers, kvHeadsOf, kvHeads = 0, headSize = 0 } = SHAPES[kind];
    const heads = (kvHeadsOf ?? Array.from({ length: layers }, () => kvHeads)).reduce((sum, n) => sum + n, 0);
    assert.is(bytes[0][1], isPure(kind) ? 0 : heads * headSize * 2 * 4, kind);
    model.release();
  }
});

test("a plan states the state, which is the same for any context, and the cache of layers that attend alone", async () => {
  for (const kind of TINY_RECURRENT) {
    const file = makeModel(kind, "F32");
    key(`${SHAPES[kind].architecture}.context_length`, 1 << 20)(file);
    const bytes = new Uint8Array(encodeGguf(file));
    const model = engine.load(bytes);
    for (const length of [1024, 4096]) {
      const plan = await Model.plan(bytes.slice(), { context: length, kv: "f32" });
      const context = model.context({ rows: length, kv: F32 });
      const token = Number(engine.core.call("context_token_bytes", context.handle));
      assert.is(plan.cache, length * token, `${kind}: the cache`);
      // A pass writes a state beside the one that it has read, and marks are kept.
      const kept = Number(engine.core.call("context_cache_bytes", context.handle)) - plan.cache;
      assert.ok(plan.state > 0 && kept % plan.state === 0, `${kind}: states of ${plan.state} in ${kept}`);
      assert.ok(plan.context > plan.cache + plan.state);
      context.release();
    }
    model.release();
  }
});

test("what a recurrent state cannot do is refused, and changes nothing", () => {
  const model = engine.load(modelBytes("lfm2-tiny", "F32"));
  const context = model.context({ rows: 64, batch: 16, sequences: 2 });
  const ids = spread(20);
  const want = context.run(prompt(ids.slice(0, 16)));
  context.reset();
  context.run(prompt(ids.slice(0, 10)));
  const refused: [() => void, number, RegExp][] = [
    [
      () => context.run(prompt(ids.slice(0, 2), 9)),
      Code.BAD_ARGUMENT,
      /position 9, and the recurrent state .* taken in position 9/,
    ],
    [() => context.run(prompt([1, 2], 10).reverse()), Code.BAD_ARGUMENT, /stands at position 10/],
    [() => context.run(prompt([1], 10), { visibility: Visibility.ALL }), Code.UNSUPPORTED, /one after the other/],
    [() => context.run(prompt([1], 10), { mask: [[0]] }), Code.UNSUPPORTED, /one after the other/],
    [() => context.drop(0, 5, 1000), Code.UNSUPPORTED, /no mark of it behind position 4/],
    [() => context.share(0, 1, 3, 10), Code.UNSUPPORTED, /stands for all tokens from the first on/],
    [() => context.share(0, 1, 0, 5), Code.UNSUPPORTED, /stands for all tokens/],
  ];
  for (const [work, code, words] of refused) refuses(work, code, words);
  assertBits(context.run(prompt(ids.slice(10, 16), 10)), want.slice(10), "as if nothing had been asked");
  // Tokens in the middle may go: the state keeps what it has taken in.
  context.drop(0, 2, 4);
  context.shift(0, 4, 1000, -2);
  context.run(prompt([7], 14));
  context.release();
  model.release();
});

const SIZES: readonly [kind: string, change: Change, code: number, words: RegExp][] = [
  ["mamba2-tiny", key("mamba2.ssm.conv_kernel", 0), Code.BAD_FILE, /ssm\.conv_kernel is 0/],
  ["mamba2-tiny", key("mamba2.ssm.conv_kernel", 1), Code.BAD_FILE, /ssm\.conv_kernel is 1/],
  ["mamba2-tiny", key("mamba2.ssm.conv_kernel", 5), Code.BAD_FILE, /ssm_conv1d\.weight is \{4, 320\}/],
  ["mamba2-tiny", key("mamba2.ssm.inner_size", 0), Code.BAD_FILE, /ssm\.inner_size is 0/],
  ["mamba2-tiny", key("mamba2.ssm.inner_size", 260), Code.BAD_FILE, /must divide ssm\.inner_size 260/],
  ["mamba2-tiny", key("mamba2.ssm.state_size", 0), Code.BAD_FILE, /ssm\.state_size is 0/],
  ["mamba2-tiny", key("mamba2.ssm.state_size", 2 ** 31), Code.BAD_FILE, /ssm\.state_size is 2147483648/],
  ["mamba2-tiny", key("mamba2.ssm.time_step_rank", 7), Code.BAD_FILE, /ssm\.time_step_rank 7 must divide/],
  ["mamba2-tiny", key("mamba2.ssm.group_count", 3), Code.BAD_FILE, /ssm\.group_count 3/],
  ["mamba2-tiny", key("mamba2.ssm.inner_size"), Code.BAD_FILE, /ssm\.inner_size/],
  ["mamba2-tiny", key("mamba2.embedding_length", 0), Code.BAD_FILE, /embedding_length is 0/],
  ["mamba2-tiny", tensor("blk.1.ssm_a"), Code.BAD_FILE, /no tensor blk\.1\.ssm_a/],
  ["mamba2-tiny", tensor("blk.1.ssm_dt.bias"), Code.BAD_FILE, /no tensor blk\.1\.ssm_dt\.bias/],
  [
    "mamba2-tiny",
    tensor("blk.1.ssm_norm.weight", { shape: [256, 1] }),
    Code.BAD_FILE,
    /ssm_norm\.weight is \{256, 1\}/,
  ],
  ["mamba-tiny", key("mamba.ssm.time_step_rank", 0), Code.BAD_FILE, /ssm\.time_step_rank is 0/],
  ["mamba-tiny", key("mamba.ssm.state_size", 8), Code.BAD_FILE, /ssm_x\.weight/],
  ["lfm2-tiny", key("lfm2.shortconv.l_cache", 0), Code.BAD_FILE, /shortconv\.l_cache is 0/],
  ["lfm2-tiny", key("lfm2.shortconv.l_cache"), Code.BAD_FILE, /shortconv\.l_cache/],
  ["lfm2-tiny", key("lfm2.attention.head_count_kv", [0, 0, 0, 0, 0], "i32[]"), Code.BAD_FILE, /no attention/],
  ["lfm2-tiny", key("lfm2.attention.head_count_kv", [0, 0, 2], "i32[]"), Code.BAD_FILE, /a list of 3/],
  ["lfm2-tiny", key("lfm2.attention.causal", false, "bool"), Code.UNSUPPORTED, /attention\.causal/],
  ["qwen35-tiny", key("qwen35.ssm.inner_size", 96), Code.BAD_FILE, /must be/],
  ["qwen35-tiny", key("qwen35.ssm.group_count", 3), Code.BAD_FILE, /multiple of ssm\.group_count 3/],
  ["qwen35-tiny", key("qwen35.full_attention_interval", 0), Code.BAD_FILE, /full_attention_interval is 0/],
  ["qwen35-tiny", key("qwen35.nextn_predict_layers", 1), Code.UNSUPPORTED, /nextn_predict_layers/],
  ["rwkv7-tiny", key("rwkv7.wkv.head_size", 0), Code.BAD_FILE, /wkv\.head_size is 0/],
  ["rwkv7-tiny", key("rwkv7.wkv.head_size", 48), Code.BAD_FILE, /wkv\.head_size 48 does not divide/],
  ["rwkv7-tiny", key("rwkv7.wkv.head_size"), Code.BAD_FILE, /wkv\.head_size/],
  ["rwkv7-tiny", key("rwkv7.attention.decay_lora_rank", 0), Code.BAD_FILE, /decay_lora_rank is 0/],
  ["rwkv7-tiny", tensor("blk.1.time_mix_lerp_fused.weight", { shape: [128, 1, 1, 5] }), Code.BAD_FILE, /lerp_fused/],
  ["rwkv6-tiny", key("rwkv6.time_mix_extra_dim", 0), Code.BAD_FILE, /time_mix_extra_dim is 0/],
  ["rwkv6-tiny", all(key("rwkv6.wkv.head_size", 32)), Code.BAD_FILE, /time_mix_first\.weight/],
  ["falcon-h1-tiny", key("falcon-h1.ssm.time_step_rank", 5), Code.BAD_FILE, /time_step_rank 5 must divide/],
  ["nemotron_h-tiny", key("nemotron_h.attention.head_count", 0), Code.BAD_FILE, /head_count/],
];

test("files whose sizes cannot be are refused by the key or the tensor", () => {
  for (const [kind, change, code, words] of SIZES) {
    const file = makeModel(kind, "F32");
    change(file);
    refuses(() => engine.load(encodeGguf(file)), code, words);
  }
});

test("a saved session of another model, or whose marks are not those of its tokens, is refused", () => {
  const [mamba, lfm] = ["mamba2-tiny", "lfm2-tiny"].map((kind) => engine.load(modelBytes(kind, "F32")));
  const [context, other] = [mamba, lfm].map((model) => model.context({ rows: 64, batch: 16 }));
  const [session, stranger] = [new EngineSession(context), new EngineSession(other)];
  session.append(spread(12));
  session.generate(3);
  const saved = session.save();
  refuses(() => stranger.restore(saved), Code.BAD_FILE, /another model/);
  const sections = sectionsOf(saved);
  assert.equal(
    sections.map(({ name }) => name),
    ["model", "tokens", "sampler", "state", "marks"],
  );
  const marks = sections.findIndex(({ name }) => name === "marks");
  const changed = (change: (view: DataView, bytes: Uint8Array) => unknown) => {
    const bytes = sections[marks].bytes.slice();
    const result = change(new DataView(bytes.buffer), bytes);
    const changed = result instanceof Uint8Array ? result : bytes;
    return sessionOf(sections.with(marks, { name: "marks", bytes: changed }), saved);
  };
  // A layer is 12 bytes of its kind, the bytes of a row, how many there are, their positions.
  const refused: [Uint8Array, RegExp][] = [
    [sessionOf(sections.slice(0, marks), saved), /cut off/],
    [sessionOf([...sections, sections[marks]], saved), /cut off/],
    [changed((view) => view.setUint32(8 + 20, 13, true)), /not that of its tokens/],
    [changed((view) => view.setUint32(8 + 12, 16, true)), /another type/],
    [changed((view) => view.setUint32(8 + 16, 2 ** 31, true)), /cut off/],
    [changed((view) => view.setUint8(8, 65)), /another type/],
    [changed((_, bytes) => bytes.subarray(0, bytes.length - 4)), /cut off/],
    [changed(() => new Uint8Array(0)), /cut off/],
  ];
  for (const [bytes, words] of refused) refuses(() => session.restore(sealed(bytes)), Code.BAD_FILE, words);
  session.restore(saved);
  session.generate(2);
  for (const each of [session, stranger]) each.release();
});

test.run();
