/** Adapters for the fuzzer of exports: one plain and one activated a model, and lists of handles as a careless host has them. */
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { randomAdapter } from "../../scripts/random-adapter.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { type Engine, EngineModel } from "../support/engine.ts";
import { Finding } from "./fuzzer.ts";
import type { Random } from "./random.ts";
import { SEED_SHAPES, type Seed } from "./seeds.ts";

const LLAMA_LIKE = ["llama", "qwen2", "qwen3"];

/** The adapters of each model that has any. */
export type Adapters = ReadonlyMap<EngineModel, readonly number[]>;

/** Loads two adapters for each model of llama's kind. */
export function loadAdapters(engine: Engine, models: readonly EngineModel[], seeds: readonly Seed[]): Adapters {
  const loaded = new Map<EngineModel, readonly number[]>();
  for (const [i, model] of models.entries()) {
    const [architecture] = seeds[i].name.split(" ");
    const shape = SEED_SHAPES.find((one) => one.architecture === architecture);
    if (!shape || !LLAMA_LIKE.includes(architecture)) continue;
    const adapters = [
      { seed: 1, rank: 3 },
      { seed: 2, invocation: [70, 100] },
    ].map((own) => {
      const file = new Uint8Array(encodeGguf(randomAdapter(randomModel(shape, "F32"), own)));
      const made = engine.handle(engine.core.call("adapter_create", engine.core.core, model.handle));
      const adapter = new EngineModel(engine, made, [file]);
      engine.do("model_set_file_size", made, 0, BigInt(file.length));
      while (adapter.step() !== 0);
      return made;
    });
    loaded.set(model, adapters);
  }
  return loaded;
}

/** A list of adapters and their weights: mostly the model's own, else another's, or handles of models. */
export function someAdapters(
  random: Random,
  adapters: Adapters,
  model: EngineModel,
): [ids: number[], weights: number[]] {
  const own = adapters.get(model) ?? [];
  const others = [...adapters].flatMap(([other, handles]) => [other.handle, ...handles]);
  const count = random.below(random.oneIn(8) ? 12 : 3);
  const ids = Array.from({ length: count }, () =>
    own.length && !random.oneIn(6) ? random.pick(own) : random.pick(others),
  );
  return [ids, ids.map(() => (random.oneIn(4) ? random.float() : random.pick([0, 1, -0.5])))];
}

/** What an adapter, or a model that is none, says of itself. */
export function lookAtAdapter(call: (name: string, ...values: number[]) => number, adapter: number): void {
  for (const name of ["pairs", "rank", "alpha", "invocation"]) call(`adapter_${name}`, adapter);
  const count = call("adapter_invocation_count", adapter);
  if (count > 2) throw new Finding(`an invocation of ${count} tokens, where a file has 2`);
}
