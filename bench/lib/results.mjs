/** Results of a run: samples by model and contestant, with the round that they came from. */
import { figure, median } from "./stats.mjs";

/**
 * @typedef {{ round: number, loadMs: number, prefill: Record<number, number>, decode: Record<number, number>,
 *   memoryBytes: number | null, rssPeakBytes: number | null, cacheBytesPerToken: number | null,
 *   fullCacheBytesPerToken: number | null, weightBytes: number | null, threadsUsed: number | null, context: number, host: string,
 *   foreign: number | null, stolen: number | null, load: number }} Sample
 * @typedef {"loadMs" | "memoryBytes" | "rssPeakBytes" | "cacheBytesPerToken" | "fullCacheBytesPerToken" | "weightBytes"
 *   | `prefill ${number}` | `decode ${number}`} Metric
 * @typedef {import("../engines/limpet.mjs").Run} Run
 */

/** One metric of a sample. @param {Sample} sample @param {Metric} metric */
function metricOf(sample, metric) {
  const [, kind, length] = metric.match(/^(prefill|decode) (\d+)$/) ?? [];
  const rates = kind === "prefill" ? sample.prefill : sample.decode;
  return kind ? rates[Number(length)] : /** @type {any} */ (sample)[metric];
}

export class Results {
  /** @type {Record<string, Record<string, Sample[]>>} */
  models = {};
  /** @type {{ model: string, contestant: string, error: string }[]} */
  failures = [];
  /** @type {Record<string, number>} */
  fileBytes = {};
  /** @type {Record<string, Record<string, number[]>> | null} */
  matmul = null;
  /** By build. @type {Record<string, Record<string, Record<string, import("../engines/kernels.mjs").Measured>>>} */
  kernels = {};
  /** By type. @type {Record<string, import("../engines/sparse.mjs").Compared[]> | null} */
  sparse = null;

  /** @param {string} model @param {string} contestant @param {Sample} sample */
  add(model, contestant, sample) {
    ((this.models[model] ??= {})[contestant] ??= []).push(sample);
  }

  /** Whether a round's case is there. @param {string} model @param {string} contestant @param {number} round @param {Run[]} runs */
  has(model, contestant, round, runs) {
    const prompts = runs.map(({ prompt }) => prompt);
    return this.samples(model, contestant).some((of) => of.round === round && prompts.every((n) => of.prefill[n]));
  }

  /** @param {string} model @param {string} contestant */
  samples(model, contestant) {
    return this.models[model]?.[contestant] ?? [];
  }

  /** @param {string} model @param {string} contestant @param {Metric} metric */
  figure(model, contestant, metric) {
    return figure(this.samples(model, contestant).map((sample) => metricOf(sample, metric)));
  }

  /**
   * One contestant's metric over another's: the median of the ratios of rounds that both have, so that a disturbance of
   * the machine hits both sides; without such rounds the ratio of the medians.
   * @param {string} model @param {string} first @param {string} second @param {Metric} metric @param {Metric} [other]
   */
  ratio(model, first, second, metric, other = metric) {
    const rounds = new Map();
    for (const sample of this.samples(model, second)) {
      const value = metricOf(sample, other);
      if (value) rounds.set(sample.round, value);
    }
    const ratios = [];
    for (const sample of this.samples(model, first)) {
      const value = metricOf(sample, metric);
      if (value && rounds.has(sample.round)) ratios.push(value / rounds.get(sample.round));
    }
    if (ratios.length) return median(ratios);
    const [a, b] = [this.figure(model, first, metric), this.figure(model, second, other)];
    return a && b ? a.median / b.median : null;
  }
}

/**
 * A job's answer as a sample.
 * @param {any} answer @param {{ foreign: number | null, stolen: number | null, load: number }} disturbance
 * @param {number} round @param {number} context @returns {Sample}
 */
export function sampleOf(answer, disturbance, round, context) {
  const prefill = /** @type {Record<number, number>} */ ({});
  const decode = /** @type {Record<number, number>} */ ({});
  for (const { prompt, tokens, prefillMs, decodeMs } of answer.runs) {
    prefill[prompt] = (prompt / prefillMs) * 1000;
    if (tokens) decode[prompt] = (tokens / decodeMs) * 1000;
  }
  const keep = (/** @type {string} */ key) => answer[key] ?? null;
  return {
    round,
    loadMs: answer.loadMs,
    prefill,
    decode,
    memoryBytes: keep("memoryBytes"),
    rssPeakBytes: keep("rssPeakBytes"),
    cacheBytesPerToken: keep("cacheBytesPerToken"),
    fullCacheBytesPerToken: keep("fullCacheBytesPerToken"),
    weightBytes: keep("weightBytes"),
    threadsUsed: keep("threadsUsed"),
    context,
    host: answer.host,
    ...disturbance,
  };
}
