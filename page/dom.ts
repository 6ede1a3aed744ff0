/** Elements of the page: made with their attributes, listeners and children in one call. */

type Listener = (event: never) => unknown;
type Value = string | number | boolean | null | undefined | Listener;
/** What stands in an element: text is text, whatever it holds. */
export type Child = Node | string | null | undefined | false;

/**
 * An element. An attribute that begins with `on` is a listener; `true` is an attribute without a value, `false`, `null` and
 * `undefined` are none.
 */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, Value>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element of this id, which index.html has. */
export function byId<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as Kind;
}

/** Puts a text on the clipboard; says whether that went well. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOldWay(text);
  }
}

/** Plain http of another machine has no clipboard; there the page's own selection is copied. */
function copyOldWay(text: string): boolean {
  const focused = document.activeElement;
  const field = el("textarea", { class: "hidden", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  const went = document.execCommand("copy");
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return went;
}

/** Gives the reader a file. */
export function saveFile(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A number of bytes in words. */
export function bytesInWords(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`;
  const power = Math.min(Math.floor(Math.log10(count) / 3), 3);
  return `${Number((count / 1000 ** power).toPrecision(3))} ${["B", "KB", "MB", "GB"][power]}`;
}

/** A span of time in words. */
export function secondsInWords(seconds: number): string {
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 10)) / 10} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** A rate in words. */
export function rateInWords(rate: number): string {
  return rate >= 100 ? Math.round(rate).toLocaleString("en") : String(Number(rate.toPrecision(2)));
}

/** Tells those who hear the page and do not see it. */
export function announce(words: string): void {
  byId("announcements").textContent = words;
}

/** A name that nothing else has. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
