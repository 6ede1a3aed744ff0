/**
 * The table of classes (Unicode 15.1, scripts/unicode-tables.mjs) against the host engine's own, which is of another
 * version of Unicode: a newer one knows more code points, so what the table calls OTHER may have a class there; and the
 * few code points whose class a later version changed are listed.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadCore } from "./support/core.ts";

const core = loadCore("portable");
const OTHER = 0;

/** In the order of the core's numbers, from 1 on. */
const PROPERTIES = [/\p{L}/u, /\p{N}/u, /\p{P}/u, /\p{S}/u, /\p{M}/u, /\p{White_Space}/u];
const UNASSIGNED = /\p{Cn}/u;

test("every code point has the class that the engine gives it", () => {
  const changed: string[] = [];
  let added = 0;
  for (let codePoint = 0; codePoint < 0x110000; codePoint++) {
    if (codePoint >= 0xd800 && codePoint < 0xe000) continue;
    const character = String.fromCodePoint(codePoint);
    const mine = core.exports.tokenizer_class(codePoint);
    const theirs = PROPERTIES.findIndex((property) => property.test(character)) + 1;
    if (mine === theirs) continue;
    if (mine === OTHER) added++;
    else if (!UNASSIGNED.test(character)) changed.push(`U+${codePoint.toString(16)}: ${mine}, engine ${theirs}`);
  }
  assert.ok(changed.length <= 8, changed.slice(0, 20).join("; "));
  assert.ok(added < 20_000, `${added} code points are of a class in the engine and of none in the table`);
});

test("classes at the edges of their ranges", () => {
  const [L, N, P, S, M, SPACE] = [1, 2, 3, 4, 5, 6];
  const facts: [string, number][] = [
    ["A", L],
    ["z", L],
    ["ª", L],
    ["ʰ", L],
    ["一", L],
    ["鿿", L],
    ["가", L],
    ["힣", L],
    ["\u{2ebf0}", L],
    ["\u{323af}", L],
    ["0", N],
    ["²", N],
    ["Ⅷ", N],
    ["٣", N],
    ["\u{1fbf9}", N],
    ["!", P],
    ["_", P],
    ["«", P],
    ["。", P],
    ["$", S],
    ["~", S],
    ["^", S],
    ["`", S],
    ["€", S],
    ["🦙", S],
    ["\ufffd", S],
    ["\u0301", M],
    ["\u{e01ef}", M],
    [" ", SPACE],
    ["\t", SPACE],
    ["\r", SPACE],
    ["\u0085", SPACE],
    ["\u00a0", SPACE],
    ["\u3000", SPACE],
    ["\u2029", SPACE],
    ["\0", OTHER],
    ["\x1b", OTHER],
    ["\x7f", OTHER],
    ["\u00ad", OTHER],
    ["\u200b", OTHER],
    ["\ufeff", OTHER],
    ["\u180e", OTHER],
    ["\ue000", OTHER],
    ["\u{10ffff}", OTHER],
  ];
  for (const [character, number] of facts) {
    assert.is(
      core.exports.tokenizer_class(character.codePointAt(0)),
      number,
      `U+${character.codePointAt(0)?.toString(16)}`,
    );
  }
  assert.is(core.exports.tokenizer_class(0x110000), OTHER);
});

test.run();
