/**
 * CoGenesis (Zhang et al. 2024, arXiv:2403.03129), the form that mixes logits: a small model on the device sees a private
 * context and the task, a large one elsewhere sees the task alone, and each token is drawn from a mixture of the two:
 *
 *     p = weight · p(local | private, task, answer so far) + (1 − weight) · p(remote | task, answer so far)
 *
 * The paper trains what weighs the two; here the weight is fixed. Both models have one vocabulary. What leaves the device
 * is the task and the answer so far, and nothing else: a private word that the answer says has left with it.
 */

/** @typedef {import("../../src/index.ts").Model} Model */
/** @typedef {import("../../src/index.ts").GenerateOptions} GenerateOptions */
/** @typedef {import("../../src/index.ts").Generation} Generation */
/**
 * What is asked elsewhere: the logits behind the task and these tokens of the answer, [vocabulary].
 * @typedef {(question: { task: string, answer: number[] }) => Promise<ArrayLike<number>>} Remote
 */

/**
 * @param {Model} local
 * @param {{ context: string, task: string, remote: Remote, weight?: number }} question
 * @param {GenerateOptions} [options] how the next token is drawn from the mixture
 * @returns {Generation}
 */
export function cogenesis(local, { context, task, remote, weight = 0.5 }, options = {}) {
  const prompt = local.tokenize(`${context}\n${task}`, { bos: true });
  return local.generate(prompt, {
    ...options,
    async onLogits(logits, tokens) {
      const theirs = await remote({ task, answer: tokens.slice(prompt.length) });
      if (theirs.length !== logits.length) throw new Error("the two models have different vocabularies");
      const [mine, others] = [probabilities(logits), probabilities(theirs)];
      for (let i = 0; i < logits.length; i++) logits[i] = Math.log(weight * mine[i] + (1 - weight) * others[i]);
    },
  });
}

/**
 * A model that plays the one elsewhere, behind a callback. It goes on from what it was asked last.
 * @param {Model} model
 * @returns {Remote}
 */
export function remoteOf(model) {
  const session = model.session();
  return async ({ task, answer }) => {
    const tokens = [...model.tokenize(task, { bos: true }), ...answer];
    const known = session.tokens;
    let common = 0;
    while (common < known.length && known[common] === tokens[common]) common++;
    session.rewind(common);
    session.append(tokens.slice(common));
    return session.logits();
  };
}

/** @param {ArrayLike<number>} logits */
function probabilities(logits) {
  let top = -Infinity;
  for (let i = 0; i < logits.length; i++) top = Math.max(top, logits[i]);
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - top));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}
