/**
 * The core's chat templates against Jinja itself, over the templates of real models; what the core does not know it must
 * not take for something else.
 */
import { readdirSync, readFileSync } from "node:fs";
import { Template } from "@huggingface/jinja";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TEMPLATES } from "./support/chat-templates.ts";
import { loadCore } from "./support/core.ts";
import { type EntrySpec, gguf } from "./support/gguf-writer.ts";
import { Tokenizer } from "./support/tokenizer.ts";

type Message = { role: "system" | "user" | "assistant" | "prefix"; content: string };

const ROLES = ["system", "user", "assistant", "prefix"];
const KINDS: Record<string, number> = {
  ChatML: 1,
  "ChatML, laid out": 1,
  SmolLM2: 1,
  Qwen2: 1,
  "Qwen2.5": 1,
  Qwen3: 2,
  "Llama 2": 3,
  "Llama 3": 4,
  "Llama 3, first": 4,
  TinyLlama: 5,
  "Gemma 2": 7,
  "Gemma 3": 6,
  "Phi-3.5": 8,
};
const core = loadCore("portable");

/** A vocabulary of bytes with a few special tokens, and a chat template. */
function load(template: string | undefined, specials = ["<s>", "</s>"], more: EntrySpec[] = []): Tokenizer {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const tokens = ["<unk>", ...specials, ...bytes];
  const entries: EntrySpec[] = [
    ["general.architecture", "string", "llama"],
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "string[]", tokens],
    ["tokenizer.ggml.scores", "f32[]", tokens.map(() => 0)],
    ["tokenizer.ggml.token_type", "i32[]", tokens.map((_, i) => (i === 0 ? 2 : i <= specials.length ? 3 : 6))],
  ];
  entries.push(...more);
  if (template !== undefined) entries.push(["tokenizer.chat_template", "string", template]);
  return Tokenizer.load(core, gguf({ entries }));
}

function encode(messages: Message[]): Uint8Array {
  const parts = messages.flatMap(({ role, content }) => {
    const text = new TextEncoder().encode(content);
    return [new Uint8Array(Uint32Array.of(ROLES.indexOf(role), text.length).buffer), text];
  });
  return new Uint8Array(Buffer.concat(parts));
}

function format(t: Tokenizer, messages: Message[]): string {
  const bytes = encode(messages);
  const at = core.put(bytes);
  const length = core.call("chat_format", core.core, t.model, at, bytes.length, 0, 0);
  if (length < 0) {
    core.release(at);
    throw new Error(core.message);
  }
  const target = core.allocate(length + 1);
  assert.is(core.call("chat_format", core.core, t.model, at, bytes.length, target, length), length);
  const text = core.text(target, length);
  assert.is(core.u8(target + length, 1)[0], 0, "nothing is written behind the text");
  core.release(target);
  core.release(at);
  return text;
}

const render = (template: string, messages: Message[]) =>
  new Template(template).render({ messages, add_generation_prompt: true, bos_token: "<s>", eos_token: "</s>" });

const user = (content: string): Message => ({ role: "user", content });
const system = (content: string): Message => ({ role: "system", content });
const assistant = (content: string): Message => ({ role: "assistant", content });

const CHATS: Message[][] = [
  [user("Hello")],
  [user("")],
  [system("Be brief."), user("What is 2 + 2?")],
  [user("  padded \n"), assistant("\n an answer "), user("\u00a0again\u2003")],
  [
    system(" S "),
    user(" q1 "),
    assistant("a1"),
    user("q2"),
    assistant(" a2"),
    user("Grüße, 世界 🌍 'quoted' \"twice\" \\n"),
  ],
  [user("think"), assistant("<think>\nlong\nthoughts\n</think>\n\nanswer"), user("more")],
  [user("think"), assistant("<think>\nopen"), user("more"), assistant("</think>shut</think>\nx"), user("z")],
  [system("s"), user("   ")],
];
// What a chat that ends with the assistant, or has none of the user, looks like; Llama 2 refuses some.
const ODD: Message[][] = [
  [user("a"), assistant("<think>\nwhy\n</think>\n\nbecause")],
  [user("a"), assistant("plain")],
  [user("a"), user("b")],
  [assistant("first"), user("b")],
  [user("<tool_response>x</tool_response>"), assistant("<think>t</think>u"), user("<tool_response></tool_response>")],
  [user("a"), system("late"), user("b")],
];

for (const [name, template] of Object.entries(TEMPLATES)) {
  test(`${name}: an answer's beginning stands where the template writes answers`, () => {
    const t = load(template);
    for (const chat of CHATS.filter((chat) => chat.at(-1)!.role === "user")) {
      const begun = "It begins: <|im_end|> 'so'";
      if (/System role not/i.test(template) && chat[0].role === "system") continue;
      // As Hugging Face's continue_final_message: what Jinja writes, up to the last message's end.
      const whole = new Template(template).render({
        messages: [...chat, assistant(begun)],
        add_generation_prompt: false,
        bos_token: "<s>",
        eos_token: "</s>",
      });
      const expected = whole.slice(0, whole.lastIndexOf(begun) + begun.length);
      assert.is(format(t, [...chat, { role: "prefix", content: begun }]), expected);
    }
    if (name === "Qwen3") {
      const said = format(t, [user("a"), { role: "prefix", content: "<think>\nLet me" }]);
      assert.match(said, /assistant\n<think>\nLet me$/);
    }
    assert.throws(() => format(t, [{ role: "prefix", content: "x" }, user("a")]));
    assert.throws(() => format(t, [{ role: "prefix", content: "x" }]));
    t.release();
  });

  test(`${name}: the text is Jinja's`, () => {
    const t = load(template);
    assert.is(core.call("chat_kind", core.core, t.model), KINDS[name]);
    for (const chat of [...CHATS, ...ODD]) {
      let expected: string | undefined;
      try {
        expected = render(template, chat);
      } catch (error) {
        assert.ok(ODD.includes(chat) || /System role/.test(String(error)), String(error));
        assert.throws(() => format(t, chat), /take turns|no system message/);
      }
      if (expected !== undefined) assert.is(format(t, chat), expected, JSON.stringify(chat));
    }
    t.release();
  });
}

/** With `TEMPLATES=FOLDER`: of llama.cpp's templates (models/templates) those that the core takes for its own. */
const { TEMPLATES: FOLDER } = process.env;
for (const file of FOLDER ? readdirSync(FOLDER).filter((name) => name.endsWith(".jinja")) : []) {
  test(`${file}: none of the core's, or the text is Jinja's`, () => {
    const template = readFileSync(`${FOLDER}/${file}`, "utf8");
    const t = load(template);
    if (core.call("chat_kind", core.core, t.model) > 0) {
      for (const chat of [...CHATS, ...ODD]) {
        let expected: string | undefined;
        try {
          expected = render(template, chat);
        } catch {
          assert.throws(() => format(t, chat));
        }
        if (expected !== undefined) assert.is(format(t, chat), expected, JSON.stringify(chat));
      }
    }
    t.release();
  });
}

test("the raw template can be had", () => {
  const t = load(TEMPLATES["SmolLM2"]);
  const at = core.call("chat_template", core.core, t.model) >>> 0;
  assert.is(core.text(at, core.call("chat_template_length", core.core, t.model)), TEMPLATES["SmolLM2"]);
  t.release();
});

test("spacing, quotes and the way of naming a field do not matter", () => {
  const t = load(
    TEMPLATES["SmolLM2"]!.replaceAll("'", '"').replaceAll("{{ ", "{{").replaceAll('message["role"]', "message.role"),
  );
  assert.is(core.call("chat_kind", core.core, t.model), 1);
  t.release();
});

test("a template that says something else is not taken for a known one", () => {
  const chatml = TEMPLATES["ChatML"]!;
  const others = [
    "",
    "{% if",
    "{{ 'open",
    "{# never closed",
    "\u0001{{ messages }}",
    chatml.replace("'<|im_end|>'", "'<|im_end|> '"),
    chatml.replace("message['content']", "message['content'] | trim"),
    chatml.replace("{% endfor %}", "x{% endfor %}"),
    chatml.replace("'\\n'", "'\\r'"),
    `${chatml}{{ eos_token }}`,
    TEMPLATES["Qwen3"]!.replace("</think>", "</thought>"),
    TEMPLATES["Llama 3"]!.replace(" | trim", ""),
  ];
  for (const template of others.filter(Boolean)) {
    const t = load(template);
    assert.is(core.call("chat_kind", core.core, t.model), 0, template);
    assert.throws(() => format(t, [user("Hello")]), /chat template/);
    t.release();
  }
});

test("a vocabulary with ChatML's tokens and no template speaks ChatML", () => {
  const t = load(undefined, ["<s>", "</s>", "<|im_start|>", "<|im_end|>"]);
  assert.is(core.call("chat_kind", core.core, t.model), 1);
  assert.is(format(t, [user("Hi")]), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  t.release();
  const bare = load(undefined);
  assert.is(core.call("chat_kind", core.core, bare.model), 0);
  bare.release();
});

test("a BOS is added when tokenizing unless the text begins with it, special tokens are parsed, no EOS comes", () => {
  for (const adds of [true, false]) {
    const t = load(
      TEMPLATES["Llama 3"],
      ["<s>", "</s>"],
      [
        ["tokenizer.ggml.bos_token_id", "u32", 1],
        ["tokenizer.ggml.add_bos_token", "bool", adds],
        ["tokenizer.ggml.add_eos_token", "bool", true],
        ["tokenizer.ggml.add_space_prefix", "bool", false],
      ],
    );
    const at = core.put("<s>A</s>");
    const target = core.allocate(64);
    const tokens = (skip: number, capacity = 16) => {
      const count = core.call("chat_tokenize", core.core, t.model, at + skip, 8 - skip, 0, 0, target, capacity);
      return [...core.i32(target, count)];
    };
    const A = 3 + 65;
    assert.equal(tokens(0), [1, A, 2]);
    assert.equal(tokens(3), adds ? [1, A, 2] : [A, 2]);
    core.memory.write(target, new Uint8Array(64));
    assert.equal(tokens(3, 0), adds ? [0, 0, 0] : [0, 0]);
    core.release(target);
    core.release(at);
    t.release();
  }
});

test("broken lists of messages are refused", () => {
  const t = load(TEMPLATES["ChatML"]);
  const good = encode([user("Hello"), assistant("Hi")]);
  const at = core.put(good);
  const status = (length: number) => core.call("chat_format", core.core, t.model, at, length, 0, 0);
  for (let length = 0; length < good.length; length++) assert.is(status(length) >= 0, length === 13, `${length} bytes`);
  for (const role of [3, 4]) {
    core.memory.write(at, Uint8Array.of(role));
    assert.is(status(good.length), -4);
  }
  assert.match(core.message, /system, user or assistant/);
  assert.is(core.call("chat_kind", core.core, 0), -6);
  core.release(at);
  t.release();
});

test.run();
