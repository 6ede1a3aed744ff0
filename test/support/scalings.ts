/**
 * Small models whose metadata says more than that of their architecture's: how RoPE is scaled, in contexts on both sides
 * of a switch, and what is meant where a file leaves a number out.
 */
import { SHAPES } from "../../scripts/architectures.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { all, type Change, key } from "./changes.ts";

export interface Scaling {
  kind: string;
  /** What its file says, in words. */
  special: string;
  change: Change;
  /** Tokens that the context has room for, where that counts. */
  rows?: number;
  /** Whether llama.cpp answers the same; else what is different. */
  peer?: false;
  why?: string;
}

const text = (name: string, value: string) => key(`llama.rope.${name}`, value, "string");
const float = (name: string, value: number) => key(`llama.rope.${name}`, value, "f32");
/** Fewer than the tokens of the tests. */
const ORIGINAL = 32;
/** llama.cpp rounds contexts to 256 tokens: one of them is on each side. */
const BETWEEN = 300;
const [SHORT, LONG] = [256, 512];

const yarn = (factor: number, ...more: Change[]): Change =>
  all(
    text("scaling.type", "yarn"),
    float("scaling.factor", factor),
    key("llama.rope.scaling.original_context_length", ORIGINAL),
    ...more,
  );

/** LongRoPE's lists. */
const lists: Change = (file) => {
  for (const [name, step] of [
    ["long", 0.5],
    ["short", 0.0625],
  ] as const) {
    const values = Float32Array.from({ length: SHAPE.headSize / 2 }, (_, i) => 1 + step * i);
    const fill = (bytes: Uint8Array) => bytes.set(new Uint8Array(values.buffer));
    const tensor = { name: `rope_factors_${name}.weight`, type: "F32" as const, shape: [values.length], fill };
    file.tensors = [...file.tensors, tensor];
  }
};

const longrope = all(
  text("scaling.type", "longrope"),
  float("scaling.attn_factor", 1.25),
  key("llama.rope.scaling.original_context_length", BETWEEN),
  lists,
);

const SHAPE = {
  ...{ architecture: "llama", layers: 2, hidden: 128, heads: 3, kvHeads: 1, headSize: 64, ffn: 96, vocabulary: 512 },
  ...{ context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
};

/** Models of their own beside the made ones. */
const OWN: Record<string, typeof SHAPE & { ropeFactors?: boolean }> = {
  "llama-heads-of-64": SHAPE,
  "llama-with-factors": { ...SHAPE, ropeFactors: true },
};

const plain = (special: string, change: Change, more: Partial<Scaling> = {}): Scaling => ({
  ...{ kind: "llama-heads-of-64", special, change },
  ...more,
});
const phi3 = key("phi3.rope.scaling.original_context_length", BETWEEN);

export const SCALINGS: readonly Scaling[] = [
  plain("a factor that no type means", all(text("scaling.type", "none"), float("scaling.factor", 4))),
  plain("linear", all(text("scaling.type", "linear"), float("scaling.factor", 4))),
  plain("a factor without a type", float("scaling.factor", 2.5)),
  plain("the old key of linear", float("scale_linear", 4)),
  plain("yarn", yarn(8)),
  plain("yarn with another magnitude", yarn(8, float("scaling.attn_factor", 0.75))),
  plain("yarn to a shorter context", yarn(0.5)),
  plain("longrope, in a short context", longrope, { rows: SHORT }),
  plain("longrope, in a long context", longrope, { rows: LONG }),
  { kind: "llama-with-factors", special: "", change: () => {} },
  {
    ...{ kind: "llama-with-factors", special: "linear" },
    change: all(text("scaling.type", "linear"), float("scaling.factor", 4)),
  },
  { kind: "phi3-tiny", special: "in a short context", change: phi3, rows: SHORT },
  { kind: "phi3-tiny", special: "in a long context", change: phi3, rows: LONG },
  {
    ...{ kind: "phi3-tiny", special: "a window that is left out" },
    change: key("phi3.attention.sliding_window", 16),
  },
  {
    ...{ kind: "mistral3-tiny", special: "without L" },
    change: key("mistral3.rope.scaling.yarn_log_multiplier"),
  },
  {
    ...{ kind: "mistral3-tiny", special: "without numbers of its own" },
    change: all(
      key("mistral3.rope.scaling.yarn_beta_fast"),
      key("mistral3.rope.scaling.yarn_beta_slow"),
      key("mistral3.attention.temperature_scale"),
    ),
  },
  {
    ...{ kind: "granite-tiny", special: "turns nothing" },
    change: key("granite.rope.scaling.finetuned", false, "bool"),
  },
  {
    ...{ kind: "granite-tiny", special: "without scales" },
    change: all(
      key("granite.attention.scale"),
      key("granite.embedding_scale"),
      key("granite.residual_scale", 0, "f32"),
    ),
  },
  {
    ...{ kind: "minicpm-tiny", special: "without scales", peer: false },
    why: "llama.cpp divides logits by 256 / hidden where MiniCPM's code multiplies by it",
    change: all(key("minicpm.embedding_scale"), key("minicpm.residual_scale"), key("minicpm.logit_scale")),
  },
];

/** The bytes of a scaling's file, in F32. */
export function scalingFile({ kind, change }: Scaling): Uint8Array {
  const file = randomModel(OWN[kind] ?? SHAPES[kind], "F32");
  change(file);
  return encodeGguf(file);
}
