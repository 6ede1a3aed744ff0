/** exaone4: EXAONE 4.0; windows where the config does not say that there are none. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { windowKeys } from "../windows.ts";
import { NORMS_BEHIND } from "./olmo2.ts";

export function planExaone4(given: Config, checkpoint: Checkpoint): Plan {
  const pattern = given.get("sliding_window_pattern");
  const config = given.with({
    sliding_window: given.isNull("sliding_window") ? null : (given.get("sliding_window") ?? 4096),
    // LLLG: three layers with a window, and one without.
    sliding_window_pattern: typeof pattern === "string" && /^L+G$/.test(pattern) ? pattern.length : pattern,
  });
  return planGrouped("exaone4", config, checkpoint, {
    claims: ["sliding_window"],
    headNorms: "head",
    names: NORMS_BEHIND,
    ownMetadata: ({ layers, vocabulary }) => [
      ["vocab_size", "u32", vocabulary],
      ...(config.isNull("sliding_window") ? [] : windowKeys(config, layers, 4)),
    ],
  });
}
