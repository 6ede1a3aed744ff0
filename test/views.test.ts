/**
 * One model, said in another way: matrices of q, k and v in one tensor, and numbers by layer where one would do. The bits
 * are the same.
 */
import { test } from "uvu";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { type File, joined, key } from "./support/changes.ts";
import { assertBits, Engine, prompt, spread } from "./support/engine.ts";

type Type = Parameters<typeof makeModel>[1];
const ids = spread(40);

for (const build of ["portable", "scalar"] as const) {
  const engine = new Engine(build);
  const run = (file: File): Float32Array[] => {
    const model = engine.load(encodeGguf(file));
    const rows = model.context({ rows: 64 }).run(prompt(ids));
    return rows;
  };

  for (const [kind, type, more] of [
    ["llama-tiny", "F32", []],
    ["llama-tiny", "Q4_0", []],
    // Heads of twelve: the parts do not begin at groups of eight rows.
    ["llama-odd", "Q8_0", []],
    ["qwen2-tiny", "Q4_0", ["bias"]],
    ["gemma3-tiny", "Q4_0", []],
  ] as const) {
    test(`${build}, ${kind} in ${type}: q, k and v in one matrix`, () => {
      const want = run(makeModel(kind, type as Type));
      const file = makeModel(kind, type as Type);
      const layers = Number(file.metadata.find(([name]) => name.endsWith(".block_count"))?.[2]);
      for (let layer = 0; layer < layers; layer++) {
        for (const what of ["weight", ...more]) {
          joined(file, [`attn_q.${what}`, `attn_k.${what}`, `attn_v.${what}`], `attn_qkv.${what}`, layer);
        }
      }
      assertBits(run(file), want, "q, k and v in one matrix");
    });
  }

  test(`${build}, codeshell: a file that has the head alone has it for both`, () => {
    const file = makeModel("codeshell-tiny", "F32");
    // Weights are drawn as they are written: those of another drawing are the same.
    const head = makeModel("codeshell-tiny", "F32").tensors.find(({ name }) => name === "output.weight");
    const without = ({ tensors }: File) => tensors.filter(({ name }) => name !== "token_embd.weight");
    const want = run({ ...file, tensors: [...without(file), { ...head!, name: "token_embd.weight" }] });
    const alone = makeModel("codeshell-tiny", "F32");
    assertBits(run({ ...alone, tensors: without(alone) }), want, "the head alone");
  });

  test(`${build}: numbers by layer`, () => {
    const want = run(makeModel("llama-tiny", "Q4_0"));
    const file = makeModel("llama-tiny", "Q4_0");
    for (const name of ["attention.head_count", "attention.head_count_kv", "feed_forward_length"]) {
      const value = Number(file.metadata.find(([own]) => own === `llama.${name}`)?.[2]);
      key(`llama.${name}`, [value, value, value, value], "i32[]")(file);
    }
    assertBits(run(file), want, "numbers by layer");
  });
}

test.run();
