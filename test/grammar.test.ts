/**
 * Grammars without a model: what JSON Schema, regular expressions, GBNF and choices let through. Oracles: the instances of
 * MaskBench and of the official test suite, AJV, JavaScript's own expressions.
 */
import { readdirSync, readFileSync } from "node:fs";
import Ajv from "ajv";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Matcher } from "../src/grammar/matcher.ts";
import { compile, GrammarError, grammarOf } from "../src/grammar.ts";
import { LimpetError } from "../src/host/errors.ts";
import { random, randomSchema } from "./support/random-schemas.ts";
import { inOrder } from "./support/schema-order.ts";
import { shared } from "./support/shared.ts";

const text = (schema: unknown, value: unknown): string => JSON.stringify(inOrder(schema, schema, value));

function refusal(source: Parameters<typeof compile>[0]): GrammarError {
  try {
    compile(source);
  } catch (error) {
    assert.instance(error, GrammarError);
    return error as GrammarError;
  }
  throw new Error("it was taken");
}

/** With WHOLE=1 all of MaskBench's sets and of the suite; else one of so many of their schemas. */
const EACH = process.env.WHOLE ? 1 : 60;
const EACH_CASE = process.env.WHOLE ? 1 : 5;
const sets = ["github-trivial", "github-easy", "glaive", "handwritten"];
for (const name of sets) {
  const path = shared(`data/jsonschema/${name}.jsonl`);
  test(`MaskBench, ${name}: nothing invalid is let through, and hardly anything valid refused`, () => {
    if (!path) return;
    let [all, right] = [0, 0];
    for (const [i, line] of readFileSync(path, "utf8").split("\n").entries()) {
      if (line === "" || i % EACH !== 7 % EACH) continue;
      const { schema, tests } = JSON.parse(line) as { schema: unknown; tests: { valid: boolean; data: unknown }[] };
      all++;
      let grammar: ReturnType<typeof compile>;
      try {
        grammar = compile({ schema });
      } catch (error) {
        assert.instance(error, GrammarError, String(error));
        assert.not.equal((error as GrammarError).keyword, "");
        continue;
      }
      let fits = true;
      for (const { valid, data } of tests) {
        // A number that is written with a point loses it when it is read.
        if (!valid && /\d\.0+[,}\]]/.test(line)) continue;
        const taken = grammar.accepts(text(schema, data));
        assert.not.ok(taken && !valid, `${name} ${i}: ${text(schema, data)}`);
        if (taken !== valid) fits = false;
      }
      if (fits) right++;
    }
    if (process.env.WHOLE) console.log(`${name}: ${right} of ${all}`);
    assert.ok(name === "handwritten" || right >= (EACH === 1 ? 0.95 : 0.85) * all, `${right} of ${all}`);
  });
}

/** What of the suite is decided otherwise, and why. */
const OTHERWISE: Readonly<Record<string, string>> = {
  "format.json": "format asserts",
  "schema that uses custom metaschema with with no validation vocabulary": "vocabularies of meta-schemas are not read",
  "validation of date-time strings": "leap seconds away from UTC are refused",
  "validation of time strings": "leap seconds away from UTC are refused",
  "validation of A-label (punycode) host names": "punycode is not decoded: such labels are refused",
};

for (const [draft, least] of [
  ["draft7", 257 / 2],
  ["draft2020-12", 383 / 2],
] as const) {
  const folder = shared(`data/jsonschema/suite/tests/${draft}`);
  test(`the official suite, ${draft}: what is taken is decided as there, half at least is taken`, () => {
    if (!folder) return;
    let [taken, number] = [0, 0];
    const files = [folder, `${folder}/optional/format`].flatMap((in_) =>
      readdirSync(in_)
        .filter((name) => name.endsWith(".json"))
        .map((name) => [in_, name] as const),
    );
    for (const [in_, file] of files) {
      const cases = JSON.parse(readFileSync(`${in_}/${file}`, "utf8")) as {
        description: string;
        schema: unknown;
        tests: { description: string; data: unknown; valid: boolean }[];
      }[];
      for (const { description, schema: given, tests } of cases) {
        if (number++ % EACH_CASE !== 0) continue;
        const dialect = draft === "draft7" && typeof given === "object" && given !== null;
        const schema = dialect ? { $schema: "http://json-schema.org/draft-07/schema#", ...given } : given;
        let grammar: ReturnType<typeof compile>;
        try {
          grammar = compile({ schema });
        } catch (error) {
          assert.instance(error, GrammarError, `${file}: ${description}: ${error}`);
          assert.not.equal((error as GrammarError).keyword, "");
          continue;
        }
        if (in_ === folder) taken++;
        for (const { description: which, data, valid } of tests) {
          const accepts = grammar.accepts(text(schema, data));
          const known = OTHERWISE[file] ?? OTHERWISE[description];
          if (known) assert.not.ok(accepts && !valid);
          else assert.is(accepts, valid, `${file}: ${description}: ${which}`);
        }
      }
    }
    assert.ok(taken * EACH_CASE >= least, `${taken}`);
  });
}

test("a refusal names the keyword and where it stands", () => {
  const bad = refusal({ schema: { properties: { a: { items: { unevaluatedProperties: false } } } } });
  assert.equal([bad.code, bad.keyword, bad.path], ["UNSUPPORTED", "unevaluatedProperties", "/properties/a/items"]);
  assert.match(bad.message, /unevaluatedProperties at \/properties\/a\/items/);
  assert.is(refusal({ schema: { pattern: "(a)\\1" } }).keyword, "pattern");
  assert.is(refusal({ schema: { format: "idn-email" } }).keyword, "format");
  assert.is(refusal({ schema: { $ref: "https://example.com/other" } }).keyword, "$ref");
  assert.is(refusal({ schema: { multipleOf: 9973 } }).keyword, "multipleOf");
  assert.is(refusal({ schema: false }).keyword, "schema");
  assert.is(refusal({ regex: /\bx/ }).keyword, "regex");
  assert.is(refusal({ grammar: 'root ::= root "a" | "b"' }).keyword, "left recursion");
  assert.is(refusal({ grammar: "x ::= y" }).keyword, "root");
  for (const source of [{}, { schema: {}, choice: ["a"] }, { choice: [] }, { schema: {}, whitespace: -1 }]) {
    assert.throws(() => compile(source), /one of|list of texts|whitespace/);
  }
});

test("what is no grammar is refused in words, and what lies too deep too", () => {
  const nested = (depth: number, round: (inner: unknown) => unknown): unknown => {
    let schema: unknown = { type: "string" };
    for (let i = 0; i < depth; i++) schema = round(schema);
    return schema;
  };
  const loop: Record<string, unknown> = {};
  loop["items"] = loop;
  const odd: [unknown, RegExp][] = [
    [undefined, /one of schema, regex, grammar and choice/],
    [null, /an object of options/],
    [{ regexp: "a" }, /there is no option regexp; did you mean regex/],
    [{ regex: 5 }, /regex is a regular expression, not 5/],
    [{ regex: null }, /regex is a regular expression, not null/],
    [{ grammar: 5 }, /grammar is text/],
    [{ choice: "yes" }, /choice is a list/],
    [{ choice: new Array(2) }, /choice\[0\] is text, not undefined/],
    [{ choice: ["\ud800"] }, /half of a character/],
    [{ schema: Symbol("x") }, /schema is a JSON Schema/],
    [{ schema: { const: 5n } }, /schema is no JSON/],
    [{ schema: loop }, /schema is no JSON/],
    [{ schema: nested(40_000, (items) => ({ items })) }, /schema is no JSON|too deep/],
    [{ schema: nested(2500, (items) => ({ items })) }, /too deep|^$/],
    [{ schema: {}, whitespace: 0.5 }, /whitespace/],
  ];
  for (const [source, words] of odd) {
    try {
      compile(source as Parameters<typeof compile>[0]);
      assert.match("", words);
    } catch (error) {
      assert.instance(error, LimpetError);
      assert.match((error as Error).message, words);
    }
  }
});

test("a table is verified, wherever its bytes lie", () => {
  const { table } = compile({ schema: { type: "array", items: { type: "string", maxLength: 9 }, maxItems: 3 } });
  const shifted = new Uint8Array(table.length + 1).subarray(1);
  shifted.set(table);
  assert.ok(grammarOf(shifted).accepts('["a","b"]'));
  const broken: unknown[] = [null, "LGT1", new Uint8Array(0), table.subarray(4), table.subarray(0, -4)];
  for (const one of broken) assert.throws(() => grammarOf(one as Uint8Array), /table/);
  // One bit of any word: refused, or walked without an end or a way out.
  let refused = 0;
  for (let bit = 0; bit < 8 * table.length; bit += 3) {
    const bytes = table.slice();
    bytes[bit >> 3] ^= 1 << (bit & 7);
    try {
      const grammar = grammarOf(bytes);
      for (const text of ["", "[", '["a', '["a","b"]']) grammar.next(text);
    } catch (error) {
      assert.instance(error, LimpetError);
      refused++;
    }
  }
  assert.ok(refused > 100, `${refused}`);
});

test("expressions are JavaScript's", () => {
  const sources = [
    "a|bc*", "(?:a|b){2,3}", "[^a-c]+", "\\d{3}-\\d{4}", "(?=.*\\d)[a-z\\d]{2,4}", "(?!ab)[ab]*", "x?y+", "[\\w.]+@x", ".",
    "^a$|b", "\\u00e9|\\x41", "[\\s\\S]{0,2}", "\\p{Lu}+", "(?<n>a)b", "(a|ab)(c|bcd)",
  ]; // biome-ignore format: a list
  const words = [
    "", "a", "b", "bc", "bccc", "ab", "abc", "aab", "def", "123-4567", "a1", "abcd", "xy", "y", "yy", "q.r@x", "\n", "é", "A",
    "ÄÖ", "ac", "abcd", "aa\u{1f600}", "\u{1f600}",
  ]; // biome-ignore format: a list
  for (const source of sources) {
    const grammar = compile({ regex: new RegExp(source, "u") });
    const whole = new RegExp(`^(?:${source})$`, "u");
    for (const word of words)
      assert.is(grammar.accepts(word), whole.test(word), `/${source}/ of ${JSON.stringify(word)}`);
  }
  assert.ok(compile({ regex: /straße|k/i }).accepts("STRAßE"));
});

test("GBNF", () => {
  const arithmetic = compile({
    grammar: `# sums
root  ::= expr "\\n"
expr  ::= term ([-+*/] term)*
term  ::= number | "(" expr ")" | ( "[" expr
  "]" )
number ::= [0-9]+ ("." [0-9]{1,3})?`,
  });
  for (const good of ["1\n", "1+2\n", "(1.25*3)/4\n", "((((1))))\n"]) assert.ok(arithmetic.accepts(good), good);
  for (const bad of ["", "1", "(1\n", "1.2345\n", "+\n", "1)\n"]) assert.not.ok(arithmetic.accepts(bad), bad);
  assert.equal(
    arithmetic.next("1"),
    Array.from("\n*+-./0123456789", (c) => c.charCodeAt(0)),
  );
  assert.is(arithmetic.next("x"), null);
  const counted = compile({ grammar: 'root ::= "é"{2,4000} .' });
  assert.ok(counted.accepts("éé😀"));
  assert.ok(counted.accepts(`${"é".repeat(4000)}x`));
  assert.not.ok(counted.accepts(`${"é".repeat(4001)}x`));
});

test("choices", () => {
  const grammar = compile({ choice: ["yes", "no", "not yet", ""] });
  for (const good of ["yes", "no", "not yet", ""]) assert.ok(grammar.accepts(good));
  for (const bad of ["y", "not", "yes "]) assert.not.ok(grammar.accepts(bad));
  assert.equal(grammar.next("no"), ["t".charCodeAt(0)]);
});

test("lengths of thousands, in letters and not in bytes", () => {
  const grammar = compile({ schema: { type: "string", minLength: 3, maxLength: 4000 } });
  for (const [letter, count, valid] of [
    ["x", 4000, true],
    ["😀", 4000, true],
    ["é", 4001, false],
    ["x", 2, false],
    ["\n", 3, true],
  ] as const) {
    assert.is(grammar.accepts(JSON.stringify(letter.repeat(count))), valid, `${count} of ${letter}`);
  }
  assert.ok(grammar.accepts('"\\ud83d\\ude00ab"'), "a pair of escapes is one letter");
  assert.not.ok(grammar.accepts('"\\ud83dab"'), "half a pair is none");
  assert.ok(grammar.table.length < 4000);
});

test("white space is bounded, and can be forbidden", () => {
  const schema = { type: "object", properties: { a: { type: "array", items: { type: "null" } } }, required: ["a"] };
  const loose = compile({ schema });
  assert.ok(loose.accepts('{\n  "a" : [ null,\n    null ]\n}'));
  assert.not.ok(loose.accepts(`{\n${" ".repeat(21)}"a":[]}`));
  const tight = compile({ schema, whitespace: 0 });
  assert.ok(tight.accepts('{"a":[null,null]}'));
  assert.not.ok(tight.accepts('{"a": []}'));
});

test("objects that can give a schema are asked for it", () => {
  const schema = { type: "integer", minimum: 3 };
  const zod = { toJSONSchema: () => schema };
  const standard = { "~standard": { version: 1, vendor: "x", jsonSchema: { output: () => schema } } };
  for (const given of [zod, standard]) {
    assert.ok(compile({ schema: given }).accepts("3"));
    assert.not.ok(compile({ schema: given }).accepts("2"));
  }
});

test("random walks through the grammars of random schemas end in documents that AJV calls valid", () => {
  const next = random(15);
  const ajv = new Ajv({ strict: false, multipleOfPrecision: 9, validateFormats: false });
  const steps = 2000;
  let ended = 0;
  for (let i = 0; i < 60; i++) {
    const schema = randomSchema(next, 3);
    const valid = ajv.compile(schema);
    let grammar: ReturnType<typeof compile>;
    try {
      grammar = compile({ schema, whitespace: 1 });
    } catch (error) {
      assert.instance(error, GrammarError);
      continue;
    }
    for (let turn = 0; turn < 2; turn++) {
      const bytes: number[] = [];
      const decoder = new TextDecoder("utf-8", { fatal: true });
      const walk = new Matcher(grammar.table);
      for (let k = 0; k < steps; k++) {
        const allowed = [...walk.allowed().entries()].flatMap(([byte, may]) => (may ? [byte] : []));
        if (walk.ends && (allowed.length === 0 || next() < 0.3)) break;
        assert.ok(allowed.length > 0, "what is begun can be ended");
        // The end of a text is likelier than chance has it.
        const quote = allowed.includes(0x22) && next() < 0.2;
        const byte = quote ? 0x22 : allowed[Math.floor(next() * allowed.length)];
        bytes.push(byte);
        assert.ok(walk.step(byte));
      }
      if (!walk.ends) continue;
      ended++;
      const document = decoder.decode(Uint8Array.from(bytes));
      assert.ok(grammar.accepts(document));
      assert.ok(
        valid(JSON.parse(document)),
        `${document} by ${JSON.stringify(schema)}: ${ajv.errorsText(valid.errors)}`,
      );
    }
  }
  assert.ok(ended > 60, `${ended}`);
});

test.run();
