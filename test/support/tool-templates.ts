/**
 * Chat templates with tools, as small as they can be: how each family tells tools, writes calls and takes results. Written
 * for these tests after the families' own; `marks` are control tokens there.
 */
export interface ToolTemplate {
  readonly template: string;
  readonly marks: readonly string[];
  /** Two calls as a model of the family writes them: `f` with the arguments that `ARGUMENTS` of the test holds, and `g`. */
  readonly write: (calls: readonly { name: string; arguments: Record<string, unknown> }[]) => string;
}

const json = (value: unknown): string => JSON.stringify(value);
const CHATML = ["<|im_start|>", "<|im_end|>"];
const turn = (role: string, words: string): string => `<|im_start|>${role}\n${words}<|im_end|>\n`;

/** ChatML with tools told in the system message; `calls` and `tool` are what stands for them within turns. */
function chatMl(tools: string, calls: string, tool: string): string {
  return (
    `{% if tools %}${turn("system", tools)}{% endif %}{% for m in messages %}{% if m.tool_calls %}` +
    `${turn("assistant", `{{ m.content or '' }}${calls}`)}{% elif m.role == 'tool' %}${tool}` +
    `{% else %}${turn("{{ m.role }}", "{{ m.content }}")}{% endif %}{% endfor %}<|im_start|>assistant\n`
  );
}

/** A value in a notation of names, quotes and words. */
function noted(value: unknown, quote: string | null, words: readonly string[]): string {
  if (typeof value === "string") return quote === null ? json(value) : quote + value + quote;
  const word = [true, false, null].indexOf(value as boolean);
  if (word >= 0) return words[word];
  if (Array.isArray(value)) return `[${value.map((part) => noted(part, quote, words)).join(",")}]`;
  if (typeof value !== "object") return json(value);
  const parts = Object.entries(value as object).map(
    ([name, part]) => `${quote === null ? json(name) : name}:${noted(part, quote, words)}`,
  );
  return `{${parts.join(",")}}`;
}

const gemma = (open: string, close: string, quote: string): ToolTemplate => ({
  template:
    "{{ bos_token }}{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}{% for m in messages %}" +
    `{% for c in m.tool_calls or [] %}${open}call:{{ c.function.name + '{' }}` +
    `{% for k, v in c.function.arguments.items() %}{% if not loop.first %},{% endif %}{{ k }}:${quote}{{ v }}${quote}` +
    `{% endfor %}}${close}{% endfor %}{{ m.content }}{% endfor %}`,
  marks: [open, close, quote],
  write: (calls) =>
    calls
      .map(({ name, arguments: given }) => {
        const parts = Object.entries(given).map(
          ([key, value]) => `${key}:${noted(value, quote, ["true", "false", "null"])}`,
        );
        return `${open}call:${name}{${parts.join(",")}}${close}`;
      })
      .join(""),
});

const CALL = "{{ c.function.name }}";
const ARGUMENTS = "{{ c.function.arguments | tojson }}";
const each = (words: string, between = ""): string =>
  `{% for c in m.tool_calls %}{% if not loop.first %}${between}{% endif %}${words}{% endfor %}`;

export const TOOL_TEMPLATES: Readonly<Record<string, ToolTemplate>> = {
  Hermes: {
    template: chatMl(
      "{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}",
      each(`<tool_call>\n{"name": "${CALL}", "arguments": ${ARGUMENTS}}\n</tool_call>`, "\n"),
      turn("user", "<tool_response>\n{{ m.content }}\n</tool_response>"),
    ),
    marks: CHATML,
    write: (calls) =>
      calls
        .map(
          ({ name, arguments: given }) => `<tool_call>\n{"name": "${name}", "arguments": ${json(given)}}\n</tool_call>`,
        )
        .join("\n"),
  },
  SmolLM3: {
    template: chatMl(
      "### Tools\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}Call with <tool_call> and think in <think></think>.",
      each(`<tool_call>{"name": "${CALL}", "arguments": ${ARGUMENTS}}</tool_call>`),
      turn("user", "{{ m.content }}"),
    ),
    marks: [...CHATML, "<tool_call>", "</tool_call>"],
    write: (calls) =>
      `<think>\nI call <tool_call> now.\n</think>\n\n${calls
        .map(({ name, arguments: given }) => `<tool_call>{"name": "${name}", "arguments": ${json(given)}}</tool_call>`)
        .join("\n")}`,
  },
  "Llama 3.1": {
    template:
      "{{ bos_token }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% for m in messages %}" +
      "<|start_header_id|>{{ 'ipython' if m.role == 'tool' else m.role }}<|end_header_id|>\n\n" +
      `{% if m.tool_calls %}{"name": "{{ m.tool_calls[0].function.name }}", "parameters": ` +
      "{{ m.tool_calls[0].function.arguments | tojson }}}{% else %}{{ m.content }}{% endif %}<|eot_id|>{% endfor %}" +
      "<|start_header_id|>assistant<|end_header_id|>\n\n{# <|python_tag|> #}",
    marks: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"],
    write: ([{ name, arguments: given }]) => `{"name": "${name}", "parameters": ${json(given)}}`,
  },
  Mistral: {
    template:
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}" +
      "[/AVAILABLE_TOOLS]{% endif %}[INST]{{ m.content }}[/INST]{% elif m.tool_calls %}[TOOL_CALLS] [" +
      each(`{"name": "${CALL}", "arguments": ${ARGUMENTS}, "id": "{{ c.id }}"}`, ", ") +
      "{% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception('ids have nine letters') }}{% endif %}" +
      "{% endfor %}]{{ eos_token }}{% elif m.role == 'tool' %}[TOOL_RESULTS]{{ m.tool_call_id }}{{ m.content }}" +
      "[/TOOL_RESULTS]{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}",
    marks: [
      "[INST]",
      "[/INST]",
      "[TOOL_CALLS]",
      "[AVAILABLE_TOOLS]",
      "[/AVAILABLE_TOOLS]",
      "[TOOL_RESULTS]",
      "[/TOOL_RESULTS]",
    ],
    write: (calls) =>
      `[TOOL_CALLS] [${calls.map(({ name, arguments: given }) => `{"name": "${name}", "arguments": ${json(given)}}`).join(", ")}]`,
  },
  "Mistral, later": {
    template:
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}" +
      "[/AVAILABLE_TOOLS]{% endif %}[INST]{{ m.content }}[/INST]{% elif m.tool_calls %}" +
      each(`[TOOL_CALLS]${CALL}[ARGS]${ARGUMENTS}`) +
      "{{ eos_token }}{% elif m.role == 'tool' %}[TOOL_RESULTS]{{ m.content }}[/TOOL_RESULTS]" +
      "{% else %}{{ m.content + eos_token }}{% endif %}{% endfor %}",
    marks: ["[INST]", "[/INST]", "[TOOL_CALLS]", "[ARGS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"],
    write: (calls) => calls.map(({ name, arguments: given }) => `[TOOL_CALLS]${name}[ARGS]${json(given)}`).join(""),
  },
  Granite: {
    template:
      "{% if tools %}<|start_of_role|>tools<|end_of_role|>{{ tools | tojson }}<|end_of_text|>\n{% endif %}" +
      "{% for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{% if m.tool_calls %}<|tool_call|>[" +
      each(`{"name": "${CALL}", "arguments": ${ARGUMENTS}}`, ", ") +
      "]{% else %}{{ m.content }}{% endif %}<|end_of_text|>\n{% endfor %}<|start_of_role|>assistant<|end_of_role|>",
    marks: ["<|start_of_role|>", "<|end_of_role|>", "<|tool_call|>"],
    write: (calls) =>
      `<|tool_call|>[${calls.map(({ name, arguments: given }) => `{"name": "${name}", "arguments": ${json(given)}}`).join(", ")}]`,
  },
  LFM2: {
    template: chatMl(
      "List of tools: <|tool_list_start|>[{% for tool in tools %}{{ tool | tojson }}{% endfor %}]<|tool_list_end|>",
      `<|tool_call_start|>[${each(`{"name": "${CALL}", "arguments": ${ARGUMENTS}}`, ", ")}]<|tool_call_end|>`,
      turn("tool", "<|tool_response_start|>{{ m.content }}<|tool_response_end|>"),
    ),
    marks: [...CHATML, "<|tool_call_start|>", "<|tool_call_end|>", "<|tool_list_start|>", "<|tool_response_start|>"],
    write: (calls) => {
      const said = calls.map(({ name, arguments: given }) => {
        const parts = Object.entries(given).map(
          ([key, value]) => `${key}=${noted(value, null, ["True", "False", "None"])}`,
        );
        return `${name}(${parts.join(", ")})`;
      });
      return `<|tool_call_start|>[${said.join(", ")}]<|tool_call_end|>`;
    },
  },
  functiongemma: gemma("<start_function_call>", "<end_function_call>", "<escape>"),
  "Gemma 4": gemma("<|tool_call>", "<tool_call|>", '<|"|>'),
  DeepSeek: {
    template:
      "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' and m.content is none %}<｜tool▁calls▁begin｜>" +
      "{% for c in m.tool_calls %}{{ '<｜tool▁call▁begin｜>' + c.type + '<｜tool▁sep｜>' + c.function.name + '\\n```json\\n' +" +
      " c.function.arguments + '\\n```<｜tool▁call▁end｜>' }}{% endfor %}<｜tool▁calls▁end｜>" +
      "{% elif m.role == 'tool' %}<｜tool▁output▁begin｜>{{ m.content }}<｜tool▁output▁end｜>{% else %}{{ m.content }}" +
      "{% endif %}{% endfor %}<｜Assistant｜><think>\n{# </think> #}",
    marks: [
      "<｜tool▁calls▁begin｜>",
      "<｜tool▁call▁begin｜>",
      "<｜tool▁sep｜>",
      "<｜tool▁call▁end｜>",
      "<｜tool▁calls▁end｜>",
    ],
    write: (calls) => {
      const said = calls.map(
        ({ name, arguments: given }) =>
          `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${json(given)}\n\`\`\`<｜tool▁call▁end｜>`,
      );
      return `thoughts\n</think>\n\n<｜tool▁calls▁begin｜>${said.join("\n")}<｜tool▁calls▁end｜>`;
    },
  },
};
