/** Mixers with a state, Mamba and Mamba-2, wherever they stand: their sizes, keys and tensors. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { linear, matrix, vector } from "./decoder.ts";
import { type Config, said } from "./folder.ts";
import type { PlannedTensor } from "./plan.ts";

/** Sizes of such a mixer. */
export interface StateSpace {
  readonly hidden: number;
  /** Channels. */
  readonly inner: number;
  /** Values of a channel's state. */
  readonly state: number;
  /** Tokens that the convolution sees. */
  readonly taps: number;
  /** Of Mamba the rank of Δ, of Mamba-2 its heads. */
  readonly rank: number;
  /** Of Mamba-2: heads of a group have the same B and C. */
  readonly groups?: number;
}

/** What the weights of a mixer are multiplied by, where a config says it. */
export interface MixerScales {
  /** Rows of the matrix that goes in. */
  readonly into?: (row: number) => number;
  readonly out?: number;
}

/** The keys of such a mixer, without the architecture's name. */
export function stateKeys({ inner, state, taps, rank, groups }: StateSpace): GgufEntry[] {
  return [
    ["ssm.conv_kernel", "u32", taps],
    ["ssm.inner_size", "u32", inner],
    ["ssm.state_size", "u32", state],
    ["ssm.time_step_rank", "u32", rank],
    ...(groups === undefined ? [] : ([["ssm.group_count", "u32", groups]] as const)),
  ];
}

/** Mamba-2 as hybrids' configs have it, with `mamba_` before its words. */
export function readDualHeads(config: Config, hidden: number): StateSpace {
  config.refuse("mamba_proj_bias");
  const heads = config.size("mamba_n_heads");
  const given = config.get("mamba_d_ssm") === undefined ? undefined : config.size("mamba_d_ssm");
  const inner = given ?? config.size("mamba_expand", 2) * hidden;
  const head = config.get("mamba_d_head") === "auto" ? inner / heads : config.size("mamba_d_head", inner / heads);
  if (head * heads !== inner) throw config.wrong(`mamba_n_heads ${heads} of ${head} values are not ${inner}`);
  return {
    hidden,
    inner,
    rank: heads,
    state: config.size("mamba_d_state"),
    taps: config.size("mamba_d_conv", 4),
    groups: config.size("mamba_n_groups", 1),
  };
}

/** The tensors of a Mamba-2 (mamba2, falcon-h1, granitehybrid, nemotron_h), which may do without the norm. */
export function dualMixer(to: string, from: string, sizes: StateSpace, scales: MixerScales = {}): PlannedTensor[] {
  const { hidden, inner, state, rank: heads, groups = 1 } = sizes;
  const width = inner + 2 * groups * state;
  const { into, out } = scales;
  const byHead = (name: string, source: string): PlannedTensor => ({
    ...vector(`${to}${name}`, `${from}${source}`, 0),
    shape: [1, heads],
    sourceShape: [heads],
  });
  return [
    { ...matrix(`${to}ssm_in.weight`, `${from}in_proj.weight`, hidden, inner + width + heads), times: into },
    ...convolution(to, from, width, sizes),
    vector(`${to}ssm_dt.bias`, `${from}dt_bias`, heads),
    { ...byHead("ssm_a", "A_log"), negatedExp: true },
    byHead("ssm_d", "D"),
    {
      ...vector(`${to}ssm_norm.weight`, `${from}norm.weight`, 0),
      shape: [inner / groups, groups],
      sourceShape: [inner],
      optional: true,
    },
    {
      ...matrix(`${to}ssm_out.weight`, `${from}out_proj.weight`, inner, hidden),
      times: out === undefined ? undefined : () => out,
    },
  ];
}

/** The tensors of a Mamba (mamba, jamba), with norms of Δ, B and C where it has some. */
export function mambaMixer(to: string, from: string, sizes: StateSpace, hasNorms: boolean): PlannedTensor[] {
  const { hidden, inner, state, rank } = sizes;
  const norms = [
    ["dt", rank],
    ["b", state],
    ["c", state],
  ] as const;
  return [
    matrix(`${to}ssm_in.weight`, `${from}in_proj.weight`, hidden, 2 * inner),
    ...convolution(to, from, inner, sizes),
    matrix(`${to}ssm_x.weight`, `${from}x_proj.weight`, inner, rank + 2 * state),
    ...linear(`${to}ssm_dt`, `${from}dt_proj`, rank, inner),
    ...(hasNorms ? norms : []).map(([name, size]) =>
      vector(`${to}ssm_${name}_norm.weight`, `${from}${name}_layernorm.weight`, size),
    ),
    { ...matrix(`${to}ssm_a`, `${from}A_log`, state, inner), kind: "floats", negatedExp: true },
    vector(`${to}ssm_d`, `${from}D`, inner),
    matrix(`${to}ssm_out.weight`, `${from}out_proj.weight`, inner, hidden),
  ];
}

/** The convolution, which may do without its bias. */
function convolution(to: string, from: string, width: number, { taps }: StateSpace): PlannedTensor[] {
  return [
    {
      ...vector(`${to}ssm_conv1d.weight`, `${from}conv1d.weight`, 0),
      shape: [taps, width],
      sourceShape: [width, 1, taps],
    },
    { ...vector(`${to}ssm_conv1d.bias`, `${from}conv1d.bias`, width), optional: true },
  ];
}

/** Of each layer whether it attends, as a list of words says it. */
export function attendingLayers(
  config: Config,
  layers: number,
  key: string,
  attends: string,
  other: string,
): boolean[] {
  const types = config.get(key);
  const isKnown = Array.isArray(types) && types.every((type) => type === attends || type === other);
  if (isKnown && types.length === layers) return types.map((type) => type === attends);
  throw config.wrong(`${key} is no list of ${layers} words, "${attends}" or "${other}"`);
}

/** Steps of time that are held within bounds are other ones; none are where the bounds are 0 and infinity, which is no JSON. */
export function refuseTimeLimit(config: Config): void {
  const limit = config.get("time_step_limit");
  if (limit === undefined) return;
  const [low, high] = Array.isArray(limit) ? limit : [];
  if (low === 0 && (high === null || high === Infinity || high === "inf")) return;
  throw config.wrong(`time_step_limit is ${said(limit)}`, "UNSUPPORTED");
}
