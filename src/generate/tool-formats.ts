/**
 * How the families of models write the calls of tools and their thoughts, found from the chat template. A model whose
 * template knows no tools gets the first format, and is told of it in the system message.
 */
import type { BareCall, CallFormat, CallPart, Notation, ThoughtMarks } from "../grammar/call-format.ts";

/** White space, or none. */
const W: CallPart = null;
const NAME: readonly CallPart[] = ["{", W, '"name"', W, ":", W, '"'];
const between = (key: string): readonly CallPart[] => ['"', W, ",", W, `"${key}"`, W, ":", W];
const PYTHON: Notation = { equals: "=", words: ["True", "False", "None"] };

/** Objects as models write them that forget what stands around: by themselves, or as code. */
const LAID_OUT = ['{"name": "', '{\n  "name": "', '{\n    "name": "'];
const ALONE: BareCall = { heads: [...LAID_OUT, '{"name":"'], behind: [W, "}"] };
const FENCED: BareCall = { heads: LAID_OUT.map((head) => `\`\`\`json\n${head}`), behind: [W, "}", W, "```"] };

/** Objects between tags: Hermes, Qwen 2.5 and 3, SmolLM3, Granite 4, Falcon; and models that know no format. */
const TAGS: CallFormat = {
  name: "tags",
  openings: [{ mark: "<tool_call>", rest: [W, ...NAME] }],
  bare: [ALONE, FENCED],
  between: between("arguments"),
  behind: [W, "}", W, "</tool_call>"],
  next: [W, "<tool_call>", W, ...NAME],
};

/** A list of objects behind a mark. */
const list = (name: string, mark: string, ...behind: CallPart[]): CallFormat => ({
  name,
  openings: [{ mark, rest: [W, "[", W, ...NAME] }],
  between: between("arguments"),
  behind: [W, "}"],
  next: [W, ",", W, ...NAME],
  end: [W, "]", ...behind],
});

/** An object by itself, or behind a mark. */
const LLAMA: CallFormat = {
  name: "llama",
  openings: [{ mark: "<|python_tag|>", rest: [W, ...NAME] }],
  bare: [ALONE, FENCED, { heads: ['{"type": "function", "name": "'], behind: [W, "}"] }],
  between: between("parameters"),
  behind: [W, "}"],
};

const MISTRAL_ARGUMENTS: CallFormat = {
  name: "mistral-arguments",
  openings: [{ mark: "[TOOL_CALLS]", rest: [] }],
  between: ["[ARGS]"],
  behind: [],
  next: ["[TOOL_CALLS]"],
};

const LFM2: CallFormat = {
  name: "lfm2",
  openings: [{ mark: "<|tool_call_start|>", rest: ["["] }],
  between: ["("],
  behind: [")"],
  next: [",", W],
  end: ["]", "<|tool_call_end|>"],
  notation: PYTHON,
};

/** DeepSeek V3 and R1 name the kind of a call and fence its arguments; V3.1 does neither. */
const deepseek = (
  name: string,
  before: CallPart[],
  middle: string,
  behind: CallPart[],
  separator: CallPart[],
): CallFormat => ({
  name,
  openings: [{ mark: "<｜tool▁calls▁begin｜>", rest: before }],
  between: [middle],
  behind: [...behind, "<｜tool▁call▁end｜>"],
  next: [...separator, ...before],
  end: ["<｜tool▁calls▁end｜>"],
});
const CALL_BEGIN = "<｜tool▁call▁begin｜>";
const DEEPSEEK = deepseek("deepseek", [CALL_BEGIN, "function", "<｜tool▁sep｜>"], "\n```json\n", ["\n```"], [W]);
const DEEPSEEK_31 = deepseek("deepseek-3.1", [CALL_BEGIN], "<｜tool▁sep｜>", [], []);

const gemma = (name: string, open: string, close: string, quote: string): CallFormat => ({
  name,
  openings: [{ mark: open, rest: ["call:"] }],
  between: ["{"],
  behind: ["}", close],
  next: [open, "call:"],
  notation: { equals: ":", quote, words: ["true", "false", "null"] },
});

/** By what a template holds, the first that fits. */
const FORMATS: readonly (readonly [mark: string, CallFormat])[] = [
  ["<|tool_call>", gemma("gemma", "<|tool_call>", "<tool_call|>", '<|"|>')],
  ["<start_function_call>", gemma("functiongemma", "<start_function_call>", "<end_function_call>", "<escape>")],
  ["<|tool_call_start|>", LFM2],
  ["<|tool_list_start|>", LFM2],
  ["[ARGS]", MISTRAL_ARGUMENTS],
  ["[TOOL_CALLS]", list("mistral", "[TOOL_CALLS]")],
  ["<|/tool_call|>", list("phi4", "<|tool_call|>", "<|/tool_call|>")],
  ["<|tool_call|>", list("granite", "<|tool_call|>")],
  ["<tool_call>", TAGS],
  ["<|python_tag|>", LLAMA],
  ['"parameters": ', LLAMA],
];

/** The format of a model whose template knows none: what `toolWords` says. */
export const GENERIC: CallFormat = TAGS;

/** A call as words show it. */
export function exampleOf({ openings: [{ mark, rest }], between, behind, end = [] }: CallFormat): string {
  const text = (parts: readonly CallPart[]): string => parts.map((part) => part ?? "").join("");
  return `${mark}${text(rest)}the name${text(between)}{}${text(behind)}${text(end)}`;
}

/** Whether a template tells a model its tools. */
export function tellsTools(template: string): boolean {
  return /\btools\b/.test(template);
}

/** The format that a template writes calls in; null: none that is known here. */
export function callFormatOf(template: string): CallFormat | null {
  if (!/\btools\b|\btool_calls\b/.test(template)) return null;
  if (template.includes(CALL_BEGIN)) return template.includes("```json") ? DEEPSEEK : DEEPSEEK_31;
  // Arguments as tags of their own: GLM, Qwen's coders.
  if (/<arg_key>|<function=/.test(template)) return null;
  return FORMATS.find(([mark]) => template.includes(mark))?.[1] ?? null;
}

const THOUGHTS: readonly ThoughtMarks[] = [
  { open: "<think>", close: "</think>" },
  { open: "[THINK]", close: "[/THINK]" },
  { open: "<seed:think>", close: "</seed:think>" },
  { open: "<|channel>thought", close: "<channel|>" },
];

/** What stands around the thoughts of a model whose template names them; null: it has none. */
export function thoughtMarksOf(template: string): ThoughtMarks | null {
  return THOUGHTS.find(({ close }) => template.includes(close)) ?? null;
}
