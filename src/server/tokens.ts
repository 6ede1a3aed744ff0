/** Tokens as clients are shown them: their text, and their bytes. */
import type { Model } from "../api/model.ts";
import type { WorkerModel } from "../api/worker-model.ts";
import type { Piece } from "../generate/generation.ts";

/** A token with its log probability, as OpenAI's chat has it. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

/** A token that was drawn, beside those that could have been. */
export interface DrawnToken extends TokenLogprob {
  readonly top_logprobs: readonly TokenLogprob[];
}

/** So many are remembered. */
const KEPT = 1 << 15;
/** What JSON has no number for. */
const LEAST = -9999;

export class Tokens {
  readonly #model: Model | WorkerModel;
  readonly #known = new Map<number, Pick<TokenLogprob, "token" | "bytes">>();

  constructor(model: Model | WorkerModel) {
    this.#model = model;
  }

  /** The token of a piece with the log probabilities that it has. */
  async drawn({ token, logprob, top = [] }: Piece): Promise<DrawnToken> {
    const top_logprobs: TokenLogprob[] = [];
    for (const one of top) top_logprobs.push(await this.#shown(one.token, one.logprob));
    return { ...(await this.#shown(token, logprob!)), top_logprobs };
  }

  async #shown(id: number, logprob: number): Promise<TokenLogprob> {
    let known = this.#known.get(id);
    if (!known) {
      const bytes = await this.#model.detokenizeBytes([id], { special: true, cleanSpaces: false });
      known = { token: new TextDecoder().decode(bytes), bytes: Array.from(bytes) };
      if (this.#known.size < KEPT) this.#known.set(id, known);
    }
    return { ...known, logprob: Math.max(logprob, LEAST) };
  }
}
