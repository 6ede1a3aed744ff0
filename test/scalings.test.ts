/**
 * What metadata says of RoPE and of scales: models of test/support/scalings.ts against the numpy oracle and llama.cpp,
 * and scalings that limpet does not do, or that lack their numbers, in words.
 */
import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import golden from "./golden/scalings.json" with { type: "json" };
import { all, blank, type Change, key, tensor } from "./support/changes.ts";
import { assertBits, Code, Engine, F16, F32, prompt, refuses } from "./support/engine.ts";
import { divergence, fromBase64 } from "./support/peers.ts";
import { SCALINGS, scalingFile } from "./support/scalings.ts";

const { BAD_FILE, UNSUPPORTED } = Code;
const engines = (["portable", "scalar"] as const).map((build) => new Engine(build));

/** The logits behind the last of the golden tokens. */
function last(engine: Engine, bytes: Uint8Array, kv: number, rows?: number): Float32Array {
  const model = engine.load(bytes);
  const context = model.context({ kv, rows });
  const row = context.run(prompt(golden.tokens)).at(-1) as Float32Array;
  context.release();
  model.release();
  return row;
}

test("each scaling has its logits (npm run goldens -- scalings)", () => {
  const names = (list: readonly { kind: string; special: string }[]) =>
    list.map(({ kind, special }) => `${kind}, ${special}`);
  assert.equal(names(golden.models), names(SCALINGS));
});

for (const [i, scaling] of SCALINGS.entries()) {
  test(`${scaling.kind} ${scaling.special}: the oracle's logits, and llama.cpp's`, () => {
    const { logits, peer, sha256 } = golden.models[i] as { logits: string; peer?: string; sha256: string };
    const bytes = scalingFile(scaling);
    assert.is(createHash("sha256").update(bytes).digest("hex"), sha256, "the file that they had");
    const [ours, scalar] = engines.map((engine) => last(engine, bytes, F32, scaling.rows));
    assertBits([scalar], [ours], "the scalar build");
    const far = divergence(fromBase64(logits), ours);
    assert.ok(far < 1e-9, `KL ${far} from the oracle`);
    assert.is(peer === undefined, scaling.peer === false);
    if (!peer) return;
    const further = divergence(fromBase64(peer), last(engines[0], bytes, F16, scaling.rows));
    assert.ok(further < 1e-5, `KL ${further} from llama.cpp`);
  });
}

test("a session that goes on in a context on the other side of the switch is made anew there", () => {
  const scaling = SCALINGS.find(({ special }) => special === "longrope, in a short context");
  assert.ok(scaling);
  const [engine] = engines;
  const model = engine.load(scalingFile(scaling));
  const [short, again, long] = [256, 256, 512].map((rows) => model.context({ rows, kv: F32 }));
  const [first, same, other] = [short, again, long].map((context) => model.session({}, context, 0));
  first.append(golden.tokens);
  first.generate(3);
  const saved = first.save();
  same.restore(saved);
  assert.is(same.evaluated, first.evaluated, "rows of the same factors are kept");
  other.restore(saved);
  assert.is(other.evaluated, 0, "rows of other factors are not");
  const fresh = model.session({}, model.context({ rows: 512, kv: F32 }), 0);
  fresh.append(first.tokens);
  const [want, got, before] = [fresh, other, same].map((session) => session.generate(4, 2));
  assert.equal(got, want);
  assert.not.equal(before.logprobs, want.logprobs);
  for (const session of [first, same, other, fresh]) session.release();
  for (const context of [short, again, long, fresh.context]) engine.core.call("context_release", context.handle);
  model.release();
});

const llama = (name: string, value: number | string, type: "f32" | "string") => key(`llama.rope.${name}`, value, type);
const REFUSED: readonly [what: string, kind: string, change: Change, code: number, words: RegExp][] = [
  ["another type", "llama-tiny", llama("scaling.type", "ntk", "string"), UNSUPPORTED, /rope\.scaling\.type .*longrope/],
  ["one list", "phi3-tiny", tensor("rope_factors_short.weight"), BAD_FILE, /rope_factors_short/],
  [
    "a list too short",
    "phi3-tiny",
    tensor("rope_factors_long.weight", { shape: [8], fill: blank }),
    BAD_FILE,
    /rope_factors_long/,
  ],
  [
    ...(["β below 0", "mistral3-tiny", key("mistral3.rope.scaling.yarn_beta_fast", -1, "f32")] as const),
    ...([BAD_FILE, /yarn_beta_fast/] as const),
  ],
  ["a base of 0", "llama-tiny", llama("freq_base", 0, "f32"), BAD_FILE, /rope\.freq_base/],
  ["logits divided by 0", "granite-tiny", key("granite.logit_scale", 0, "f32"), BAD_FILE, /logit_scale/],
  ["no logit scale", "granite-tiny", key("granite.logit_scale"), BAD_FILE, /granite\.logit_scale/],
  [
    ...(["temperature elsewhere", "llama-tiny", key("llama.attention.temperature_scale", 0.1, "f32")] as const),
    ...([UNSUPPORTED, /llama\.attention\.temperature_scale/] as const),
  ],
  ["xIELU without α", "apertus-tiny", key("xielu.alpha_p"), BAD_FILE, /xielu\.alpha_p/],
  [
    ...(["xIELU of two layers", "apertus-tiny", key("xielu.beta", [0.5, 0.5], "f32[]")] as const),
    ...([BAD_FILE, /xielu\.beta.* 3 layers/] as const),
  ],
  [
    ...(["more experts than there are", "granitemoe-tiny", key("granitemoe.expert_used_count", 9)] as const),
    ...([BAD_FILE, /expert_used_count is 9/] as const),
  ],
  [
    ...(["yarn that turns all alike", "llama-tiny"] as const),
    all(llama("scaling.type", "yarn", "string"), llama("scaling.factor", 4, "f32"), llama("freq_base", 1, "f32")),
    ...([BAD_FILE, /rope\.freq_base/] as const),
  ],
];

for (const [what, kind, change, code, words] of REFUSED) {
  test(`${what} is refused by name`, () => {
    const file = makeModel(kind, "F32");
    change(file);
    for (const engine of engines) refuses(() => engine.load(encodeGguf(file)), code, words);
  });
}

test.run();
