/**
 * Vocabularies that nobody would train, and texts that nobody would write: portable and scalar give the same tokens, a
 * count does not depend on the room there is, nothing is written beyond it, streams give what lists give, and where every
 * byte has a token, a text comes back as it was.
 */
import * as assert from "uvu/assert";
import { DetokenizeFlag } from "../../bindings/numbers.ts";
import { sameBits, type TestCore } from "../support/core.ts";
import { Engine } from "../support/engine.ts";
import { BYTE_CHARACTERS, type VocabularySpec, vocabularyFile } from "../support/tokenizer.ts";
import { Finding, type Fuzzer, guardCore, lookAtGuards, type Run, refusal, withWords } from "./fuzzer.ts";
import type { Random } from "./random.ts";
import { textOf, vocabularyOf } from "./texts.ts";

export const vocabularies: Fuzzer = {
  name: "vocabularies",
  about: "tokenizers of random and hostile tokens, merges, scores and specials, with any text",
  cases: 350,
  share: 3,
  prepare,
};

const TEXTS = 8;
const AS_IT_IS = DetokenizeFlag.SHOW_SPECIAL | DetokenizeFlag.KEEP;
const [NORMAL, CONTROL, USER] = [1, 3, 4];

/** Whether every byte has a token of its own, and each token shows as it is written. */
function writesAll({ tokens, types = tokens.map(() => NORMAL), keys }: VocabularySpec): boolean {
  if (keys?.["add_space_prefix"] || types.some((type) => ![NORMAL, CONTROL, USER].includes(type))) return false;
  return BYTE_CHARACTERS.every((byte) => types[tokens.indexOf(byte)] === NORMAL);
}

/** A tokenizer whose operands are exactly as long as they are. */
class Side {
  readonly core: TestCore;
  readonly engine: Engine;
  readonly used: number;

  constructor(build: "portable" | "scalar") {
    this.core = guardCore(build);
    this.engine = new Engine(this.core);
    this.used = this.engine.used;
  }

  tokenize(tokenizer: number, text: Uint8Array, flags: number, capacity: number): { count: number; ids: Uint32Array } {
    const { core } = this;
    const at = core.put(text);
    const target = core.allocate(4 * capacity);
    const count = core.call("tokenizer_tokenize", core.core, tokenizer, at, text.length, flags, target, capacity);
    const ids = core.u32(target, Math.max(0, Math.min(count, capacity)));
    core.release(target);
    core.release(at);
    return { count, ids };
  }

  detokenize(
    tokenizer: number,
    ids: Uint32Array,
    flags: number,
    capacity: number,
  ): { length: number; bytes: Uint8Array } {
    const { core } = this;
    const at = core.put(ids);
    const target = core.allocate(capacity);
    const length = core.call("tokenizer_detokenize", core.core, tokenizer, at, ids.length, flags, target, capacity);
    const bytes = core.u8(target, Math.max(0, Math.min(length, capacity)));
    core.release(target);
    core.release(at);
    return { length, bytes };
  }

  /** The same through a stream. */
  stream(tokenizer: number, ids: Uint32Array, flags: number): Uint8Array {
    const { core } = this;
    const stream = core.call("tokenizer_stream_create", core.core, tokenizer, flags) >>> 0;
    const room = core.call("tokenizer_stream_capacity", tokenizer);
    const target = core.allocate(room);
    const pieces: Uint8Array[] = [];
    for (const id of ids) {
      const length = core.call("tokenizer_stream_push", core.core, stream, id, target, room);
      if (length < 0 || length > room) throw new Finding(`a push gives ${length} of ${room}: ${core.message}`);
      pieces.push(core.u8(target, length));
    }
    const length = core.call("tokenizer_stream_flush", stream, target, room);
    if (length < 0 || length > room) throw new Finding(`a flush gives ${length} of ${room}`);
    pieces.push(core.u8(target, length));
    core.call("tokenizer_stream_release", core.core, stream);
    core.release(target);
    return new Uint8Array(Buffer.concat(pieces));
  }
}

function prepare(): Run {
  const sides = [new Side("portable"), new Side("scalar")] as const;

  const one = (random: Random): string => {
    const vocabulary = vocabularyOf(random);
    const file = vocabularyFile(vocabulary);
    const loaded = sides.map(({ engine }) => {
      try {
        return engine.load(file, true);
      } catch (error) {
        return refusal(error);
      }
    });
    const [a, b] = loaded;
    if (typeof a === "string" || typeof b === "string") {
      assert.is(a, b, "the builds say the same");
      for (const side of sides) side.core.release(0);
      return a as string;
    }
    const tokenizers = [a, b].map(({ engine, handle }) => engine.core.call("model_tokenizer", handle) >>> 0);
    const isWhole = vocabulary.model !== "llama" && writesAll(vocabulary);
    for (let i = 0; i < TEXTS; i++) {
      const text = textOf(random, vocabulary);
      const flags = random.below(4);
      const [portable, scalar] = sides.map((side, k) => {
        try {
          return check(side, tokenizers[k], text, flags, random.oneIn(2) ? 0 : 1, isWhole);
        } catch (error) {
          throw withWords(error, side.core);
        }
      });
      assert.ok(sameBits(portable, scalar), "portable and scalar give the same tokens");
    }
    for (const [k, model] of [a, b].entries()) {
      model.release();
      lookAtGuards(sides[k].core);
      assert.is(sides[k].engine.used, sides[k].used, "every block came back");
    }
    return vocabulary.model ?? "gpt2";
  };
  return { one };
}

/** Tokens of a text, held against all other ways to them. */
function check(
  side: Side,
  tokenizer: number,
  text: Uint8Array,
  flags: number,
  less: number,
  isWhole: boolean,
): Uint32Array {
  // A space that no token has is three bytes to SentencePiece, and one stands in front of each piece.
  const room = 4 * text.length + 16;
  const { count, ids } = side.tokenize(tokenizer, text, flags, room);
  if (count < 0) {
    if (count < -6 || side.core.message.length < 10) throw new Finding(`tokenizing answers ${count}`);
    return new Uint32Array(0);
  }
  if (count > room) throw new Finding(`${count} tokens of ${text.length} bytes`);
  const few = side.tokenize(tokenizer, text, flags, less);
  assert.is(few.count, count, "a count does not depend on the room");
  const { length } = side.detokenize(tokenizer, ids, AS_IT_IS, 0);
  if (length < 0) throw new Finding(`its own tokens are no text: ${side.core.message}`);
  const { bytes } = side.detokenize(tokenizer, ids, AS_IT_IS, length);
  assert.ok(sameBits(side.stream(tokenizer, ids, AS_IT_IS), bytes), "a stream gives what a list gives");
  // Without BOS and EOS, and with no clean-up, the bytes of a text come back.
  if (isWhole && (flags & 1) === 0) assert.ok(sameBits(bytes, text), "a text comes back as it was");
  return ids;
}
