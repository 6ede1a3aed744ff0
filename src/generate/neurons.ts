/** Core neurons: the part of a model's feed-forward networks that a session's answers use. */
import type { Pointer } from "../../bindings/exports.ts";
import { listOf, type OptionTable, oneOf, readOptions, real, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import type { LoadedModel } from "./sequence-pool.ts";

/**
 * Which neurons the tokens of an answer use. `core` (CoreInfer, arXiv:2410.18311): those that were most often among a
 * token's largest while the prompt was read. A prompt is read with all of them, and so is every token until 64 were
 * counted. The answers are others than the model's own, and on small models far worse: docs/core-neurons.md has figures.
 */
export interface Neurons {
  /** How they are chosen. */
  policy: "core";
  /** The share β of a layer's neurons that is used, above 0. Default: 0.4, the paper's for translation. */
  share?: number;
  /** The share α of its neurons that a token of the prompt counts for. Default: 0.4, the paper's. */
  alpha?: number;
  /** From which layer on, and up to which one without it. Default: all but the last, which has no counts. */
  layers?: readonly [first: number, end: number];
}

/** The paper's shares. */
const SHARE = 0.4;
const ALPHA = 0.4;
/** Layers of a model at most. */
const MOST_LAYERS = 2 ** 31 - 1;

const NEURONS: OptionTable<Neurons> = {
  policy: oneOf<"core">("core"),
  share: shareOf,
  alpha: shareOf,
  layers: layersOf,
};

/** What a session or a plan is given as `neurons`. */
export function neuronsOf(name: string, value: unknown): Neurons {
  const read = readOptions(value as Neurons, NEURONS, name);
  if (read.policy) return read;
  throw new LimpetError("BAD_ARGUMENT", `${name} has a policy: "core"`);
}

function shareOf(name: string, value: unknown): number {
  const share = real(name, value);
  if (share > 0 && share <= 1) return share;
  throw new LimpetError("BAD_ARGUMENT", `${name} is a share, above 0 and at most 1, not ${share}`);
}

function layersOf(name: string, value: unknown): readonly [number, number] {
  const [first, end, ...more] = listOf(whole(0, MOST_LAYERS))(name, value);
  if (end > first && more.length === 0) return [first, end];
  throw new LimpetError("BAD_ARGUMENT", `${name} is [first, end]: the number of a layer, and one behind the last`);
}

/** An empty session's answers use these neurons. */
export function giveNeurons({ core }: LoadedModel, session: Pointer, given: Neurons): void {
  const { share = SHARE, alpha = ALPHA, layers: [first, end] = [0, MOST_LAYERS] } = given;
  core.check(core.exports.session_set_neurons(session, share, alpha, first, end));
}

/** Bytes that a session takes besides for what it counts and packs. */
export function neuronBytes(core: Core, model: Pointer, given: Neurons | undefined): number {
  if (!given) return 0;
  const { share = SHARE, layers: [first, end] = [0, MOST_LAYERS] } = given;
  return Number(core.exports.model_neuron_bytes(model, share, first, end));
}
