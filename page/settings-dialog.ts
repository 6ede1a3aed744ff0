/** The dialog of the settings: each is checked as it is written, and kept when it makes sense. */
import { byId, el } from "./dom.ts";
import { DEFAULTS, NUMBERS, numberOf, type Settings, schemaOf, toolsOf } from "./settings.ts";

interface Field {
  readonly name: keyof Settings;
  readonly label: string;
  readonly help: string;
  readonly kind: "number" | "lines" | "json" | "choice" | "secret";
  readonly choices?: readonly (readonly [value: string, words: string])[];
}

const GROUPS: readonly { readonly title: string; readonly fields: readonly Field[] }[] = [
  {
    title: "What the model is told",
    fields: [
      {
        name: "system",
        label: "System prompt",
        help: "Stands before the talk that is open, and before those that follow.",
        kind: "lines",
      },
    ],
  },
  {
    title: "How it chooses its words",
    fields: [
      {
        name: "temperature",
        label: "Temperature",
        help: "0: always the likeliest word; 1: as it was trained.",
        kind: "number",
      },
      { name: "minP", label: "Min-p", help: "Drops words below this share of the likeliest one.", kind: "number" },
      { name: "topP", label: "Top-p", help: "Draws from the words that make up this probability.", kind: "number" },
      { name: "topK", label: "Top-k", help: "Draws from so many of the likeliest words; 0: all.", kind: "number" },
      { name: "repeatPenalty", label: "Repeat penalty", help: "Above 1: repeats itself less.", kind: "number" },
      {
        name: "presencePenalty",
        label: "Presence penalty",
        help: "Taken from words that came already.",
        kind: "number",
      },
      {
        name: "frequencyPenalty",
        label: "Frequency penalty",
        help: "The same, for each time that they came.",
        kind: "number",
      },
      {
        name: "seed",
        label: "Seed",
        help: "The same seed gives the same answer; empty: another one each time.",
        kind: "number",
      },
    ],
  },
  {
    title: "How long, and in what form",
    fields: [
      {
        name: "maxTokens",
        label: "Most tokens",
        help: "Of one answer; empty: to the end of the context.",
        kind: "number",
      },
      { name: "stop", label: "Stop at", help: "Texts that end an answer, one a line.", kind: "lines" },
      {
        name: "reasoning",
        label: "Thoughts",
        help: "Of models that think before they answer.",
        kind: "choice",
        choices: [
          ["auto", "as the model likes"],
          ["off", "none"],
        ],
      },
      {
        name: "schema",
        label: "JSON Schema",
        help: "Answers are JSON that obeys it; empty: they are free.",
        kind: "json",
      },
      {
        name: "tools",
        label: "Tools",
        help: 'A list: [{ "name", "description", "parameters" }]. A call is shown, and you write its result.',
        kind: "json",
      },
    ],
  },
  {
    title: "This machine",
    fields: [
      {
        name: "context",
        label: "Context",
        help: "Tokens that a talk may hold in this page, for which memory is taken at once; empty: it grows as it is needed.",
        kind: "number",
      },
      { name: "threads", label: "Threads", help: "Empty: as many as pay.", kind: "number" },
      {
        name: "build",
        label: "Computes",
        help: "The exact build gives the same text in every browser.",
        kind: "choice",
        choices: [
          ["auto", "as fast as it can"],
          ["portable", "exactly the same everywhere"],
        ],
      },
      {
        name: "theme",
        label: "Looks",
        help: "",
        kind: "choice",
        choices: [
          ["auto", "as the system"],
          ["light", "light"],
          ["dark", "dark"],
        ],
      },
      {
        name: "key",
        label: "Key of the server",
        help: "Where limpet serve wants one. It stays in this browser.",
        kind: "secret",
      },
    ],
  },
];

export class SettingsDialog {
  readonly #dialog: HTMLDialogElement = byId<HTMLDialogElement>("settings");
  readonly #change: (settings: Settings, isOver: boolean) => void;
  readonly #fields = new Map<keyof Settings, HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement>();
  #settings: Settings = DEFAULTS;

  /** `change` is told of each change, and of the dialog's end. */
  constructor(change: (settings: Settings, isOver: boolean) => void) {
    this.#change = change;
    byId("settings-body").append(...GROUPS.map(({ title, fields }) => this.#group(title, fields)));
    this.#dialog.addEventListener("close", () => change(this.#settings, true));
    byId("settings-reset").addEventListener("click", () => {
      const { model, key, theme, system } = this.#settings;
      this.#set({ ...DEFAULTS, model, key, theme, system });
      change(this.#settings, false);
    });
    closeByItself(this.#dialog);
  }

  open(settings: Settings, at?: keyof Settings): void {
    this.#set(settings);
    this.#dialog.showModal();
    if (at) this.#fields.get(at)?.focus();
  }

  #set(settings: Settings): void {
    this.#settings = settings;
    for (const [name, field] of this.#fields) {
      field.value = settings[name];
      this.#say(name, "");
    }
  }

  #group(title: string, fields: readonly Field[]): HTMLElement {
    const rows = fields.map((field) => this.#row(field));
    return el("fieldset", {}, el("legend", {}, title), ...rows);
  }

  #row({ name, label, help, kind, choices = [] }: Field): HTMLElement {
    const id = `set-${name}`;
    const shared = { id, "aria-describedby": `${id}-help ${id}-error`, autocomplete: "off" };
    const field =
      kind === "choice"
        ? el("select", shared, ...choices.map(([value, words]) => el("option", { value }, words)))
        : kind === "lines" || kind === "json"
          ? el("textarea", {
              ...shared,
              rows: kind === "json" ? "4" : "3",
              spellcheck: kind === "json" ? "false" : null,
              class: kind,
              dir: kind === "json" ? "ltr" : "auto",
            })
          : el("input", {
              ...shared,
              type: kind === "secret" ? "password" : "text",
              inputmode: kind === "number" ? "decimal" : null,
              placeholder: kind === "number" ? "as the model recommends" : null,
            });
    if (field instanceof HTMLInputElement && OWN_DEFAULTS.has(name)) field.placeholder = OWN_DEFAULTS.get(name) ?? "";
    field.addEventListener("input", () => this.#written(name, field.value));
    this.#fields.set(name, field);
    return el(
      "div",
      { class: `row ${kind}` },
      el("label", { for: id }, label),
      field,
      el("p", { class: "note", id: `${id}-help` }, help),
      el("p", { class: "wrong", id: `${id}-error`, role: "alert" }),
    );
  }

  #written(name: keyof Settings, value: string): void {
    const next = { ...this.#settings, [name]: value } as Settings;
    try {
      if (name in NUMBERS) numberOf(next, name as keyof typeof NUMBERS);
      if (name === "schema") schemaOf(next);
      if (name === "tools") toolsOf(next);
    } catch (error) {
      this.#say(name, `This ${(error as Error).message}. It is not kept so.`);
      return;
    }
    this.#say(name, "");
    this.#settings = next;
    this.#change(next, false);
  }

  #say(name: keyof Settings, words: string): void {
    byId(`set-${name}-error`).textContent = words;
    this.#fields.get(name)?.setAttribute("aria-invalid", String(words !== ""));
  }
}

const OWN_DEFAULTS: ReadonlyMap<keyof Settings, string> = new Map<keyof Settings, string>([
  ["seed", "another one each time"],
  ["maxTokens", "to the end of the context"],
  ["context", "as it is needed"],
  ["threads", "as many as pay"],
]);

/** A press on a dialog's backdrop, or on what is meant for that, closes it. */
export function closeByItself(dialog: HTMLDialogElement): void {
  dialog.addEventListener("click", (event) => {
    const isOutside = event.target === dialog;
    if (isOutside || (event.target as Element).closest("[data-close]")) dialog.close();
  });
}
