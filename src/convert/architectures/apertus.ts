/** apertus: norms of heads, and xIELU, whose numbers are tensors of the checkpoint and keys of the file. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { llamaKeys } from "./llama.ts";

const XIELU = ["alpha_n", "alpha_p", "beta", "eps"] as const;

export function planApertus(config: Config, checkpoint: Checkpoint): Plan {
  const plan = planGrouped("apertus", config, checkpoint, {
    headNorms: "head",
    activation: "xielu",
    names: { attn_norm: "attention_layernorm", ffn_norm: "feedforward_layernorm", ffn_gate: null },
    ownMetadata: llamaKeys,
  });
  const prefix = checkpoint.tensors.has("embed_tokens.weight") ? "" : "model.";
  const layers = Array.from({ length: config.size("num_hidden_layers") }, (_, layer) => layer);
  const nameOf = (layer: number, name: string) => `${prefix}layers.${layer}.mlp.act_fn.${name}`;
  const own = XIELU.map((name): GgufEntry => {
    const values = layers.map((layer) => numberOf(config, checkpoint, nameOf(layer, name)));
    return [`xielu.${name}`, "f32[]", values];
  });
  return {
    ...plan,
    ownMetadata: [...plan.ownMetadata, ...own],
    asKeys: layers.flatMap((layer) => XIELU.map((name) => nameOf(layer, name))),
  };
}

/** The one value of a tensor. */
function numberOf(config: Config, checkpoint: Checkpoint, name: string): number {
  const tensor = checkpoint.tensors.get(name);
  if (!tensor) throw config.wrong(`hidden_act is "xielu", and the checkpoint has no ${name}`);
  const width = tensor.type === "F32" ? 4 : 2;
  if (tensor.bytes !== width || tensor.type === "F16") {
    throw config.wrong(`${name} is no single value in F32 or BF16`, "UNSUPPORTED");
  }
  const bytes = new Uint8Array(4);
  // A BF16 is the upper half of an F32.
  tensor.read(0, bytes.subarray(4 - width));
  return new DataView(bytes.buffer).getFloat32(0, true);
}
