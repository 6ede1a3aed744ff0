/**
 * The page's plots: SVG that is drawn anew from plain numbers, each with words beside it that say the same, for those who
 * do not see it.
 */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 100;
const WIDEST_BAR = 32;

/** A number of bytes in words. */
export function bytes(count) {
  if (count < 1000) return `${Math.round(count)} B`;
  const power = Math.min(Math.floor(Math.log10(count) / 3), 3);
  return `${Number((count / 1000 ** power).toPrecision(3))} ${["B", "KB", "MB", "GB"][power]}`;
}

/** A plot in a figure; `draw` is given numbers, and gives shapes and words. */
class Plot {
  #svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  #words = Object.assign(document.createElement("div"), { className: "figures" });
  #title;

  constructor(figure, { strip = false } = {}) {
    this.#title = figure.querySelector("figcaption").textContent;
    if (strip) this.#svg.setAttribute("class", "strip");
    figure.append(this.#svg, this.#words);
  }

  /** `words`: pairs of a class, which names the colour that they speak of, and a text. */
  show(shapes, words) {
    this.#svg.replaceChildren(...shapes);
    const texts = words.map(([, text]) => text);
    this.#svg.setAttribute("aria-label", [this.#title, ...texts].join(", "));
    this.#words.replaceChildren(
      ...words.map(([className, textContent]) =>
        Object.assign(document.createElement("span"), { className, textContent }),
      ),
    );
  }
}

/** Tokens a second, token by token. */
export class RatePlot extends Plot {
  /** `mean`: of the computing alone, when it is over. */
  draw(rates, mean = null) {
    if (!rates.length) return this.show([], [["", "nothing generated yet"]]);
    const most = Math.max(...rates);
    const points = rates.map((rate, i) => [across(i, rates.length - 1), HEIGHT * (1 - rate / most)]);
    if (points.length === 1) points.push([WIDTH, points[0][1]]);
    const words = [
      ["ours", `${short(rates.at(-1))} at last, ${short(most)} at most`],
      ...(mean === null ? [] : [["", `${short(mean)} by the model's own clock`]]),
    ];
    this.show(area(points, "--ours"), words);
  }
}

/** Bytes of cache by tokens, beside those of full keys and values. */
export class CachePlot extends Plot {
  draw(tokens, bytesPerToken, fullPerToken) {
    if (!tokens) return this.show([], [["", "empty"]]);
    const line = (perToken) => [
      [0, HEIGHT],
      [WIDTH, HEIGHT * (1 - perToken / fullPerToken)],
    ];
    const words = [["ours", `${bytes(tokens * bytesPerToken)} for ${tokens} tokens`]];
    const shapes = [];
    const ratio = fullPerToken / bytesPerToken;
    if (ratio > 1.001) {
      shapes.push(make("path", { d: path(line(fullPerToken)), fill: "none", style: "stroke: var(--other)" }));
      words.push([
        "other",
        `${bytes(tokens * fullPerToken)} as full keys and values, ${ratio.toFixed(1)} times as much`,
      ]);
    } else words.push(["", "full keys and values: this model has no latent attention"]);
    this.show([...shapes, ...area(line(bytesPerToken), "--ours")], words);
  }
}

/** The share of zeros in each layer. */
export class ZerosPlot extends Plot {
  draw({ zeros, activations }, generated) {
    if (!zeros.length) {
      return this.show([], [["", generated ? "this model has another activation than ReLU²" : "nothing computed yet"]]);
    }
    const shares = zeros.map((count, i) => (activations[i] ? count / activations[i] : 0));
    const step = Math.min(WIDTH / shares.length, WIDEST_BAR);
    const gap = Math.min(step * 0.2, 4);
    const bars = shares.flatMap((share, i) => [
      box(i * step + gap / 2, 0, step - gap, HEIGHT, "--wash"),
      box(i * step + gap / 2, HEIGHT * (1 - share), step - gap, HEIGHT * share, "--ours"),
    ]);
    const sum = (counts) => counts.reduce((total, count) => total + count, 0);
    const all = (100 * sum(zeros)) / sum(activations);
    const layers = `${shares.length} layer${shares.length === 1 ? "" : "s"}, one bar each`;
    this.show(bars, [
      ["ours", `${all.toFixed(1)} % are zero in the last pass`],
      ["", layers],
    ]);
  }
}

/** What the core's memory is made of. */
export class MemoryPlot extends Plot {
  draw(memory) {
    if (!memory) return this.show([], [["", "no model"]]);
    const cache = memory.contexts.reduce((total, { cacheBytes }) => total + cacheBytes, 0);
    const parts = [
      ["--ours", "ours", memory.weights, "weights"],
      ["--other", "other", cache, "room for the cache"],
      ["--rest", "rest", Math.max(memory.linear - memory.weights - cache, 0), "buffers, vocabulary and the rest"],
    ];
    let from = 0;
    const boxes = parts.map(([colour, , size]) => {
      const width = (WIDTH * size) / memory.linear;
      from += width;
      return box(from - width, 0, width, HEIGHT, colour);
    });
    const words = parts.map(([, name, size, what]) => [name, `${bytes(size)} ${what}`]);
    this.show(boxes, [["", `${bytes(memory.linear)} in all`], ...words]);
  }
}

function across(i, last) {
  return last > 0 ? (WIDTH * i) / last : 0;
}

/** A line and the wash below it. */
function area(points, colour) {
  const closed = [[points[0][0], HEIGHT], ...points, [points.at(-1)[0], HEIGHT]];
  return [
    make("path", { d: `${path(closed)}Z`, style: "fill: var(--wash); stroke: none" }),
    make("path", { d: path(points), fill: "none", style: `stroke: var(${colour})` }),
  ];
}

function path(points) {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function box(x, y, width, height, colour) {
  return make("rect", { x, y, width, height, style: `fill: var(${colour})` });
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function short(rate) {
  return rate >= 100 ? Math.round(rate).toLocaleString("en") : rate.toPrecision(2);
}
