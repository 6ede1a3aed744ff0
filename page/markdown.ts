/**
 * An answer's Markdown as elements. What a model writes is nobody's word: it goes through a sanitiser, and nothing in it runs,
 * loads or leads anywhere but by a link that the reader presses. While an answer comes, what stands already is left alone.
 */
import DOMPurify from "dompurify";
import { Lexer, parser, type Token } from "marked";
import { copyText, el } from "./dom.ts";
import { icon } from "./icons.ts";

const OPTIONS = { gfm: true, breaks: true };
const ALLOWED_TAGS = [
  ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "ul", "ol", "li", "input"],
  ...["strong", "em", "b", "i", "del", "s", "sub", "sup", "kbd", "mark", "a"],
  ...["table", "thead", "tbody", "tr", "th", "td", "details", "summary"],
];
const ALLOWED_ATTR = ["href", "title", "start", "align", "class", "type", "checked", "disabled"];
/** Each of these has a direction of its own: that of its first letters. What lies in one of them has the same. */
const CELLS = "td, th";
const COPIED_MS = 1500;

/** Shows Markdown in an element, and keeps what of it is as it was. */
export class MarkdownView {
  readonly #root: HTMLElement;
  /** The source of each block, and its elements. */
  readonly #blocks: { readonly raw: string; readonly nodes: readonly Node[] }[] = [];

  constructor(root: HTMLElement) {
    this.#root = root;
  }

  show(text: string): void {
    const tokens = Lexer.lex(text, OPTIONS);
    let same = 0;
    while (same < tokens.length && this.#blocks[same]?.raw === tokens[same].raw) same++;
    for (const { nodes } of this.#blocks.splice(same)) for (const node of nodes) this.#root.removeChild(node);
    for (const token of tokens.slice(same)) {
      const nodes = elementsOf(token);
      this.#blocks.push({ raw: token.raw, nodes });
      this.#root.append(...nodes);
    }
  }
}

function elementsOf(token: Token): Node[] {
  const html = withoutPictures(parser([token], OPTIONS));
  const clean = DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const element of clean.querySelectorAll("[class]:not(pre > code)")) element.removeAttribute("class");
  for (const block of [...clean.children, ...clean.querySelectorAll(CELLS)]) block.setAttribute("dir", "auto");
  for (const input of clean.querySelectorAll("input")) tick(input);
  for (const link of clean.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const table of clean.querySelectorAll("table")) {
    const scroll = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" });
    table.replaceWith(scroll);
    scroll.append(table);
  }
  for (const pre of clean.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre));
  return [...clean.childNodes];
}

/** A picture would be fetched from whoever the answer names; what stands in its place is its words. */
function withoutPictures(html: string): string {
  return html.replace(/<img\b[^>]*?\balt="([^"]*)"[^>]*>/gi, "$1");
}

/** A tick of a list: no control. */
function tick(input: HTMLInputElement): void {
  input.replaceWith(
    el(
      "span",
      { class: "tick", role: "img", "aria-label": input.checked ? "done" : "open" },
      input.checked ? "☑ " : "☐ ",
    ),
  );
}

/** Code with its language and a button that copies it. */
function codeBlock(pre: HTMLElement): HTMLElement {
  const code = pre.textContent ?? "";
  const language = pre.querySelector("code")?.className.match(/language-([\w+#.-]+)/)?.[1] ?? "";
  const button = el("button", { type: "button", class: "small", "aria-label": "Copy the code" }, icon("copy"), "Copy");
  button.addEventListener("click", () => void copyWith(button, code));
  const text = el("pre", { dir: "ltr", tabindex: "0" }, el("code", {}, code.replace(/\n$/, "")));
  return el("div", { class: "code" }, el("div", { class: "code-head" }, el("span", {}, language), button), text);
}

/** Copies, and has the button say so for a moment. */
export async function copyWith(button: HTMLButtonElement, text: string): Promise<void> {
  const went = await copyText(text);
  const before = [...button.childNodes];
  button.replaceChildren(icon(went ? "check" : "warning"), went ? "Copied" : "Not allowed");
  setTimeout(() => button.replaceChildren(...before), COPIED_MS);
}
