/** mamba: checkpoints of Mamba as transformers has them, and of Falcon-Mamba, which norms Δ, B and C. */
import { named } from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { mambaMixer, type StateSpace } from "../state-space.ts";
import { planStream } from "./mamba2.ts";

export function planMamba(config: Config, checkpoint: Checkpoint): Plan {
  const sizes = readMamba(config, config.size("hidden_size"), {
    ...{ inner: "intermediate_size", state: "state_size", taps: "conv_kernel", expand: "expand" },
    rank: "time_step_rank",
  });
  const plan = planStream("mamba", config, checkpoint, sizes, (to, from) => mambaMixer(to, from, sizes, false), true);
  // The ε of these norms has no key: the file's one is theirs, too, as in llama.cpp.
  const isNormed = config.get("model_type") === "falcon_mamba";
  return { ...plan, ownMetadata: named("mamba", [["ssm.dt_b_c_rms", "bool", isNormed]]) };
}

/** The sizes of a Mamba, by the words that the config has for them. */
export function readMamba(
  config: Config,
  hidden: number,
  words: Readonly<Record<"state" | "taps" | "expand" | "rank", string> & { inner?: string }>,
): StateSpace {
  const isAuto = config.get(words.rank) === undefined || config.get(words.rank) === "auto";
  const usual = config.number(words.expand, 2) * hidden;
  return {
    hidden,
    inner: words.inner ? config.size(words.inner, usual) : usual,
    state: config.size(words.state, 16),
    taps: config.size(words.taps, 4),
    rank: isAuto ? Math.ceil(hidden / 16) : config.size(words.rank),
  };
}
