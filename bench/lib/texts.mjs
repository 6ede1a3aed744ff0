/** Texts of a wanted number of tokens, for peers that take no ids. */
import { ROOT } from "../limpet.mjs";

const WORDS = "A limpet clings to its rock while the tide comes in, goes out, and comes in again. ";

/** For each length a text that this model's vocabulary splits into so many tokens. @param {string} path @param {number[]} lengths */
export async function textsOf(path, lengths) {
  const { Model } = await import(`${ROOT}build/js/index.js`);
  const model = await Model.load(path, { vocabularyOnly: true });
  const texts = /** @type {Record<number, string>} */ ({});
  for (const length of lengths) {
    const all = WORDS.repeat(Math.ceil((length * 8) / WORDS.length) + 1);
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (model.tokenize(all.slice(0, middle)).length < length) low = middle + 1;
      else high = middle;
    }
    texts[length] = all.slice(0, low);
  }
  model.dispose();
  return texts;
}
