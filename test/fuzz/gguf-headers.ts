/**
 * GGUF headers: each is parsed or refused in words, without a pointer that leaves the header; nothing leaks, and the
 * instance then reads a good file. Of 100,000 files, each kind of error is met.
 */
import * as assert from "uvu/assert";
import { DONE, entriesOf, parse, tensorsOf } from "../support/gguf-reader.ts";
import { type EntrySpec, gguf } from "../support/gguf-writer.ts";
import { type Fuzzer, guardCore, lookAtGuards, type Run, withWords } from "./fuzzer.ts";
import { woundBytes } from "./mutate.ts";
import type { Random } from "./random.ts";

const ERRORS = [-2, -3];
/** So many files meet every kind of error. */
/** A kind of refusal that one file in 120,000 meets. */
const SELDOM = 15;
const SELDOM_CASES = 1_000_000;
const ENOUGH = 100_000;

const ENTRIES: EntrySpec[] = [
  ["general.architecture", "string", "llama"],
  ["llama.block_count", "u32", 2],
  ["llama.rope.freq_base", "f32", 10000],
  ["k.flag", "bool", true],
  ["k.u64", "u64", 2n ** 40n],
  ["k.tokens", "string[]", ["<unk>", "<s>", "", "a", "▁b"]],
  ["k.types", "i32[]", [1, 2, 3]],
  ["k.a", "i8", 1],
  ["k.b", "f64", 1],
];
const TENSORS = [
  { name: "token_embd.weight", type: 8, ne: [32, 5] },
  { name: "blk.0.attn_q.weight", type: 2, ne: [32, 2] },
  { name: "output_norm.weight", ne: [32] },
  { name: "t.0", type: 30, ne: [16, 1, 2] },
  { name: "t.1", type: 1, ne: [16] },
];
const SOUND = gguf({ entries: ENTRIES, tensors: TENSORS });
const SEEDS = [
  SOUND,
  gguf({ version: 2, entries: ENTRIES.slice(0, 2), tensors: TENSORS }),
  gguf({ entries: [["general.alignment", "u32", 8]], tensors: TENSORS, alignment: 8 }),
  gguf({ entries: ENTRIES }),
  // Short ones, in which a wound hits what it hardly would in the others.
  gguf({ entries: [["general.architecture", "string", ""]] }),
  gguf({
    entries: [
      ["a", "bool", true],
      ["b", "u8[]", [1]],
      ["c", "bool[]", [true, false]],
    ],
  }),
  gguf({ tensors: [{ name: "a" }, { name: "b" }] }),
];

/** Every message is one of these kinds. */
const KINDS = [
  /^not a GGUF file: it has \d+ bytes/,
  /^not a GGUF file: it begins with ".{4}" instead/,
  /^the file's bytes are swapped/,
  /^GGUF version \d+ is not supported/,
  /^the header is broken: it claims \d+ metadata keys/,
  /^the header is broken: it claims \d+ tensors/,
  /^the file ends within its metadata: at byte \d+/,
  /^the file ends within its tensor list: at byte \d+/,
  /^metadata key \d+ claims a name of \d+ bytes/,
  /^metadata key .+ has value type \d+, which/,
  /^metadata key .+ claims \d+ elements/,
  /^metadata key .+ is an array of arrays/,
  /^metadata key .+ has the value \d+ for a bool/,
  /^metadata key .+ stands in the file twice/,
  /^metadata key general.architecture is of type .+, but must be a string/,
  /^metadata key general.alignment is of type .+, but must be an integer/,
  /^general.alignment is \d+, which is no power of two/,
  /^tensor \d+ claims a name of \d+ bytes/,
  /^tensor .+ claims \d+ dimensions/,
  /^tensor .+ has the size \d+ in one dimension/,
  /^tensor .+ has rows of \d+ elements, which is no multiple/,
  /^tensor .+ begins at offset \d+, which is no multiple/,
  /^tensor .+ lies outside the file/,
  /^tensor .+ overlaps .+; the file is broken/,
  /^tensor .+ stands in the file twice/,
];

export const ggufHeaders: Fuzzer = {
  name: "gguf-headers",
  about: "GGUF headers through the core's parser",
  cases: ENOUGH,
  share: 2,
  prepare,
};

function prepare(): Run {
  const core = guardCore();
  const { exports } = core;
  const headers = SEEDS.map((bytes) => {
    const { g, status } = parse(core, bytes);
    assert.is(status, DONE, core.message);
    const length = Number(exports.gguf_data_start(g));
    exports.gguf_release(core.core, g);
    return Math.min(length, bytes.length);
  });
  const used = core.call("core_used", core.core);

  /** Every key, value and tensor of a file that was let through lies where it may. */
  const walk = (g: number, bytes: Uint8Array): void => {
    entriesOf(core, g);
    let end = Number(exports.gguf_data_start(g));
    for (const { name, ne, offset, bytes: size } of tensorsOf(core, g).sort((a, b) => a.offset - b.offset)) {
      assert.ok(name.length > 0 && ne.every((n) => n > 0) && size > 0);
      assert.ok(offset >= end && offset + size <= bytes.length);
      end = offset + size;
    }
  };

  const one = (random: Random): string => {
    const seed = random.below(SEEDS.length);
    const bytes = woundBytes(random, SEEDS[seed], 0, headers[seed]);
    try {
      const { g, status } = parse(core, bytes, random.oneIn(3) ? random.from(1, 99) : 0);
      let word = "parsed";
      if (status === DONE) walk(g, bytes);
      else {
        assert.ok(ERRORS.includes(status), `status ${status}: ${core.message}`);
        const kind = KINDS.findIndex((pattern) => pattern.test(core.message));
        assert.ok(kind >= 0, `message "${core.message}"`);
        word = `kind ${kind}`;
      }
      exports.gguf_release(core.core, g);
      lookAtGuards(core);
      assert.is(core.call("core_used", core.core), used, "a block was not given back");
      return word;
    } catch (error) {
      throw withWords(error, core);
    }
  };

  const end = (met: ReadonlyMap<string, number>, cases: number): void => {
    const { g, status } = parse(core, SOUND);
    assert.is(status, DONE, core.message);
    assert.equal(
      tensorsOf(core, g).map(({ name, type, ne }) => ({ name, type: type || undefined, ne })),
      TENSORS.map(({ name, type, ne }) => ({ name, type, ne })),
    );
    walk(g, SOUND);
    if (cases < ENOUGH) return;
    assert.ok(met.get("parsed")! > cases / 50, `${met.get("parsed")} files went through`);
    const missed = KINDS.filter((_, kind) => !met.has(`kind ${kind}`) && (kind !== SELDOM || cases > SELDOM_CASES));
    assert.equal(missed.map(String), [], "kinds that no file met");
  };
  return { one, end };
}
