/** gpt-oss as it is released: experts in MXFP4 keep their blocks, by the formula with which transformers reads them. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { convert } from "../src/convert.ts";
import { Core } from "../src/host/instance.ts";
import { readHead } from "../src/load/gguf-head.ts";
import { openSource } from "../src/load/source.ts";
import { quantizeFile } from "../src/quantize.ts";
import { type CheckpointParts, checkpointOf, writeCheckpoint } from "./support/checkpoint.ts";
import { Engine, F32, prompt, spread } from "./support/engine.ts";
import { errorOf, temporaryFile } from "./support/models.ts";
import { divergence } from "./support/peers.ts";

const OUT = temporaryFile("mxfp4.gguf");
const FLOATS = temporaryFile("mxfp4-floats.gguf");
const WIDTH = 96;
const HIDDEN = 128;
const EXPERTS = 6;
/** E2M1, as transformers' integrations/mxfp4.py has it. */
const VALUES = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];

/** The checkpoint of gpt-oss-tiny whose experts are random blocks, all codes and many exponents among them. */
function released(): CheckpointParts {
  const { parts } = checkpointOf("gpt-oss-tiny");
  parts.config["quantization_config"] = { quant_method: "mxfp4", modules_to_not_convert: ["lm_head"] };
  let seed = 7;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) >>> 24;
  const bytes = (count: number, next: () => number) => Uint8Array.from({ length: count }, next);
  for (const name of Object.keys(parts.weights)) {
    if (!/experts\.(gate_up|down)_proj$/.test(name)) continue;
    delete parts.weights[name];
    const [rows, columns] = name.includes("down") ? [HIDDEN, WIDTH] : [2 * WIDTH, HIDDEN];
    const shape = [EXPERTS, rows, columns / 32];
    const groups = EXPERTS * rows * (columns / 32);
    parts.weights[`${name}_blocks`] = { dtype: "U8", shape: [...shape, 16], bytes: bytes(16 * groups, random) };
    parts.weights[`${name}_scales`] = { dtype: "U8", shape, bytes: bytes(groups, () => 118 + (random() % 6)) };
  }
  return parts;
}

/** A value of a row of a matrix of experts, by transformers' formula in float64. */
function valueIn({ weights }: CheckpointParts, name: string, row: number, column: number, columns: number): number {
  const group = row * (columns / 32) + Math.floor(column / 32);
  const byte = weights[`${name}_blocks`].bytes[group * 16 + ((column % 32) >> 1)];
  return VALUES[(byte >> (4 * (column & 1))) & 15] * 2 ** (weights[`${name}_scales`].bytes[group] - 127);
}

/** The tensors of the converted file: their types, and their bytes. */
async function converted(parts: CheckpointParts, type = "F32") {
  await convert(writeCheckpoint("mxfp4", parts), OUT, { type });
  const sources = await openSource(OUT);
  const { tensors } = await readHead(await Core.create({}), sources);
  for (const source of sources) source.close();
  const file = readFileSync(OUT);
  return new Map(tensors.map((t) => [t.name, { type: t.type, bytes: file.subarray(t.offset, t.offset + t.bytes) }]));
}

test("blocks come into the file as they are, whatever the type of the others", async () => {
  const parts = released();
  for (const type of ["F32", "Q8_0"]) {
    const tensors = await converted(parts, type);
    for (const [name, source, columns, rows, stride, first] of [
      ["ffn_gate_exps", "gate_up_proj", HIDDEN, WIDTH, 2, 0],
      ["ffn_up_exps", "gate_up_proj", HIDDEN, WIDTH, 2, 1],
      ["ffn_down_exps", "down_proj", WIDTH, HIDDEN, 1, 0],
    ] as const) {
      for (let layer = 0; layer < 3; layer++) {
        const tensor = tensors.get(`blk.${layer}.${name}.weight`);
        assert.is(tensor?.type, "MXFP4");
        const bytes = tensor?.bytes as Uint8Array;
        const groups = columns / 32;
        assert.is(bytes.length, EXPERTS * rows * groups * 17);
        const from = `model.layers.${layer}.mlp.experts.${source}`;
        for (let row = 0; row < EXPERTS * rows; row++) {
          for (let column = 0; column < columns; column++) {
            // GGUF's block: an exponent, then values j and j + 16 in byte j.
            const at = (row * groups + (column >> 5)) * 17;
            const code = (bytes[at + 1 + (column & 15)] >> (column & 16 ? 4 : 0)) & 15;
            const got = 2 * VALUES[code] * 2 ** (bytes[at] - 128);
            const want = valueIn(parts, from, stride * row + first, column, columns);
            if (!Object.is(got, want)) assert.is(got, want, `${name}, row ${row}, column ${column}`);
          }
        }
      }
    }
  }
});

test("the model answers as with the same values as floats", async () => {
  const parts = released();
  await converted(parts);
  await quantizeFile(OUT, FLOATS, "F32");
  const engine = new Engine("portable");
  const [blocks, floats] = [OUT, FLOATS].map((path) => {
    const model = engine.load(readFileSync(path));
    const context = model.context({ kv: F32 });
    const last = context.run(prompt(spread(40))).at(-1) as Float32Array;
    context.release();
    model.release();
    return last;
  });
  const far = divergence(floats, blocks);
  assert.ok(far < 1e-6, `KL ${far}`);
});

const FIRST = "model.layers.0.mlp.experts.down_proj";
const REFUSED: readonly (readonly [
  what: string,
  change: (parts: CheckpointParts) => void,
  code: string,
  words: RegExp,
])[] = [
  ["no scales", ({ weights }) => void delete weights[`${FIRST}_scales`], "BAD_FILE", /no .*down_proj_scales/],
  [
    "scales of another shape",
    ({ weights }) => void (weights[`${FIRST}_scales`].shape = [EXPERTS, WIDTH, 4]),
    ...(["BAD_FILE", /down_proj_scales is 6 × 96 × 4, .* 6 × 128 × 3/] as const),
  ],
  [
    "a scale that is no number",
    ({ weights }) => void (weights[`${FIRST}_scales`].bytes[5] = 255),
    ...(["BAD_FILE", /ffn_down_exps.*no number/] as const),
  ],
  [
    "blocks of halves",
    ({ weights }) => {
      const blocks = weights[`${FIRST}_blocks`];
      weights[`${FIRST}_blocks`] = { ...blocks, dtype: "F16", bytes: new Uint8Array(2 * blocks.bytes.length) };
    },
    ...(["UNSUPPORTED", /down_proj_blocks is of type F16/] as const),
  ],
  [
    "fewer bytes than blocks",
    ({ weights }) => {
      const blocks = weights[`${FIRST}_blocks`];
      weights[`${FIRST}_blocks`] = { ...blocks, bytes: blocks.bytes.subarray(16) };
    },
    ...(["BAD_FILE", /down_proj_blocks has \d+ bytes for \d+ values/] as const),
  ],
  [
    "another way to quantise",
    ({ config }) => void (config["quantization_config"] = { quant_method: "awq" }),
    ...(["UNSUPPORTED", /quantization_config/] as const),
  ],
];

for (const [what, change, code, words] of REFUSED) {
  test(`${what}: refused by name`, async () => {
    const parts = released();
    change(parts);
    const error = await errorOf(() => converted(parts));
    assert.is(error.code, code, error.message);
    assert.match(error.message, words);
  });
}

test.run();
