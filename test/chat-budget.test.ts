/**
 * A chat template comes with a file, from a stranger: one that loops, grows or nests without end is ended in words while
 * the process lives, and templates of real models are rendered as Jinja renders them.
 */

import * as jinja from "@huggingface/jinja";
import { Template } from "@huggingface/jinja";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { renderTemplate } from "../src/generate/template.ts";
import { LimpetError, Model } from "../src/index.ts";
import { TEMPLATES } from "./support/chat-templates.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const TOKENS = { bos_token: "<s>", eos_token: "</s>" };
const MESSAGES = [
  { role: "system", content: "Be short." },
  { role: "user", content: "What is a limpet? é😊\n<|im_end|>" },
  { role: "assistant", content: "A snail." },
  { role: "user", content: "Why?" },
] as const;

/** Templates that take all there is, and what is said of them. */
const GREEDY: Record<string, [template: string, words: RegExp]> = {
  "a long range": ["{{ range(200000000)|length }}", /a range of 200000000 numbers/],
  "a long range under another name": ["{% set r = range %}{{ r(0, 1000000000000000)|length }}", /a range of/],
  "a range without end": ["{{ range(0, 5, 0.0000001)|length }}", /a range of/],
  "nested loops": [
    "{% for a in range(3000) %}{% for b in range(3000) %}x{% endfor %}{% endfor %}",
    /loops for longer|more than 4 seconds/,
  ],
  "nested loops without a body": [
    "{% set r = range(50000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
    /loops for longer|more than 4 seconds/,
  ],
  "a loop with a condition": [
    "{% set r = range(50000) %}{% for a in r %}{% for b in r if false %}{% endfor %}{% endfor %}",
    /loops for longer|more than 4 seconds/,
  ],
  "a macro that calls itself twice": [
    "{% macro m(n) %}{% if n > 0 %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    /loops for longer|more than 4 seconds/,
  ],
  "a text that doubles": [
    "{% set n = namespace(x='abcdefgh') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
    /more text than a chat can be/,
  ],
  "a text put into itself": [
    "{% set n = namespace(x='a' ~ 'a') %}{% for i in range(9) %}{% set n.x = n.x|replace('a', n.x) %}{% endfor %}{{ n.x }}",
    /more text than a chat can be|grows or nests without end/,
  ],
  "a list that doubles": [
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x|length }}",
    /more text than a chat can be/,
  ],
  "a list of itself, written out": [
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}",
    /more text than a chat can be/,
  ],
  "a map of itself, written out": [
    "{% set n = namespace(x={'a': 1}) %}{% for i in range(60) %}{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}{{ n.x }}",
    /more text than a chat can be/,
  ],
  "blocks within blocks": [`${"{% if true %}".repeat(15_000)}`, /grows or nests without end/],
  "a long template": [`${"{{ 1 }}".repeat(50_000)}`, /has 350000 letters/],
};

for (const [what, [template, words]] of Object.entries(GREEDY)) {
  test(`${what} is ended in words`, async () => {
    const start = performance.now();
    const error = await errorOf(() => renderTemplate(jinja, template, MESSAGES, TOKENS));
    assert.instance(error, LimpetError, error.stack);
    assert.is(error.code, "BAD_FILE");
    assert.match(error.message, words);
    assert.ok(performance.now() - start < 20_000, "in some seconds, on a busy machine too");
  });
}

test("what a template refuses, and what is no template, is said in its words", async () => {
  for (const [template, words] of [
    ["{{ raise_exception('roles must alternate\u001b]0;x') }}", /refuses: roles must alternate\\u001b\]0;x$/],
    [`{{ raise_exception('${"long ".repeat(1000)}') }}`, /refuses: (long )+$/],
    ["{% if %}", /chat template refuses: /],
  ] as const) {
    const error = await errorOf(() => renderTemplate(jinja, template, MESSAGES, TOKENS));
    assert.instance(error, LimpetError);
    assert.is(error.code, "BAD_ARGUMENT");
    assert.match(error.message, words);
    assert.ok(error.message.length < 1200);
  }
});

test("templates of real models are what Jinja makes of them, for one message and for a thousand", () => {
  const own =
    "{% for m in messages|rejectattr('role', 'equalto', 'system') %}{{ loop.index }} {{ m.content|trim|upper }}" +
    "{% if not loop.last %}, {% endif %}{% endfor %}{% for i in range(2, 10, 3) %}{{ i }}{% endfor %}" +
    "{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}{{ none }}{{ True }}{{ strftime_now('%d %b %Y') }}{{ bos_token }}";
  const long = Array.from({ length: 1000 }, (_, i) => MESSAGES[1 + (i % 2)]);
  for (const [name, template] of Object.entries({ ...TEMPLATES, own })) {
    for (const messages of [MESSAGES, MESSAGES.slice(1, 2), long]) {
      let want: string;
      try {
        want = new Template(template).render({ messages: [...messages], add_generation_prompt: true, ...TOKENS });
      } catch {
        continue;
      }
      assert.is(renderTemplate(jinja, template, messages, TOKENS), want, name);
    }
  }
});

test("a model whose template takes too much still generates", async () => {
  const greedy = ["tokenizer.chat_template", "string", "{{ range(200000000)|length }}"] as const;
  const model = await Model.load(modelBytes("llama-tiny", "Q8_0", [greedy]));
  const error = await errorOf(() => model.chat([{ role: "user", content: "A" }], { maxTokens: 2 }).text());
  assert.is(error.code, "BAD_FILE");
  const session = model.session();
  await errorOf(() => session.chat("A", { maxTokens: 2 }).text());
  assert.equal(session.messages, []);
  assert.is(typeof (await model.generate("A", { maxTokens: 2 }).text()), "string");
  model.dispose();
});

test.run();
