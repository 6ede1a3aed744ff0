/**
 * How tokens are chosen where nobody says how: as the file recommends (`general.sampling.*`), or else as
 * assembly/wasi/commands.ts has it, for the command line, the server and the page alike.
 */
import { RECOMMENDED } from "../../assembly/wasi/commands.ts";
import type { MetadataValue } from "../load/info.ts";
import type { ConstraintOptions } from "./constraint.ts";
import type { SamplingOptions } from "./sampling.ts";

/** What is recommended. */
export type Recommended = Required<
  Pick<
    SamplingOptions,
    "temperature" | "topK" | "topP" | "minP" | "repeatPenalty" | "repeatWindow" | "xtcProbability" | "xtcThreshold"
  >
>;

/** The table's names → the options'. */
const NAMES: Readonly<Record<string, keyof Recommended>> = {
  temp: "temperature",
  "top-k": "topK",
  "top-p": "topP",
  "min-p": "minP",
  "repeat-penalty": "repeatPenalty",
  "repeat-last-n": "repeatWindow",
  "xtc-probability": "xtcProbability",
  "xtc-threshold": "xtcThreshold",
};

/** What a file's metadata recommends, or else what everybody gets. */
export function recommendedOf(metadata: ReadonlyMap<string, { readonly value: MetadataValue }>): Recommended {
  const lines = RECOMMENDED.trim()
    .split("\n")
    .map((line) => line.split("|"));
  const said = lines.map(([, key]) => metadata.get(key)?.value);
  const isNumber = (value: unknown): boolean =>
    (typeof value === "number" && Number.isFinite(value) && value >= 0) || (typeof value === "bigint" && value >= 0n);
  // Whoever recommends anything recommends the rest by leaving it out.
  const otherwise = said.some(isNumber) ? 3 : 2;
  const found = lines.map((line, i) => [NAMES[line[0]], Number(isNumber(said[i]) ? said[i] : line[otherwise])]);
  return Object.fromEntries(found) as Recommended;
}

/**
 * `options` with the recommended sampling where they say nothing. Where the likeliest token is taken always, or a grammar
 * says what may come, no repetition is penalised unless that was asked for.
 */
export function withRecommended<Options extends SamplingOptions & ConstraintOptions>(
  recommended: Recommended,
  options: Options,
): Options & Recommended {
  const { schema, regex, grammar, choice, table } = options;
  const isConstrained = [schema, regex, grammar, choice, table].some((given) => given !== undefined);
  const isPlain = isConstrained || (options.temperature ?? recommended.temperature) === 0;
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...recommended, ...(isPlain && { repeatPenalty: 1 }), ...(given as Options) };
}

/** A seed that nobody has chosen: short enough to be typed again. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
