/** Text to token ids and back, by the vocabulary of a model. */
import type { Pointer } from "../../bindings/exports.ts";
import { decodeText, encodeText } from "../../bindings/memory.ts";
import { DetokenizeFlag, TokenizeFlag } from "../../bindings/numbers.ts";
import {
  flag,
  type OptionTable,
  printable,
  readOptions,
  signal,
  text as textOf,
  whole,
  wholeNumbers,
} from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { CORE_OPTIONS, Core, type CoreOptions } from "../host/instance.ts";
import { loadModel } from "../load/load.ts";
import type { ModelSource } from "../load/source.ts";

/** How text becomes tokens. */
export interface TokenizeOptions {
  /** Add the BOS and EOS tokens that the vocabulary wants. Default: no. */
  bos?: boolean;
  /** Take the texts of special tokens, `<|im_end|>` for instance, as those tokens. Default: no. */
  special?: boolean;
}

/** How tokens become text. */
export interface DetokenizeOptions {
  /** Show special tokens as their text. Default: no. */
  special?: boolean;
  /** Drop spaces before punctuation, as some vocabularies want. Default: as the vocabulary says. */
  cleanSpaces?: boolean;
}

/** What each of `TokenizeOptions` has to be. */
export const TOKENIZE_OPTIONS: OptionTable<TokenizeOptions> = { bos: flag, special: flag };

/** What each of `DetokenizeOptions` has to be. */
export const DETOKENIZE_OPTIONS: OptionTable<DetokenizeOptions> = { special: flag, cleanSpaces: flag };

const LOAD_OPTIONS: OptionTable<CoreOptions & { signal?: AbortSignal }> = { ...CORE_OPTIONS, signal };

/** In the order of `tokenizer_special`. */
const SPECIALS = [
  "bos",
  "eos",
  "unknown",
  "separator",
  "padding",
  "mask",
  "endOfTurn",
  "endOfMessage",
  "fimPrefix",
  "fimSuffix",
  "fimMiddle",
] as const;

/** A special token's name. */
export type SpecialToken = (typeof SPECIALS)[number];

/** The vocabulary of a model: text to token ids and back. Its model must be alive, else calls throw WRONG_STATE. */
export class Tokenizer {
  /** null once the model was disposed of. */
  #core: Core | null;
  readonly #pointer: Pointer;

  /** @internal */
  constructor(core: Core, pointer: Pointer) {
    this.#core = core;
    this.#pointer = pointer;
  }

  /** The tokenizer of a model file alone: weights are not read, and need not be there. One thread does it. */
  static async load(source: ModelSource, options: CoreOptions & { signal?: AbortSignal } = {}): Promise<Tokenizer> {
    const { signal, ...given } = readOptions(options, LOAD_OPTIONS);
    const core = await Core.create({ ...given, signal, threads: 1 });
    const { pointer } = await loadModel(core, source, { signal, vocabularyOnly: true });
    return new Tokenizer(core, core.exports.model_tokenizer(pointer));
  }

  /** Tokens in the vocabulary. */
  get count(): number {
    return this.#alive.exports.tokenizer_count(this.#pointer);
  }

  /** Ids of the special tokens that the vocabulary has. */
  get specials(): Partial<Record<SpecialToken, number>> {
    const { exports } = this.#alive;
    const ids = SPECIALS.map((name, which) => [name, exports.tokenizer_special(this.#pointer, which)] as const);
    return Object.fromEntries(ids.filter(([, id]) => id >= 0));
  }

  /** Whether the vocabulary wants a BOS token in front of a text. */
  get addsBos(): boolean {
    return (this.#alive.exports.tokenizer_options(this.#pointer) & 1) !== 0;
  }

  /** Token ids of a text: bare, unless asked otherwise. */
  tokenize(text: string, options: TokenizeOptions = {}): number[] {
    const core = this.#alive;
    const bytes = encodeText(textOf("text", text));
    const { bos, special } = readOptions(options, TOKENIZE_OPTIONS);
    const flags = (bos ? TokenizeFlag.ADD_SPECIAL : 0) | (special ? TokenizeFlag.PARSE_SPECIAL : 0);
    return core.scoped((arena) => {
      const source = arena.put(bytes);
      // A token has a byte at least; BOS, EOS and a space in front come on top.
      for (let capacity = bytes.length + 8; ; ) {
        const target = arena.allocate(capacity * 4);
        const { exports, pointer } = core;
        const count = core.check(
          exports.tokenizer_tokenize(pointer, this.#pointer, source, bytes.length, flags, target, capacity),
        );
        if (count <= capacity) return Array.from(core.memory.u32(target, count));
        capacity = count;
      }
    });
  }

  /**
   * The tokens of a text with a gap, as a model wants them that was trained to fill it.
   * @internal
   */
  tokenizeInfill(prefix: string, suffix: string, special: boolean | undefined): number[] {
    const core = this.#alive;
    const [before, behind] = [encodeText(prefix), encodeText(suffix)];
    const flags = TokenizeFlag.ADD_SPECIAL | (special ? TokenizeFlag.PARSE_SPECIAL : 0);
    return core.scoped((arena) => {
      const texts = [arena.put(before), before.length, arena.put(behind), behind.length] as const;
      for (let capacity = before.length + behind.length + 16; ; ) {
        const target = arena.allocate(capacity * 4);
        const { exports, pointer } = core;
        const count = core.check(exports.tokenizer_infill(pointer, this.#pointer, ...texts, flags, target, capacity));
        if (count <= capacity) return Array.from(core.memory.u32(target, count));
        capacity = count;
      }
    });
  }

  /** Text of token ids. Bytes that are no UTF-8 show as U+FFFD. */
  detokenize(ids: ArrayLike<number>, options: DetokenizeOptions = {}): string {
    return decodeText(this.detokenizeBytes(ids, options));
  }

  /** As `detokenize`, the bytes as they are: tokens may begin and end within a UTF-8 character. */
  detokenizeBytes(ids: ArrayLike<number>, options: DetokenizeOptions = {}): Uint8Array {
    const core = this.#alive;
    const { special, cleanSpaces } = readOptions(options, DETOKENIZE_OPTIONS);
    const { SHOW_SPECIAL, CLEAN, KEEP } = DetokenizeFlag;
    const flags = (special ? SHOW_SPECIAL : 0) | (cleanSpaces === undefined ? 0 : cleanSpaces ? CLEAN : KEEP);
    const source = tokenIds(ids);
    return core.scoped((arena) => {
      const tokens = arena.put(source);
      for (let capacity = source.length * 8 + 64; ; ) {
        const target = arena.allocate(capacity);
        const { exports, pointer } = core;
        const count = core.check(
          exports.tokenizer_detokenize(pointer, this.#pointer, tokens, source.length, flags, target, capacity),
        );
        if (count <= capacity) return core.memory.read(target, count);
        capacity = count;
      }
    });
  }

  /** A token as the vocabulary writes it. */
  tokenText(id: number): string {
    const core = this.#alive;
    const { exports } = core;
    whole(0, 2 ** 32 - 1)("id", id);
    return core.text(exports.tokenizer_text(this.#pointer, id), exports.tokenizer_text_length(this.#pointer, id));
  }

  /**
   * The tokens that are cut out of texts, and whether each is a control token.
   * @internal
   */
  cut(): { readonly id: number; readonly text: string; readonly control: boolean }[] {
    const { exports } = this.#alive;
    const found: { id: number; text: string; control: boolean }[] = [];
    for (let i = 0; ; i++) {
      const id = exports.tokenizer_cut(this.#pointer, i);
      if (id < 0) return found;
      const control = exports.tokenizer_cuts_always(this.#pointer, id) === 0;
      found.push({ id, text: this.tokenText(id), control });
    }
  }

  /** Whether an answer ends with this token. */
  endsGeneration(id: number): boolean {
    return this.#alive.exports.tokenizer_ends_generation(this.#pointer, whole(0, 2 ** 32 - 1)("id", id)) !== 0;
  }

  /** @internal */
  dispose(): void {
    this.#core = null;
  }

  get #alive(): Core {
    if (!this.#core) throw new LimpetError("WRONG_STATE", "the model of this tokenizer was disposed of");
    return this.#core;
  }
}

/** Ids as the core takes them; anything that is not a whole number of 32 bits is refused here, not wrapped. */
export function tokenIds(ids: unknown, name: string = "ids"): Uint32Array<ArrayBuffer> {
  const refuse = (id: unknown) => `${printable(id)} is not a token id: ids are whole numbers from 0`;
  return wholeNumbers(name, ids, 2 ** 32 - 1, refuse);
}

/** Text, or token ids: read once. */
export function promptOf(name: string, prompt: unknown): string | Uint32Array<ArrayBuffer> {
  if (typeof prompt === "string") return prompt;
  if (typeof prompt === "object" && prompt !== null) return tokenIds(prompt, name);
  throw new LimpetError("BAD_ARGUMENT", `${name} is text or a list of token ids, not ${printable(prompt)}`);
}
