/**
 * Questions over pieces of text that a model has read once, each by itself: every question is put behind the pieces that
 * it is about, in any order, and what was read of them is not read again.
 */

/** @import { Chunk, Model } from "../../build/types/src/index.d.ts" */

/**
 * The piece under each of some headings: what follows the line, as far as `most` characters of whole paragraphs.
 * @param {string} text @param {readonly string[]} titles @param {number} [most]
 */
export function piecesUnder(text, titles, most = 900) {
  const lines = text.split("\n");
  return titles.map((title) => {
    const first = lines.indexOf(title);
    if (first < 0) throw new Error(`the text has no heading ${title}`);
    let piece = title;
    for (const line of lines.slice(first + 1)) {
      if (piece.length + line.length > most && piece !== title) break;
      piece += `\n${line}`;
    }
    return piece;
  });
}

/** What a chat template writes before and behind what a user says: two words have no letter in common there. @param {Model} model */
async function around(model) {
  const [one, other] = await Promise.all(
    ["limpet", "rocks"].map((content) => model.chatTokens([{ role: "user", content }])),
  );
  let [before, behind] = [0, 0];
  while (one[before] === other[before]) before++;
  while (one.at(-1 - behind) === other.at(-1 - behind)) behind++;
  return { before: one.slice(0, before), behind: one.slice(one.length - behind) };
}

/** A reader that has read pieces, and answers questions about some of them. */
export class Reader {
  /** @type {Model} */ #model;
  /** @type {readonly Chunk[]} */ #chunks;
  /** @type {readonly number[]} */ #behind;

  /** @param {Model} model @param {readonly Chunk[]} chunks @param {readonly number[]} behind */
  constructor(model, chunks, behind) {
    this.#model = model;
    this.#chunks = chunks;
    this.#behind = behind;
  }

  /** Reads pieces. @param {Model} model @param {readonly string[]} pieces @param {{ store?: boolean }} [options] */
  static async of(model, pieces, { store = false } = {}) {
    const { before, behind } = await around(model);
    const chunks = [];
    for (const piece of pieces) chunks.push(await model.chunk(`${piece}\n\n`, { lead: before, store }));
    return new Reader(model, chunks, behind);
  }

  /**
   * The answer to a question behind these pieces, in this order, and how it came.
   * @param {string} question @param {readonly number[]} which @param {{ recompute?: number, maxTokens?: number }} [options]
   */
  async ask(question, which, { recompute, maxTokens = 24 } = {}) {
    const session = this.#model.session();
    try {
      const begin = performance.now();
      const pieces = which.map((i) => this.#chunks[i]);
      const composed = await session.compose(
        [...pieces, `Question: ${question} Answer in a few words.`, this.#behind],
        {
          recompute,
        },
      );
      const answer = session.generate(undefined, { maxTokens });
      await answer.next();
      const firstMs = performance.now() - begin;
      return { text: (await answer.text()).trim(), firstMs, ...composed };
    } finally {
      session.dispose();
    }
  }
}
