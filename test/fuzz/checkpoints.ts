/**
 * Checkpoints in Hugging Face's layout with wounds in any of their files: what is converted loads, what is refused leaves
 * no file, and nothing outside the folder is read.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { convert } from "../../src/convert.ts";
import { Model } from "../../src/index.ts";
import { checkpointOf, safetensors, type Weights, writeCheckpoint } from "../support/checkpoint.ts";
import { Finding, type Fuzzer, guardModule, type Run, refusal, refused, requireFiles } from "./fuzzer.ts";
import { ownFolder } from "./gguf-api.ts";
import { joined, textOf, woundBytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import { SEED_SHAPES } from "./seeds.ts";

const OUT = "out.gguf";
const TYPES = ["F32", "F16", "Q8_0", "Q4_0", "Q4_K_M"];

export const checkpoints: Fuzzer = {
  name: "checkpoints",
  about: "checkpoints (config.json, tokenizer.json, safetensors) with wounds through convert",
  cases: 120,
  share: 3,
  prepare,
};

interface Sound {
  readonly architecture: string;
  readonly files: Readonly<Record<string, string>>;
  readonly weights: Weights;
  readonly bytes: Uint8Array;
}

async function prepare(): Promise<Run> {
  const wasm = guardModule();
  const out = ownFolder();
  const place = join(out, OUT);
  const sound = SEED_SHAPES.map((shape): Sound => {
    const { parts } = checkpointOf(shape);
    const files = {
      "config.json": JSON.stringify(parts.config),
      "tokenizer.json": JSON.stringify(parts.tokenizer),
      "tokenizer_config.json": JSON.stringify(parts.tokenizerConfig),
      "generation_config.json": JSON.stringify({ temperature: 0.7, top_k: 20, eos_token_id: [1, 2] }),
    };
    return { architecture: shape.architecture, files, weights: parts.weights, bytes: safetensors(parts.weights) };
  });
  const folder = writeCheckpoint("fuzzed", checkpointOf(SEED_SHAPES[0]).parts);
  let cases = 0;

  const one = async (random: Random): Promise<string> => {
    const of = random.pick(sound);
    for (const name of Object.keys(of.files)) rmSync(join(folder, name), { force: true });
    const files: Record<string, string | Uint8Array> = { ...of.files, "model.safetensors": of.bytes };
    const which = random.pick([
      "config.json",
      "tokenizer.json",
      "tokenizer_config.json",
      "generation_config.json",
      "w",
      "w",
    ]);
    if (which === "w") files["model.safetensors"] = woundWeights(random, of);
    else files[which] = woundJson(random, of.files[which]);
    if (random.oneIn(20)) delete files[random.pick(Object.keys(files))];
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    try {
      await convert(folder, place, { wasm, type: random.pick(TYPES) });
    } catch (error) {
      requireFiles(out, []);
      return refusal(error);
    }
    requireFiles(out, [OUT]);
    const word = await refused(async () => (await Model.load(place, { wasm })).dispose());
    rmSync(place);
    // What limpet does not do yet, others may; what is broken, nobody.
    if (word !== null && word !== "UNSUPPORTED") throw new Finding(`what was converted does not load: ${word}`);
    if (++cases % 20 === 0) {
      for (const [name, bytes] of Object.entries({ ...of.files, "model.safetensors": of.bytes })) {
        writeFileSync(join(folder, name), bytes);
      }
      assert.is((await convert(folder, place, { wasm, type: "F32" })).architecture, of.architecture);
      rmSync(place);
    }
    return word === null ? "converted" : "converted for others";
  };
  return { one };
}

/** JSON with one to three other values in it, or with wounds in its letters. */
export function woundJson(random: Random, sound: string): string | Uint8Array {
  if (random.oneIn(4)) return woundBytes(random, new TextEncoder().encode(sound), 0, sound.length);
  const whole = JSON.parse(sound) as unknown;
  for (let wounds = random.from(1, 3); wounds > 0; wounds--) woundValue(random, whole);
  return JSON.stringify(whole) ?? "";
}

const ODD: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  0.5,
  1e300,
  -0,
  2 ** 31,
  2 ** 53,
  "",
  "x",
  "1",
  [],
  {},
  [[]],
  [null],
  { type: "Sequence" },
  { "": {} },
  "\ud800",
  "\u0000",
];

function woundValue(random: Random, whole: unknown): void {
  let at = whole;
  for (let depth = 0; depth < 8; depth++) {
    if (typeof at !== "object" || at === null) return;
    const keys = Object.keys(at);
    const container = at as Record<string, unknown>;
    if (!keys.length) {
      if (!Array.isArray(at))
        container[random.pick(["type", "__proto__", "content"])] = structuredClone(random.pick(ODD));
      return;
    }
    const key = random.pick(keys);
    const value = container[key];
    const isLeaf = typeof value !== "object" || value === null;
    if (!isLeaf && !random.oneIn(5)) {
      at = value;
      continue;
    }
    changeLeaf(random, container, key);
    return;
  }
}

/** Takes a value out, gives it another name, or changes it. */
function changeLeaf(random: Random, container: Record<string, unknown>, key: string): void {
  const value = container[key];
  switch (random.below(5)) {
    case 0:
      if (Array.isArray(container)) container.splice(Number(key), 1);
      else delete container[key];
      return;
    case 1:
      container[Array.isArray(container) ? key : `${key}x`] = value;
      return;
    case 2:
    case 3:
      if (typeof value === "string") container[key] = textOf(random, value);
      else if (typeof value === "number") container[key] = value + random.pick([-2, -1, 1, 2]);
      return;
    default:
      container[key] = structuredClone(random.pick(ODD));
  }
}

/** A safetensors file whose header says something else, or with wounds in its bytes. */
function woundWeights(random: Random, { bytes }: Sound): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const end = 8 + Number(view.getBigUint64(0, true));
  if (random.oneIn(3)) return woundBytes(random, bytes, 0, random.oneIn(2) ? end : bytes.length);
  const json = JSON.parse(new TextDecoder().decode(bytes.subarray(8, end))) as Record<string, unknown>;
  woundTensor(random, json);
  const head = new TextEncoder().encode(JSON.stringify(json));
  const length = new DataView(new ArrayBuffer(8));
  length.setBigUint64(0, random.oneIn(12) ? random.edge() : BigInt(head.length), true);
  return joined(new Uint8Array(length.buffer), head, bytes.subarray(end));
}

function woundTensor(random: Random, json: Record<string, unknown>): void {
  const name = random.pick(Object.keys(json));
  const tensor = json[name] as { dtype: unknown; shape: unknown[]; data_offsets: unknown[] };
  if (!Array.isArray(tensor.shape)) {
    woundValue(random, json);
    return;
  }
  const number = (): unknown => (random.oneIn(4) ? random.pick(ODD) : Number(random.edge()));
  switch (random.below(7)) {
    case 0:
      delete json[name];
      return;
    case 1:
      tensor.dtype = random.pick(["F16", "BF16", "F32", "F64", "I8", "U8", "I64", "BOOL", "F8_E4M3", null, 5]);
      return;
    case 2:
      tensor.shape[random.below(tensor.shape.length)] = number();
      return;
    case 3:
      tensor.data_offsets[random.below(2)] = number();
      return;
    case 4:
      tensor.data_offsets = (json[random.pick(Object.keys(json))] as typeof tensor)?.data_offsets ?? [];
      return;
    case 5:
      json[random.pick([`${name}x`, "../x", "model.layers.99.mlp.up_proj.weight", ""])] = tensor;
      return;
    default:
      woundValue(random, json);
  }
}
