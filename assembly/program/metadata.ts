/**
 * The numbers of a model's metadata, as an architecture asks for them. The error is sticky: after the first one every
 * call answers something harmless, and whoever called the architecture asks once, at the end. Numbers are bounded here,
 * so that every product of sizes fits 64 bits. A key that was asked for counts as understood (engine/unused.ts).
 */
import { log, pow } from "../kernels/float/math";
import { Core, ErrorCode, bytesOf, fail, wordsOf } from "../memory/core";
import { lettersFrom, sameText } from "../memory/bytes";
import {
  Entry, Gguf, ValueType, entryFloat, entryNumber, findKey, flagOr, floatAt, floatOr, integerAt, number, numberOr,
  stringBytes, stringLength, textOr,
} from "../files/gguf";

@unmanaged
export class Metadata {
  core: Core;
  gguf: Gguf;
  /** The first error, 0: none. */
  error: i32;
  /** Layers of the model. */
  layers: u32;

  /** The first error stays. */
  refuse(code: i32, sentence: string, a: u64 = 0, b: u64 = 0, c: u64 = 0, d: u64 = 0): void {
    if (this.error == 0) this.error = fail(this.core, code, sentence, a, b, c, d);
  }

  /** The file contradicts itself. */
  broken(sentence: string, a: u64 = 0, b: u64 = 0, c: u64 = 0): void {
    this.refuse(ErrorCode.BAD_FILE, sentence, a, b, c);
  }

  /** The file is sound, and limpet does not do what it asks. */
  unsupported(sentence: string): void {
    this.refuse(ErrorCode.UNSUPPORTED, sentence);
  }

  /** A whole number that the model must have; `low` after an error. */
  count(key: string, low: u32, high: u32): u32 {
    if (this.error) return low;
    return this.within(key, number(this.core, this.gguf, key), low, high);
  }

  /** The model must have this key. */
  need(key: string): void {
    if (this.error == 0 && !findKey(this.gguf, key)) {
      number(this.core, this.gguf, key);
      this.error = this.gguf.error;
    }
  }

  countOr(key: string, otherwise: u32, low: u32, high: u32): u32 {
    if (this.error) return low;
    return this.within(key, numberOr(this.core, this.gguf, key, otherwise), low, high);
  }

  float(key: string, otherwise: f32): f32 {
    if (this.error) return otherwise;
    const value = floatOr(this.core, this.gguf, key, otherwise);
    this.error = this.gguf.error;
    return value;
  }

  flag(key: string, otherwise: bool): bool {
    if (this.error) return otherwise;
    const value = flagOr(this.core, this.gguf, key, otherwise);
    this.error = this.gguf.error;
    return value;
  }

  /** A choice of two words: 1 the second; 0 the first, or none. */
  choice(key: string, first: string, second: string): u32 {
    if (this.error) return 0;
    const text = textOr(this.core, this.gguf, key);
    this.error = this.gguf.error;
    if (text == 0) return 0;
    const name = stringBytes(text);
    const length = stringLength(text);
    if (sameText(name, length, first)) return 0;
    if (sameText(name, length, second)) return 1;
    // Keys of an architecture begin with a dot, which the sentence leaves out.
    this.refuse(
      ErrorCode.UNSUPPORTED, '{w} is "{s}"; limpet knows {w} and {w}', <u64>lettersFrom(key, 1), bytesOf(name, length),
      wordsOf(first), wordsOf(second),
    );
    return 0;
  }

  /** Whether the key is there. */
  has(key: string): bool {
    return findKey(this.gguf, key) != null;
  }

  /** The key changes nothing in this architecture, whatever it says: it counts as understood. */
  leaveOutKey(key: string): void {
    findKey(this.gguf, key);
  }

  /** Whether the key holds a list, and not one value for all layers. */
  isList(key: string): bool {
    const entry = findKey(this.gguf, key);
    return entry != null && entry.type == ValueType.ARRAY;
  }

  /** Whether the key holds exactly this word. */
  says(key: string, word: string): bool {
    if (this.error) return false;
    const text = textOr(this.core, this.gguf, key);
    this.error = this.gguf.error;
    return text != 0 && sameText(stringBytes(text), stringLength(text), word);
  }

  /** The whole number of a layer: of a list its element, else the one value for all; without the key `otherwise`. */
  countIn(key: string, layer: u32, otherwise: u32, low: u32, high: u32): u32 {
    const entry = this.elementOf(key);
    if (!entry) return this.error ? low : this.within(key, otherwise, low, high);
    if (entry.type != ValueType.ARRAY) return this.within(key, entryNumber(this.core, this.gguf, entry), low, high);
    const value = integerAt(entry, layer);
    return this.within(key, value < 0 || value > <i64>u32.MAX_VALUE ? u32.MAX_VALUE : <u32>value, low, high);
  }

  /** The number of a layer, as `countIn`. */
  floatIn(key: string, layer: u32, otherwise: f32): f32 {
    const value = this.boundIn(key, layer, otherwise);
    if (value - value == 0) return value;
    this.broken("the metadata's {w} holds a value that is no finite number; convert the model anew", wordsOf(key));
    return otherwise;
  }

  /** The number of a layer, as `countIn`, which may be infinite: a bound that nothing passes. */
  boundIn(key: string, layer: u32, otherwise: f32): f32 {
    const entry = this.elementOf(key);
    if (!entry) return otherwise;
    const value = entry.type == ValueType.ARRAY ? <f32>floatAt(entry, layer) : entryFloat(this.core, this.gguf, entry);
    if (this.error == 0) this.error = this.gguf.error;
    return value;
  }

  /** The flag of a layer, as `countIn`. */
  flagIn(key: string, layer: u32, otherwise: bool): bool {
    return this.countIn(key, layer, otherwise ? 1 : 0, 0, 1) != 0;
  }

  /** The entry of a key that has one value, or one for each layer. */
  private elementOf(key: string): Entry | null {
    if (this.error) return null;
    const entry = findKey(this.gguf, key);
    if (!entry || entry.type != ValueType.ARRAY) return entry;
    if (entry.elementType != ValueType.STRING && entry.count == this.layers) return entry;
    this.broken(
      "the metadata's {w} is a list of {}, and must hold a number for each of the {} layers; convert the model anew",
      wordsOf(key), entry.count, this.layers,
    );
    return null;
  }

  /** The natural logarithm: papers' factors are made of it. */
  ln(x: f32): f64 {
    return log(<f64>x);
  }

  /** x^y for x above 0. */
  power(x: f32, y: f64): f64 {
    return pow(<f64>x, y);
  }

  /** `value` where it lies between the bounds, else `low` and an error. */
  within(key: string, value: u32, low: u32, high: u32): u32 {
    if (this.error == 0) this.error = this.gguf.error;
    if (this.error == 0 && value >= low && value <= high) return value;
    this.refuse(
      ErrorCode.BAD_FILE, "the metadata's {w} is {}, and must lie between {} and {}; convert the model anew",
      wordsOf(key), value, low, high,
    );
    return low;
  }
}
