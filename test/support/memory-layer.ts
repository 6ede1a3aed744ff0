/** The Memory Layer's formulas in float64, and how near to them a sum has to be. */
import * as assert from "uvu/assert";
import type { HashInput } from "../../src/kernels.ts";

/** Codes as 3.1 of the paper's code says: the first element is the most significant bit. */
export function codesOf(x: ArrayLike<number>, bits: number, zero: 0 | 1): number[] {
  return Array.from({ length: x.length / bits }, (_, k) => {
    let code = 0;
    for (let j = 0; j < bits; j++) {
      const z = x[k * bits + j];
      code = code * 2 + ((zero ? z >= 0 : z > 0) ? 1 : 0);
    }
    return code;
  });
}

/** The weight of each chunk, by either rule. */
export function weightsOf(x: ArrayLike<number>, bits: number, rule: HashInput["weight"], temperature = 1): number[] {
  return Array.from({ length: x.length / bits }, (_, k) => {
    let sum = 0;
    let product = 1;
    for (let j = 0; j < bits; j++) {
      const a = Math.abs(x[k * bits + j]);
      sum += a;
      product *= 1 + Math.exp((-2 * a) / (rule === "prob" ? temperature : 1));
    }
    return (rule === "prob" ? 1 : sum) / product;
  });
}

/** Asserts |found − Σ| ≤ 1e-6 · Σ|w·T|, the bias counting as a term. */
export function closeSum(found: number, terms: readonly number[], what: string): void {
  const sum = terms.reduce((a, b) => a + b, 0);
  const size = terms.reduce((a, b) => a + Math.abs(b), 0);
  const error = Math.abs(found - sum);
  assert.ok(error <= 1e-6 * size, `${what}: ${found}, not ${sum}; Σ|w·T| is ${size}`);
}
