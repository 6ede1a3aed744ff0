/** Bytes that models and contexts take, for a table of shapes: what memory was at a known commit, and may not rise above. */

import { SHAPES } from "../../scripts/architectures.mjs";
import { streamGguf, tensorBytes } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { type ContextShape, Engine, EngineModel, F16, F32, Q8_0, Streamed } from "./engine.ts";

type GgufFile = ReturnType<typeof makeModel>;

/** SmolLM2-135M's shape, with a vocabulary that is made up. */
const SMOLLM2 = {
  ...SHAPES["llama-tiny"],
  layers: 30,
  hidden: 576,
  heads: 9,
  kvHeads: 3,
  headSize: 64,
  ffn: 1536,
  vocabulary: 49152,
  context: 8192,
  tied: true,
  ropeFactors: false,
};

const MODELS: [name: string, make: () => GgufFile][] = [
  ...["llama-tiny", "llama-odd", "qwen2-tiny", "qwen3-tiny", "plm-1m"].flatMap((kind) =>
    ["F32", "Q4_0", "Q8_0", "Q4_K"].map((type): [string, () => GgufFile] => [
      `${kind} ${type}`,
      () => makeModel(kind, type),
    ]),
  ),
  ...["F32", "F16", "Q8_0", "Q4_0"].map((type): [string, () => GgufFile] => [
    `memoryformer-tiny ${type}`,
    () => makeModel("memoryformer-tiny", type),
  ]),
  ["plm-100m Q4_0", () => makeModel("plm-100m", "Q4_0")],
  ["memoryformer-467m Q8_0", () => makeModel("memoryformer-467m", "Q8_0")],
  ["SmolLM2-135M Q4_0", () => randomModel(SMOLLM2, "Q4_0")],
  // A vocabulary of 151,936 would take seconds to make, and memory does not depend on its words.
  ["PLM-1.8B Q4_K", () => randomModel({ ...SHAPES["plm-1.8b"], vocabulary: 49152 }, "Q4_K")],
];

const CONTEXTS: [name: string, shape: Required<Omit<ContextShape, "form">>][] = [
  ["512 rows", { rows: 512, batch: 128, logitRows: 1, sequences: 1, kv: F16 }],
  ["4096 rows", { rows: 4096, batch: 128, logitRows: 1, sequences: 1, kv: F16 }],
  ["4096 rows, Q8_0", { rows: 4096, batch: 128, logitRows: 1, sequences: 1, kv: Q8_0 }],
  ["512 rows, F32, a batch of 256", { rows: 512, batch: 256, logitRows: 1, sequences: 1, kv: F32 }],
  ["512 rows, 8 sequences, all logits", { rows: 512, batch: 16, logitRows: 16, sequences: 8, kv: F16 }],
  ["64 rows, token by token", { rows: 64, batch: 1, logitRows: 1, sequences: 1, kv: F16 }],
];

/** The head of a file, whose tensors are not drawn, and the bytes of the whole. */
function headOf(file: GgufFile): { head: Uint8Array; size: number } {
  let head = new Uint8Array(0);
  const stop = new Error("the head is enough");
  try {
    streamGguf(file, (bytes) => {
      head = bytes.slice();
      throw stop;
    });
  } catch (error) {
    if (error !== stop) throw error;
  }
  const data = file.tensors.reduce((sum, { type, shape }) => sum + Math.ceil(tensorBytes(type, shape) / 32) * 32, 0);
  const size = head.length + data;
  // The core reads the header in pieces, whose last one reaches into the weights.
  const padded = new Uint8Array(Math.min(size, head.length + (1 << 20)));
  padded.set(head);
  return { head: padded, size };
}

/** Bytes of every context, of the header in memory, and of the weights, by name. */
export function measureSizes(): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [name, make] of MODELS) {
    const { head, size } = headOf(make());
    for (const streamed of [Streamed.NOTHING, Streamed.ALL, Streamed.TABLES]) {
      const engine = new Engine("portable");
      const { core } = engine;
      const handle = engine.handle(core.call("model_create", core.core, 1, 0));
      const model = new EngineModel(engine, handle, [head]);
      engine.do("model_stream", handle, streamed, 0);
      engine.do("model_set_file_size", handle, 0, BigInt(size));
      while (model.state < 1) model.step();
      const where = ["", ", weights in the file", ", tables in the file"][streamed];
      sizes.set(`${name}${where}: weights`, model.planBytes);
      if (streamed === Streamed.NOTHING) sizes.set(`${name}: header`, engine.used);
      if (streamed === Streamed.TABLES) continue;
      for (const [what, shape] of CONTEXTS) sizes.set(`${name}${where}: ${what}`, model.contextBytes(shape));
    }
  }
  return sizes;
}

/** Bytes of a context of SmolLM2's shape in Q4_0 without the values of its cache: a batch of 128, one row of logits. */
export function contextOfSmolLM2(rows: number): number {
  const { head, size } = headOf(randomModel(SMOLLM2, "Q4_0"));
  const engine = new Engine("portable");
  const model = new EngineModel(engine, engine.handle(engine.core.call("model_create", engine.core.core, 1, 0)), [
    head,
  ]);
  engine.do("model_set_file_size", model.handle, 0, BigInt(size));
  while (model.state < 1) model.step();
  const { layers, kvHeads, headSize } = SMOLLM2;
  // Keys and values in F16.
  const cache = rows * layers * kvHeads * headSize * 2 * 2;
  return model.contextBytes({ rows, batch: 128, logitRows: 1, sequences: 1, kv: F16 }) - cache;
}
