/** The picture of a run: bars of tokens a second, a panel a model, readable on light and on dark. */
import { contestantId } from "./plan.mjs";
import { short } from "./stats.mjs";

const WIDTH = 860;
const LABEL = 250;
const BAR = 15;
const GAP = 5;
const PANEL_HEAD = 44;
const PANEL_WIDTH = (WIDTH - LABEL - 20) / 2;
const VALUE = 46;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 14px; }
  .note { fill: #57606a; }
  .limpet { fill: #0a7a6c; }
  .peer { fill: #a7b0ba; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #9aa4af; }
    .limpet { fill: #2dc4ae; }
    .peer { fill: #58626d; }
  }`;

/** @param {import("./results.mjs").Results} results @param {string} note what it was measured on */
export function picture(results, note) {
  const parts = [];
  let y = 30;
  for (const [model, rows] of Object.entries(results.models)) {
    const bars = Object.keys(rows)
      .map((id) => ({
        id,
        prefill: results.figure(model, id, "prefill 128"),
        decode: results.figure(model, id, "decode 128"),
      }))
      .filter(({ decode }) => decode);
    if (!bars.length) continue;
    parts.push(text(10, y, model, "title"), text(LABEL, y, "decode, tokens/s", "note"));
    parts.push(text(LABEL + PANEL_WIDTH + 10, y, "prefill of 128, tokens/s", "note"));
    const most = { decode: 0, prefill: 0 };
    for (const { decode, prefill } of bars) {
      most.decode = Math.max(most.decode, decode?.median ?? 0);
      most.prefill = Math.max(most.prefill, prefill?.median ?? 0);
    }
    y += 10;
    for (const { id, decode, prefill } of bars) {
      const kind = id.startsWith("limpet") ? "limpet" : "peer";
      parts.push(text(10, y + BAR - 3, id));
      parts.push(bar(LABEL, y, decode?.median ?? 0, most.decode, kind));
      parts.push(bar(LABEL + PANEL_WIDTH + 10, y, prefill?.median ?? 0, most.prefill, kind));
      y += BAR + GAP;
    }
    y += PANEL_HEAD - 10;
  }
  parts.push(text(10, y - 12, note, "note"));
  const label = `Tokens a second of limpet and its peers: ${contestantId("limpet portable", "chromium")} and others`;
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${label}">\n<style>${STYLE}\n</style>\n${parts.join("\n")}\n</svg>\n`;
}

/** @param {number} x @param {number} y @param {string} content */
function text(x, y, content, kind = "") {
  const escaped = content.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  return `<text x="${x}" y="${y}"${kind ? ` class="${kind}"` : ""}>${escaped}</text>`;
}

/** @param {number} x @param {number} y @param {number} value @param {number} most @param {string} kind */
function bar(x, y, value, most, kind) {
  const width = Math.max(1, (value / most) * (PANEL_WIDTH - VALUE));
  const shape = `<rect class="${kind}" x="${x}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`;
  return shape + text(Math.round(x + width + 5), y + BAR - 3, value ? short(value) : "–");
}
