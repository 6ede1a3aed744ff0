/** Numbers of JSON as languages: ranges and multiples are compared digit by digit, as decimals without an exponent. */
import type { Languages, Regex } from "./regex.ts";

/** What a number has to be. */
export interface NumberBounds {
  readonly integer: boolean;
  readonly low: number;
  readonly lowOpen: boolean;
  readonly high: number;
  readonly highOpen: boolean;
}

export class Numbers {
  readonly #l: Languages;
  readonly #digit: Regex;
  readonly #digits: Regex;
  readonly #fraction: Regex;
  readonly #whole: Regex;

  constructor(languages: Languages) {
    this.#l = languages;
    this.#digit = languages.set([0x30, 0x39]);
    this.#digits = languages.star(this.#digit);
    const first = languages.set([0x31, 0x39]);
    this.#whole = languages.or(languages.text("0"), languages.cat(first, this.#digits));
    this.#fraction = languages.optional(this.#point(languages.repeat(this.#digit, 1, Number.POSITIVE_INFINITY)));
  }

  /** Every number, or every whole one. */
  any(integer: boolean): Regex {
    const l = this.#l;
    const sign = l.optional(l.text("-"));
    if (integer) return l.cat(sign, this.#whole);
    const exponent = l.cat(
      l.set([0x45, 0x45, 0x65, 0x65]),
      l.optional(l.set([0x2b, 0x2b, 0x2d, 0x2d])),
      l.repeat(this.#digit, 1, Number.POSITIVE_INFINITY),
    );
    return l.cat(sign, this.#whole, this.#fraction, l.optional(exponent));
  }

  /** Every number without an exponent. */
  plain(): Regex {
    return this.#l.cat(this.#l.optional(this.#l.text("-")), this.#whole, this.#fraction);
  }

  /** The texts of one number. */
  exactly(value: number): Regex {
    return this.between({ integer: false, low: value, lowOpen: false, high: value, highOpen: false });
  }

  between({ integer, low, lowOpen, high, highOpen }: NumberBounds): Regex {
    const l = this.#l;
    const parts: Regex[] = [];
    if (high >= 0) {
      const above = low > 0 || (low === 0 && lowOpen) ? this.#above(low, lowOpen) : this.plain();
      const below = high === Number.POSITIVE_INFINITY ? this.plain() : this.#below(high, highOpen);
      parts.push(l.and(above, below, l.cat(this.#whole, this.#fraction)));
    }
    if (low < 0) {
      const below = low === Number.NEGATIVE_INFINITY ? this.plain() : this.#below(-low, lowOpen);
      const above = high < 0 || (high === 0 && highOpen) ? this.#above(-high, highOpen) : this.plain();
      parts.push(l.cat(l.text("-"), l.and(below, above, l.cat(this.#whole, this.#fraction))));
    }
    const range = l.or(...parts);
    return integer ? l.and(range, this.any(true)) : range;
  }

  /** Decimals that are multiples of a number; null where that takes too many states. */
  multiples(of: number, states: number): Regex | null {
    const [whole, fraction] = decimal(of);
    const modulus = Number(whole + fraction);
    if (!(modulus > 0 && modulus * (fraction.length + 2) <= states)) return null;
    return this.#l.cat(this.#l.optional(this.#l.text("-")), this.#l.remainder(modulus, 0, fraction.length));
  }

  /** Decimals of at least 0 that lie above a bound. */
  #above(bound: number, open: boolean): Regex {
    const l = this.#l;
    const [whole, fraction] = decimal(bound);
    const longer = l.cat(
      l.set([0x31, 0x39]),
      l.repeat(this.#digit, whole === "0" ? 0 : whole.length, Number.POSITIVE_INFINITY),
    );
    const larger = l.or(longer, ...(whole === "0" ? [] : this.#differ(whole, 1, true)));
    const behind = l.or(
      ...this.#differ(fraction, 0, false).map((part) => l.cat(part, this.#digits)),
      open
        ? l.cat(l.text(fraction), this.#digits, l.set([0x31, 0x39]), this.#digits)
        : l.cat(l.text(fraction), this.#digits),
    );
    return l.or(l.cat(larger, this.#fraction), l.cat(l.text(whole), this.#behindPoint(behind)));
  }

  /** Decimals of at least 0 that lie below a bound. */
  #below(bound: number, open: boolean): Regex {
    const l = this.#l;
    const [whole, fraction] = decimal(bound);
    const shorter: Regex[] = [];
    if (whole.length > 1) {
      shorter.push(this.#digit);
      if (whole.length > 2) shorter.push(l.cat(l.set([0x31, 0x39]), l.repeat(this.#digit, 1, whole.length - 2)));
    }
    const smaller = l.or(...shorter, ...this.#differ(whole, whole.length > 1 ? 1 : 0, true, true));
    const zeros = l.star(l.text("0"));
    const behind = l.or(
      ...Array.from(fraction, (_, k) => l.text(fraction.slice(0, k))),
      ...this.#differ(fraction, 0, false, true).map((part) => l.cat(part, this.#digits)),
      open ? l.none : l.cat(l.text(fraction), zeros),
      // A beginning of the fraction with zeros behind is less than it, too.
    );
    return l.or(l.cat(smaller, this.#fraction), l.cat(l.text(whole), this.#behindPoint(behind)));
  }

  /** Digits that agree with a number's up to one that is larger (or smaller); `first`: the least first digit. */
  #differ(digits: string, first: number, fill: boolean, smaller = false): Regex[] {
    const l = this.#l;
    return Array.from(digits, (letter, k) => {
      const digit = Number(letter);
      const [from, to] = smaller ? [k === 0 ? first : 0, digit - 1] : [digit + 1, 9];
      if (from > to) return l.none;
      const rest = fill ? l.repeat(this.#digit, digits.length - k - 1, digits.length - k - 1) : l.empty;
      return l.cat(l.text(digits.slice(0, k)), l.set([0x30 + from, 0x30 + to]), rest);
    });
  }

  /** A fraction whose digits, of which none may be, are of a language. */
  #behindPoint(digits: Regex): Regex {
    const l = this.#l;
    const some = this.#point(l.and(digits, l.repeat(this.#digit, 1, Number.POSITIVE_INFINITY)));
    return digits.nullable ? l.optional(some) : some;
  }

  #point(digits: Regex): Regex {
    return this.#l.cat(this.#l.text("."), digits);
  }
}

/** A number of at least 0 as its digits before and behind the point, without zeros at the end. */
export function decimal(value: number): [whole: string, fraction: string] {
  const [digits, exponent = "0"] = String(Math.abs(value)).split("e");
  let [whole, fraction = ""] = digits.split(".");
  for (let shift = Number(exponent); shift > 0; shift--) {
    whole += fraction[0] ?? "0";
    fraction = fraction.slice(1);
  }
  for (let shift = Number(exponent); shift < 0; shift++) {
    fraction = (whole.at(-1) ?? "0") + fraction;
    whole = whole.slice(0, -1);
  }
  return [whole.replace(/^0+(?=\d)/, "") || "0", fraction.replace(/0+$/, "")];
}
