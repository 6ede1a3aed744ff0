/**
 * The drawer's plots: SVG that is drawn anew from plain numbers, each with words beside it that say the same, for those who
 * do not see it.
 */
import type { Activity, ModelMemory } from "../src/index.ts";
import { bytesInWords, el, rateInWords } from "./dom.ts";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 100;
const WIDEST_BAR = 32;

/** Words, and the class of the colour that they speak of. */
type Words = readonly [className: string, text: string];
type Point = readonly [x: number, y: number];

/** A plot in a figure; `draw` is given numbers, and gives shapes and words. */
class Plot {
  readonly element: HTMLElement;
  readonly #svg: SVGElement;
  readonly #words: HTMLElement = el("div", { class: "words" });
  readonly #title: string;

  constructor(title: string, isStrip = false) {
    this.#title = title;
    const box = { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" };
    this.#svg = make("svg", isStrip ? { ...box, class: "strip" } : box);
    this.element = el("figure", {}, el("figcaption", {}, title), this.#svg, this.#words);
  }

  protected show(shapes: readonly SVGElement[], words: readonly Words[]): void {
    this.#svg.replaceChildren(...shapes);
    this.#svg.setAttribute("aria-label", [this.#title, ...words.map(([, text]) => text)].join(", "));
    this.#svg.toggleAttribute("hidden", shapes.length === 0);
    this.#words.replaceChildren(...words.map(([name, text]) => el("span", { class: name }, text)));
  }
}

/** Tokens a second, token by token. */
export class RatePlot extends Plot {
  constructor() {
    super("Tokens a second");
  }

  /** `mean`: of the computing alone, when it is over. */
  draw(rates: readonly number[], mean: number | null = null): void {
    const own: Words[] = mean === null ? [] : [["", `${rateInWords(mean)} by the model's own clock`]];
    if (rates.length === 0) {
      this.show([], own.length > 0 ? own : [["", "nothing was written yet"]]);
      return;
    }
    const most = Math.max(...rates);
    const points: Point[] = rates.map((rate, i) => [across(i, rates.length - 1), HEIGHT * (1 - rate / most)]);
    if (points.length === 1) points.push([WIDTH, points[0][1]]);
    const last = `${rateInWords(rates[rates.length - 1])} at last, ${rateInWords(most)} at most`;
    this.show(area(points), [["ours", last], ...own]);
  }
}

/** Bytes of cache by tokens, beside those of full keys and values. */
export class CachePlot extends Plot {
  constructor() {
    super("Cache of the talk");
  }

  draw(tokens: number, memory: ModelMemory | null): void {
    if (tokens === 0 || !memory) {
      this.show([], [["", "empty"]]);
      return;
    }
    const { cacheBytesPerToken: own, fullCacheBytesPerToken: full } = memory;
    const most = Math.max(own, full, 1);
    const line = (perToken: number): Point[] => [
      [0, HEIGHT],
      [WIDTH, HEIGHT * (1 - perToken / most)],
    ];
    const words: Words[] = [["ours", `${bytesInWords(tokens * own)} for ${tokens} tokens`]];
    const shapes: SVGElement[] = [];
    const ratio = full / own;
    if (ratio > 1.001) {
      shapes.push(make("path", { d: path(line(full)), class: "line other" }));
      words.push([
        "other",
        `${bytesInWords(tokens * full)} with keys and values of all heads, ${ratio.toFixed(1)} times as much`,
      ]);
    }
    this.show([...shapes, ...area(line(own))], words);
  }
}

/** The share of zeros in each layer. */
export class ZerosPlot extends Plot {
  constructor() {
    super("Zeros behind ReLU²");
  }

  draw(activity: Activity | null): void {
    const { zeros, activations } = activity ?? { zeros: [], activations: [] };
    this.element.hidden = activity !== null && zeros.length === 0;
    if (zeros.length === 0) {
      this.show([], [["", "nothing was computed yet"]]);
      return;
    }
    const shares = Array.from(zeros, (count, i) => (activations[i] ? count / activations[i] : 0));
    const step = Math.min(WIDTH / shares.length, WIDEST_BAR);
    const gap = Math.min(step * 0.2, 4);
    const bars = shares.flatMap((share, i) => [
      box(i * step + gap / 2, 0, step - gap, HEIGHT, "wash"),
      box(i * step + gap / 2, HEIGHT * (1 - share), step - gap, HEIGHT * share, "ours"),
    ]);
    const sum = (counts: ArrayLike<number>): number => Array.from(counts).reduce((total, count) => total + count, 0);
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
  constructor() {
    super("Memory", true);
  }

  draw(memory: ModelMemory | null): void {
    if (!memory) {
      this.show([], [["", "no model is loaded in this page"]]);
      return;
    }
    const cache = memory.contexts.reduce((total, { cacheBytes }) => total + cacheBytes, 0);
    const parts: readonly (readonly [string, number, string])[] = [
      ["ours", memory.weights, "weights"],
      ["other", cache, "room for the cache"],
      ["rest", Math.max(memory.linear - memory.weights - cache, 0), "buffers, vocabulary and the rest"],
    ];
    let from = 0;
    const boxes = parts.map(([name, size]) => {
      const width = (WIDTH * size) / memory.linear;
      from += width;
      return box(from - width, 0, width, HEIGHT, name);
    });
    const words = parts.map(([name, size, what]): Words => [name, `${bytesInWords(size)} ${what}`]);
    this.show(boxes, [["", `${bytesInWords(memory.linear)} in all`], ...words]);
  }
}

function across(i: number, last: number): number {
  return last > 0 ? (WIDTH * i) / last : 0;
}

/** A line and the wash below it. */
function area(points: readonly Point[]): SVGElement[] {
  const closed: Point[] = [[points[0][0], HEIGHT], ...points, [points[points.length - 1][0], HEIGHT]];
  return [
    make("path", { d: `${path(closed)}Z`, class: "wash" }),
    make("path", { d: path(points), class: "line ours" }),
  ];
}

function path(points: readonly Point[]): string {
  return points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function box(x: number, y: number, width: number, height: number, name: string): SVGElement {
  return make("rect", { x, y, width, height, class: name });
}

function make(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(SVG, name) as SVGElement;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
