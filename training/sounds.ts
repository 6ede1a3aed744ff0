/**
 * What the Tiny Transformer for sound learns from, and its file:
 *
 *     node --import tsx training/sounds.ts make FOLDER
 *     node --import tsx training/sounds.ts export FOLDER OUT.tflite
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Folder } from "../src/convert/folder.ts";
import { Checkpoint } from "../src/convert/safetensors.ts";
import type { Weights } from "../test/support/checkpoint.ts";
import { soundSet } from "../test/support/networks/sounds.ts";
import { tinyTransformer } from "../test/support/networks/tiny-transformer.ts";

const SETS = { train: [6000, 1], valid: [1000, 2] } as const;

const [command, folder, out] = process.argv.slice(2);
if (command === "make" && folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, [count, seed]] of Object.entries(SETS)) {
    const { features, kinds } = await soundSet(count, seed);
    writeFileSync(join(folder, `${name}.f32`), new Uint8Array(features.buffer));
    writeFileSync(join(folder, `${name}.u8`), kinds);
  }
} else if (command === "export" && folder && out) {
  const { network, output } = tinyTransformer(weightsOf(folder));
  const file = network.file(output);
  writeFileSync(out, file);
  console.log(`${out}: ${network.parameters} parameters, ${file.length} bytes`);
} else {
  console.error("usage: sounds.ts make FOLDER | export FOLDER OUT.tflite");
  process.exit(2);
}

/** What training/tiny_transformer.py has learnt. */
function weightsOf(folder: string): Weights {
  const checkpoint = Checkpoint.open(new Folder(folder), "weights.safetensors");
  const entries = [...checkpoint.tensors].map(([name, tensor]) => {
    const bytes = new Uint8Array(tensor.bytes);
    tensor.read(0, bytes);
    return [name, { dtype: tensor.type, shape: [...tensor.shape], bytes }] as const;
  });
  checkpoint.close();
  return Object.fromEntries(entries);
}
