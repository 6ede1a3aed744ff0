/** JSON from outside, bounded in how deep it nests: what reads it after that may call itself. */

const MOST_DEPTH = 100;
const QUOTE = 34;
const BACKSLASH = 92;

/** The value of a JSON text; an error that says why where it is none, or nests deeper than 100 brackets. */
export function parseJson(text: string): unknown {
  if (depthOf(text) > MOST_DEPTH) throw new SyntaxError(`it nests deeper than ${MOST_DEPTH}`);
  return JSON.parse(text);
}

/** How deep a text's brackets nest. */
function depthOf(text: string): number {
  let depth = 0;
  let most = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if (isQuoted) {
      if (letter === BACKSLASH) i++;
      else if (letter === QUOTE) isQuoted = false;
    } else if (letter === QUOTE) isQuoted = true;
    // [ { and ] }
    else if (letter === 91 || letter === 123) most = Math.max(most, ++depth);
    else if (letter === 93 || letter === 125) depth--;
  }
  return most;
}
