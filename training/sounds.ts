/**
 * What the Tiny Transformer for sound learns from, and its file:
 *
 *     node --import tsx training/sounds.ts make FOLDER
 *     node --import tsx training/sounds.ts export FOLDER OUT.tflite
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
  const { network, output } = tinyTransformer(
    weightsOf(new Uint8Array(readFileSync(join(folder, "weights.safetensors")))),
  );
  const file = network.file(output);
  writeFileSync(out, file);
  console.log(`${out}: ${network.parameters} parameters, ${file.length} bytes`);
} else {
  console.error("usage: sounds.ts make FOLDER | export FOLDER OUT.tflite");
  process.exit(2);
}

/** The tensors of a file of safetensors. */
function weightsOf(bytes: Uint8Array): Weights {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return Object.fromEntries(
    entries.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [name, { dtype, shape, bytes: bytes.slice(8 + length + from, 8 + length + to) }],
    ),
  );
}
