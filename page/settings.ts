/** What a reader sets: kept in this browser, for all its tabs. An empty field is what the model's file recommends. */
import type { Tool } from "../src/index.ts";

/** The settings, as the reader wrote them. */
export interface Settings {
  /** The model that answers, as models.ts names it; empty: the first that there is. */
  readonly model: string;
  readonly theme: "auto" | "light" | "dark";
  readonly system: string;
  readonly temperature: string;
  readonly topK: string;
  readonly topP: string;
  readonly minP: string;
  readonly repeatPenalty: string;
  readonly presencePenalty: string;
  readonly frequencyPenalty: string;
  readonly maxTokens: string;
  readonly seed: string;
  readonly stop: string;
  readonly reasoning: "auto" | "off";
  /** A JSON Schema that answers obey. */
  readonly schema: string;
  /** A JSON list of tools. */
  readonly tools: string;
  readonly context: string;
  readonly threads: string;
  readonly build: "auto" | "portable";
  /** The key of the server. */
  readonly key: string;
}

export const DEFAULTS: Settings = {
  model: "",
  theme: "auto",
  system: "",
  temperature: "",
  topK: "",
  topP: "",
  minP: "",
  repeatPenalty: "",
  presencePenalty: "",
  frequencyPenalty: "",
  maxTokens: "",
  seed: "",
  stop: "",
  reasoning: "auto",
  schema: "",
  tools: "",
  context: "",
  threads: "",
  build: "auto",
  key: "",
};

/** Bounds of the fields of numbers. */
export const NUMBERS = {
  temperature: { least: 0, most: 2, whole: false },
  topK: { least: 0, most: 100_000, whole: true },
  topP: { least: 0, most: 1, whole: false },
  minP: { least: 0, most: 1, whole: false },
  repeatPenalty: { least: 0.1, most: 10, whole: false },
  presencePenalty: { least: -2, most: 2, whole: false },
  frequencyPenalty: { least: -2, most: 2, whole: false },
  maxTokens: { least: 1, most: 1_000_000, whole: true },
  seed: { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true },
  context: { least: 128, most: 1_000_000, whole: true },
  threads: { least: 1, most: 16, whole: true },
} as const;

/** The name of a field of a number. */
export type NumberName = keyof typeof NUMBERS;

/** How answers are made, as numbers and objects; what was left empty is absent. */
export interface Sampling {
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repeatPenalty?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly maxTokens?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly thinks: boolean;
  readonly schema?: object;
  readonly tools: readonly Tool[];
}

const KEY = "limpet settings";

export function readSettings(): Settings {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { ...DEFAULTS, ...(typeof kept === "object" && kept !== null ? kept : {}) };
  } catch {
    return DEFAULTS;
  }
}

export function writeSettings(settings: Settings): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings));
  } catch {
    // A browser that keeps nothing: they last as long as the tab.
  }
}

/** The number in a field, or undefined where it is empty; what is no such number is an error in words. */
export function numberOf(settings: Settings, name: NumberName): number | undefined {
  const text = settings[name].trim().replace(",", ".");
  if (text === "") return undefined;
  const { least, most, whole } = NUMBERS[name];
  const number = Number(text);
  if (Number.isFinite(number) && number >= least && number <= most && (!whole || Number.isInteger(number)))
    return number;
  throw new Error(`is a ${whole ? "whole " : ""}number from ${least} to ${most.toLocaleString("en")}`);
}

/** The object of a field of JSON; undefined where it is empty. */
function jsonOf(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`is JSON, and this is none: ${(error as Error).message}`);
  }
}

/** The schema that answers obey; undefined: they are free. */
export function schemaOf({ schema }: Settings): object | undefined {
  const value = jsonOf(schema);
  if (value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value))) return value;
  throw new Error('is a JSON Schema, an object as { "type": "object", "properties": … }');
}

/** The tools of a field: limpet's own form, or OpenAI's. */
export function toolsOf({ tools }: Settings): Tool[] {
  const value = jsonOf(tools);
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new Error('is a list of tools: [{ "name": …, "description": …, "parameters": … }]');
  return value.map((given: { function?: Tool } & Tool) => {
    const { name, description, parameters } = given?.function ?? given ?? {};
    if (typeof name !== "string") throw new Error("has a name for each tool");
    return { name, ...(description && { description }), ...(parameters !== undefined && { parameters }) };
  });
}

/** What of the settings decides an answer. */
export function samplingOf(settings: Settings): Sampling {
  const numbers = Object.fromEntries(
    (Object.keys(NUMBERS) as NumberName[])
      .filter((name) => name !== "context" && name !== "threads")
      .map((name) => [name, numberOf(settings, name)])
      .filter(([, value]) => value !== undefined),
  );
  const stop = settings.stop.split("\n").filter((line) => line !== "");
  const schema = schemaOf(settings);
  return {
    ...numbers,
    ...(stop.length > 0 && { stop }),
    ...(schema && { schema }),
    thinks: settings.reasoning !== "off",
    tools: toolsOf(settings),
  };
}

/** Shows the page light or dark, or as the system is. */
export function applyTheme({ theme }: Settings): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
