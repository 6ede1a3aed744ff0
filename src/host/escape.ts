/**
 * What comes from a file goes to a terminal, and into the words of an error, without the characters that a terminal obeys:
 * as JSON writes them, so that an escaped text is still the same JSON.
 *
 *     "\u001b]0;title\u0007"   instead of the two control characters and what they would do
 */

/** Controls, what turns the direction of text or hides in it, ends of lines that are none, and halves of pairs. */
const UNFIT = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\p{Surrogate}]/gu;

/** A text for one line. */
export function escapeLine(text: string): string {
  return text.replace(UNFIT, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A text whose ends of lines, tabs and joined characters are its own. */
export function escapeText(text: string): string {
  return text.replace(UNFIT, (character) => (/[\n\t\u200c\u200d]/.test(character) ? character : escapeLine(character)));
}
