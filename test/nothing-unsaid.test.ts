/**
 * A file says what its model is: a tensor that nobody reads, a key that changes the answer, and a scale that is no number
 * are refused by name. And what a host writes while a pass runs changes nothing in it.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { Model, Tokenizer } from "../src/index.ts";
import { inspectFile, inspectProgram } from "../src/load/inspect.ts";
import { blank, type Change, type File, key } from "./support/changes.ts";
import { assertBits, Code, Engine, prompt, refuses, spread } from "./support/engine.ts";
import { FORMATS, formatOf, setHalf } from "./support/formats.ts";
import { errorOf } from "./support/models.ts";

const { BAD_FILE, UNSUPPORTED, WRONG_STATE } = Code;
const SMALL = {
  layers: 2,
  hidden: 256,
  heads: 4,
  kvHeads: 2,
  headSize: 64,
  ffn: 256,
  vocabulary: 320,
  context: 256,
  theta: 1e4,
  epsilon: 1e-5,
  pre: "gpt-2",
};
const small = (architecture: string, type = "Q8_0"): File =>
  randomModel({ ...SMALL, architecture } as Parameters<typeof randomModel>[0], type as "Q8_0");
const ids = spread(6).map((id) => id % 300);

for (const build of ["portable", "scalar"] as const) {
  const engine = new Engine(build);
  const load = (file: File) => engine.load(encodeGguf(file));
  const run = (file: File): Float32Array[] => {
    const model = load(file);
    const context = model.context({ rows: 16, batch: 8 });
    const rows = context.run(prompt(ids));
    context.release();
    model.release();
    return rows;
  };

  for (const architecture of ["llama", "qwen2", "qwen3"]) {
    test(`${build}, ${architecture}: a tensor that nobody reads is refused by its name`, () => {
      for (const name of [
        "blk.0.attn_sinks.weight",
        "blk.1.ffn_gate_inp.weight",
        "blk.0.post_attention_norm.weight",
        "blk.2.attn_norm.weight",
        "token_types.weight",
      ]) {
        const file = small(architecture);
        file.tensors = [...file.tensors, { name, type: "F32", shape: [32], fill: blank }];
        refuses(() => load(file), UNSUPPORTED, new RegExp(name.replaceAll(".", "\\.")));
      }
      const fewer = small(architecture);
      key(`${architecture}.block_count`, 1)(fewer);
      refuses(() => load(fewer), UNSUPPORTED, /blk\.1\./);
    });

    test(`${build}, ${architecture}: a bias that the file has is used`, () => {
      const plain = run(small(architecture));
      for (const name of ["blk.0.ffn_down.bias", "blk.1.attn_output.bias", "output.bias"]) {
        const file = small(architecture);
        const rows = name === "output.bias" ? 320 : 256;
        const added = {
          name,
          type: "F32" as const,
          shape: [rows],
          fill: (bytes: Uint8Array) => new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4).fill(0.5),
        };
        file.tensors = [...file.tensors.filter((own) => own.name !== name), added];
        const biased = run(file);
        assert.ok(
          biased.every((row, i) => row.some((value, j) => value !== plain[i][j])),
          name,
        );
      }
    });
  }

  test(`${build}: types and scores of another width are refused, and no token loses them`, () => {
    const ones = Array.from({ length: SMALL.vocabulary }, () => 1);
    for (const [name, type, wanted] of [
      ["token_type", "u64[]", "an array of i32"],
      ["scores", "f64[]", "an array of f32"],
    ] as const) {
      const file = small("llama");
      key(`tokenizer.ggml.${name}`, ones, type)(file);
      refuses(() => load(file), BAD_FILE, new RegExp(`tokenizer\\.ggml\\.${name} is .* must be ${wanted}`));
    }
  });

  const KEYS: [string, Change, Change?][] = [
    ["expert_count", key("llama.expert_count", 8), key("llama.expert_count", 0)],
    ["attention.sliding_window", key("llama.attention.sliding_window", 64), key("llama.attention.sliding_window", 256)],
    [
      "attn_logit_softcapping",
      key("llama.attn_logit_softcapping", 50, "f32"),
      key("llama.attn_logit_softcapping", 0, "f32"),
    ],
    ["final_logit_softcapping", key("llama.final_logit_softcapping", 30, "f32")],
    ["logit_scale", key("llama.logit_scale", 0.5, "f32"), key("llama.logit_scale", 1, "f32")],
    ["residual_scale", key("llama.residual_scale", 0.22, "f32")],
    ["embedding_scale", key("llama.embedding_scale", 12, "f32")],
    ["attention.causal", key("llama.attention.causal", false, "bool"), key("llama.attention.causal", true, "bool")],
    ["use_parallel_residual", key("llama.use_parallel_residual", true, "bool")],
    ["attention.output_scale", key("llama.attention.output_scale", 0.1, "f32")],
    ["router_logit_softcapping", key("llama.router_logit_softcapping", 30, "f32")],
    ["swiglu_clamp_exp", key("llama.swiglu_clamp_exp", [7, 7], "f32[]")],
    ["swiglu_clamp_shexp", key("llama.swiglu_clamp_shexp", 7, "f32"), key("llama.swiglu_clamp_shexp", 0, "f32")],
    ...[
      ["yarn_beta_fast", 16, 32],
      ["yarn_beta_slow", 0, 1],
      ["yarn_ext_factor", 0, -1],
      ["yarn_attn_factor", 0.5, 1],
      ["yarn_log_multiplier", 0.1, 0],
    ].map(([name, value, neutral]): [string, Change, Change] => {
      const set = (number: unknown) => key(`llama.rope.scaling.${name}`, number as number, "f32");
      return [`rope.scaling.${name}`, set(value), set(neutral)];
    }),
    ["rope.freq_base_swa", key("llama.rope.freq_base_swa", 2e4, "f32"), key("llama.rope.freq_base_swa", 1e4, "f32")],
    ["rope.dimension_count_swa", key("llama.rope.dimension_count_swa", 32), key("llama.rope.dimension_count_swa", 64)],
    ["attention.key_length_swa", key("llama.attention.key_length_swa", 32), key("llama.attention.key_length_swa", 64)],
    ["attention.value_length_swa", key("llama.attention.value_length_swa", 32)],
    // A number that is written as text is not absent.
    ["final_logit_softcapping", key("llama.final_logit_softcapping", "30", "string")],
    ["attention.sliding_window", key("llama.attention.sliding_window", "64", "string")],
  ];
  for (const [name, change, neutral] of KEYS) {
    test(`${build}: ${name} is refused, unless it says that it changes nothing`, () => {
      const file = small("llama");
      change(file);
      refuses(() => load(file), UNSUPPORTED, new RegExp(`llama\\.${name.replaceAll(".", "\\.")}`));
      if (!neutral) return;
      const sound = small("llama");
      neutral(sound);
      load(sound).release();
    });
  }

  // What an architecture has of its own, whatever others of its kind may say.
  const OWN: [kind: string, name: string, value: number | boolean, type?: "f32" | "bool"][] = [
    ["bert-tiny", "attention.causal", true, "bool"],
    ["eurobert-tiny", "attention.causal", true, "bool"],
    ["t5-tiny", "attention.value_length", 8],
    ["t5-tiny", "attention.head_count_kv", 1],
    ["t5-tiny", "attention.relative_buckets_count", 33],
    ["t5-tiny", "attention.scale", 0.3, "f32"],
    ["mu-tiny", "attention.value_length", 8],
    ...["gemma4", "gemma3n", "deepseek2", "minicpm3"].map((one): (typeof OWN)[number] => {
      return [`${one}-tiny`, "attention.scale", 0.3, "f32"];
    }),
  ];
  for (const [kind, name, value, type] of OWN) {
    test(`${build}, ${kind}: another ${name} than the architecture's is refused`, () => {
      const file = makeModel(kind, "Q8_0");
      const architecture = file.metadata.find(([own]) => own === "general.architecture")?.[2];
      key(`${architecture}.${name}`, value, type)(file);
      refuses(() => load(file), UNSUPPORTED, new RegExp(name.replaceAll(".", "\\.")));
    });
  }

  test(`${build}: a file that is refused for its heads is read to its end, its experts' number unread`, () => {
    const file = makeModel("jamba-tiny", "Q8_0");
    key("jamba.attention.key_length", 33)(file);
    refuses(() => load(file), BAD_FILE, /rope\.dimension_count is odd/);
    const none = makeModel("jamba-tiny", "Q8_0");
    key("jamba.expert_count", 0)(none);
    refuses(() => load(none), BAD_FILE, /./);
  });

  for (const [architecture, name] of [
    ["llama", "attention.layer_norm_rms_epsilon"],
    ["qwen3", "attention.layer_norm_rms_epsilon"],
    ["phi2", "attention.layer_norm_epsilon"],
    ["gpt2", "attention.layer_norm_epsilon"],
  ]) {
    test(`${build}: ${architecture} does not go without ${name}`, () => {
      const file = makeModel(`${architecture}-tiny`, "Q8_0");
      key(`${architecture}.${name}`)(file);
      refuses(() => load(file), BAD_FILE, new RegExp(`${architecture}\\.${name.replaceAll(".", "\\.")}`));
    });
  }

  test(`${build}: a list has a number for each layer, and no more`, () => {
    for (const [count, sound] of [
      [1, false],
      [2, true],
      [3, false],
    ] as const) {
      const file = small("llama");
      key("llama.feed_forward_length", Array(count).fill(256), "i32[]")(file);
      if (sound) load(file).release();
      else refuses(() => load(file), BAD_FILE, new RegExp(`feed_forward_length is a list of ${count}, .* 2 layers`));
    }
  });

  for (const { name, scales } of scaleFields()) {
    test(`${build}: ${name} with a scale that is no number is refused, by the tensor's name`, () => {
      for (const at of scales) {
        for (const bits of name === "MXFP4" ? [255] : [0x7c00, 0xfc00, 0x7e00, 0x7c01]) {
          const file = small("llama", name);
          file.tensors = file.tensors.map((own) =>
            own.name !== "blk.1.ffn_up.weight" ? own : { ...own, fill: spoiled(own.fill, at, bits, name) },
          );
          refuses(() => load(file), BAD_FILE, /blk\.1\.ffn_up\.weight holds a value that is no finite number/);
        }
      }
    });
  }

  test(`${build}: what a host writes between two steps of a pass is for the next one`, () => {
    const model = load(small("llama"));
    const { core } = engine;
    const context = model.context({ rows: 16, batch: 8, logitRows: 1 });
    const tokens = prompt(ids).map((token, i) => ({ ...token, wanted: i === ids.length - 1 }));
    const want = context.run(tokens);
    core.call("context_reset", context.handle);
    core.call("context_set_step_work", context.handle, 1n);
    const got = context.run(tokens, {
      onStep: () => {
        const at = (name: string) => core.call(name, context.handle) >>> 0;
        core.memory.write(at("context_ids"), new Uint32Array(8).fill(0x7fffffff));
        core.memory.write(at("context_sequences"), new Uint32Array(8).fill(5000));
        core.memory.write(at("context_positions"), new Int32Array(8).fill(-1));
        core.memory.write(at("context_wanted"), new Uint8Array(8).fill(1));
        return true;
      },
    });
    assertBits(got, want, "a batch that was written over");
    context.release();
    model.release();
  });

  test(`${build}: a session is not restored while another one's pass counts on the rows`, () => {
    const model = load(small("llama"));
    const context = model.context({ rows: 16, batch: 8, sequences: 2 });
    const [one, other] = [model.session({}, context, 0), model.session({}, context, 1)];
    other.append(spread(14).map((id) => id % 300));
    other.generate(1);
    const saved = other.save();
    other.rewind(0);
    one.append(ids);
    const { core } = engine;
    core.call("context_set_step_work", context.handle, 1n);
    engine.do("session_begin", one.handle, 4, 0, 0);
    engine.do("session_step", one.handle);
    refuses(() => other.restore(saved), WRONG_STATE, /in the middle of a pass/);
    for (const session of [one, other]) session.release();
    context.release();
    model.release();
  });
}

test("who reads no weights refuses none: tokenizer, inspect, plan of a vocabulary; who reads them says the type", async () => {
  for (const [type, name] of [
    [15, "Q8_K"],
    [31, "Q4_0_4_4"],
    [99, "type 99"],
  ] as const) {
    const bytes = new Uint8Array(encodeGguf(small("llama")));
    const at = Buffer.from(bytes).indexOf("blk.1.ffn_up.weight") + "blk.1.ffn_up.weight".length + 4 + 16;
    new DataView(bytes.buffer).setUint32(at, type, true);
    const tokenizer = await Tokenizer.load(bytes);
    assert.is(tokenizer.detokenize(tokenizer.tokenize("Once upon")), "Once upon");
    const { tensors } = await inspectFile(bytes);
    const { type: said, bytes: size } = tensors.find((own) => own.name === "blk.1.ffn_up.weight")!;
    assert.is(said, name);
    assert.ok(size > 0);
    const vocabulary = await Model.load(bytes, { vocabularyOnly: true });
    assert.is(vocabulary.info.types[name], 1);
    const words = new RegExp(
      `blk\\.1\\.ffn_up\\.weight is of type ${name.replace("type ", "")}, which limpet does not run`,
    );
    for (const work of [() => Model.load(bytes), () => Model.plan(bytes), () => inspectProgram(bytes)]) {
      const error = await errorOf(work);
      assert.is(error.code, "UNSUPPORTED", error.message);
      assert.match(error.message, words);
    }
  }
});

/** Where the scales of a block lie, by ggml's layouts. */
function scaleFields(): { name: string; scales: number[] }[] {
  const two = new Set(["Q4_1", "Q5_1", "Q4_K", "Q5_K"]);
  const at: Record<string, number[]> = { Q2_K: [80, 82], Q3_K: [108], Q6_K: [208], TQ1_0: [52], TQ2_0: [64] };
  // Every scale of NVFP4 is a number, as llama.cpp reads it.
  return FORMATS.filter(({ name }) => name !== "F32" && name !== "NVFP4").map(({ name }) => ({
    name,
    scales: at[name] ?? (two.has(name) ? [0, 2] : [0]),
  }));
}

/** Fills a tensor as before, and spoils one field of its third block. */
function spoiled(fill: (bytes: Uint8Array) => void, at: number, bits: number, name: string) {
  const format = FORMATS.find((own) => own.name === name);
  return (bytes: Uint8Array): void => {
    fill(bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const place = 2 * (format?.bytes ?? 0) + at;
    if (name === "IQ1_M") setHalf(bytes, formatOf(name), place, at, bits);
    else if (name === "MXFP4") view.setUint8(place, bits);
    else view.setUint16(place, name === "BF16" ? (bits & 0x8000) | 0x7f80 | (bits & 1) : bits, true);
  };
}

test.run();
