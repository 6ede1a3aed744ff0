/** What a server has done and does, in the text form of Prometheus. */
import type { GenerationResult } from "../generate/generation.ts";
import type { Models } from "./models.ts";

/** What answers have cost, in tokens. */
export interface Usage {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  /** Of these, what the model thought. */
  readonly reasoning: number;
}

/** What nothing has cost. */
export const NOTHING: Usage = { prompt: 0, cached: 0, completion: 0, reasoning: 0 };

interface Totals {
  prompt: number;
  cached: number;
  completion: number;
  prefillMs: number;
  decodeMs: number;
}

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #totals = new Map<string, Totals>();

  /** A request was answered. */
  requested(route: string, status: number): void {
    const labels = `route="${route}",status="${status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  /** A model has answered. */
  answered(model: string, { prompt, cached, completion }: Usage, results: readonly GenerationResult[]): void {
    let totals = this.#totals.get(model);
    if (!totals) this.#totals.set(model, (totals = { prompt: 0, cached: 0, completion: 0, prefillMs: 0, decodeMs: 0 }));
    totals.prompt += prompt;
    totals.cached += cached;
    totals.completion += completion;
    for (const { timings } of Object.values(results)) {
      totals.prefillMs += timings.prefillMs;
      totals.decodeMs += timings.decodeMs;
    }
  }

  /** All of it as text. */
  text(models: Models): string {
    const label = (id: string): string =>
      `model="${id.replace(/[\\"\n]/g, (letter) => (letter === "\n" ? "\\n" : `\\${letter}`))}"`;
    // One with adapters is its base in memory.
    const own = models.states.filter(({ base }) => base === null);
    const states = own.map((state) => [label(state.id), state] as const);
    const totals = [...this.#totals].map(([id, of]) => [label(id), of] as const);
    const seconds = (ms: number): number => ms / 1000;
    const families: [name: string, type: "counter" | "gauge", help: string, values: (readonly [string, number])[]][] = [
      ["requests_total", "counter", "Requests that were answered.", [...this.#requests]],
      ["prompt_tokens_total", "counter", "Tokens of prompts.", totals.map(([l, { prompt }]) => [l, prompt])],
      [
        "cached_tokens_total",
        "counter",
        "Those that were there already.",
        totals.map(([l, { cached }]) => [l, cached]),
      ],
      ["tokens_total", "counter", "Tokens generated.", totals.map(([l, { completion }]) => [l, completion])],
      ["prompt_seconds_total", "counter", "Reading prompts.", totals.map(([l, of]) => [l, seconds(of.prefillMs)])],
      ["generate_seconds_total", "counter", "Generating.", totals.map(([l, of]) => [l, seconds(of.decodeMs)])],
      ["requests_active", "gauge", "Requests that are computed.", states.map(([l, { active }]) => [l, active])],
      ["requests_waiting", "gauge", "Requests that wait.", states.map(([l, { waiting }]) => [l, waiting])],
      ["model_loaded", "gauge", "Whether a model is loaded.", states.map(([l, { held }]) => [l, held ? 1 : 0])],
      ["model_bytes", "gauge", "Memory of a model.", states.map(([l, { held }]) => [l, held?.bytes ?? 0])],
    ];
    return families
      .map(([name, type, help, values]) => {
        const lines = values.map(([labels, value]) => `limpet_${name}{${labels}} ${value}\n`);
        return `# HELP limpet_${name} ${help}\n# TYPE limpet_${name} ${type}\n${lines.join("")}`;
      })
      .join("");
  }
}
