/** The drawer: what the model takes while it writes (rate, cache, zeros, memory), and what this browser can do. */
import { type DoctorReport, doctor } from "../src/index.ts";
import { byId, el } from "./dom.ts";
import type { Engine } from "./engine.ts";
import { LocalEngine } from "./local.ts";
import { CachePlot, MemoryPlot, RatePlot, ZerosPlot } from "./plots.ts";
import type { Figures } from "./talk.ts";

/** Milliseconds that a rate is taken over: tokens of a server may come several at a time. */
const SPAN_MS = 400;
/** Milliseconds between two drawings. */
const DRAW_MS = 120;

export class Drawer {
  readonly #element: HTMLElement = byId("drawer");
  readonly #toggle: HTMLButtonElement = byId<HTMLButtonElement>("measure");
  readonly #rate: RatePlot = new RatePlot();
  readonly #cache: CachePlot = new CachePlot();
  readonly #zeros: ZerosPlot = new ZerosPlot();
  readonly #memory: MemoryPlot = new MemoryPlot();
  readonly #host: HTMLElement = el("section", { "aria-label": "This browser" });
  #engine: Engine | null = null;
  #begun = 0;
  #times: number[] = [];
  #rates: number[] = [];
  #drawn = 0;
  /** The last answer. */
  #last: { readonly figures: Figures; readonly text: string } | null = null;
  #report: DoctorReport | null = null;

  constructor() {
    const plots = [this.#rate, this.#cache, this.#zeros, this.#memory].map(({ element }) => element);
    byId("drawer-body").append(...plots, this.#host);
    this.#toggle.addEventListener("click", () => this.open(!this.isOpen));
    byId("drawer-close").addEventListener("click", () => this.open(false));
    this.#element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.open(false);
    });
    this.#idle();
  }

  get isOpen(): boolean {
    return !this.#element.hidden;
  }

  open(isOpen: boolean): void {
    this.#element.hidden = !isOpen;
    this.#toggle.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      void this.#examine([]);
      void this.#draw();
      byId("drawer-close").focus();
    } else this.#toggle.focus();
  }

  /** Another model is there, or none. */
  use(engine: Engine | null): void {
    this.#engine = engine;
    this.#idle();
    if (this.isOpen) void this.#draw();
  }

  begin(): void {
    this.#begun = 0;
    this.#times = [];
    this.#rates = [];
  }

  /** A token has come. */
  tick(): void {
    const now = performance.now();
    this.#times.push(now);
    this.#begun ||= now;
    while (now - this.#times[0] > SPAN_MS) this.#times.shift();
    // A rate over less time than that says little.
    if (now - this.#begun > SPAN_MS / 2)
      this.#rates.push((this.#times.length * 1000) / Math.min(now - this.#begun, SPAN_MS));
    if (this.isOpen && now - this.#drawn > DRAW_MS) {
      this.#drawn = now;
      this.#rate.draw(this.#rates);
    }
  }

  /** An answer is there: `text` is what the zeros are looked at in. */
  async end(figures: Figures, text: string): Promise<void> {
    this.#last = { figures, text };
    await this.#draw();
  }

  async #draw(): Promise<void> {
    const last = this.#last;
    this.#rate.draw(this.#rates, last?.figures.rate ?? null);
    const engine = this.#engine;
    if (!this.isOpen || !(engine instanceof LocalEngine)) return;
    try {
      const memory = await engine.memory();
      this.#memory.draw(memory);
      if (!last) return;
      this.#cache.draw(last.figures.promptTokens + last.figures.tokens, memory);
      this.#zeros.draw(await engine.activity(last.text));
    } catch {
      // The model was put away meanwhile.
    }
  }

  #idle(): void {
    this.begin();
    this.#last = null;
    this.#rate.draw([]);
    this.#cache.draw(0, null);
    this.#zeros.draw(null);
    this.#memory.draw(null);
    const isLocal = this.#engine?.place !== "server";
    for (const { element } of [this.#cache, this.#zeros, this.#memory]) element.hidden = !isLocal;
  }

  /** What this browser has, and what is short. `builds`: whose kernels are tried. */
  async #examine(builds: ("portable" | "scalar")[]): Promise<void> {
    if (this.#report && builds.length === 0) return;
    this.#report = await doctor({ builds });
    const { features, isolated, memoryLimit, advice, selfTests } = this.#report;
    const has = (name: string, there: boolean): HTMLElement =>
      el("li", { class: there ? "feature" : "feature lacks" }, `${name}: ${there ? "yes" : "no"}`);
    const list = el(
      "ul",
      { class: "features" },
      has("SIMD", features.simd),
      has("relaxed SIMD", features.relaxedSimd),
      has("threads", features.threads),
      has("isolated", isolated === true),
      el("li", { class: "feature" }, `memory up to ${(memoryLimit / 2 ** 30).toFixed(1)} GiB`),
    );
    const helps = advice.map(({ lack, remedy }) => el("p", { class: "note" }, `${lack}. What helps: ${remedy}.`));
    const words = selfTests.map(({ build, right, error, kernels, ms }) => {
      const wrong = kernels.filter((kernel) => !kernel.right).map(({ name }) => name);
      if (right) return `${build}: ${kernels.length} kernels right, bit for bit (${ms.toFixed(0)} ms)`;
      return `${build}: ${error ?? `wrong: ${wrong.join(", ")}`}`;
    });
    const test = el("button", { type: "button", class: "small" }, "Test the kernels");
    test.addEventListener("click", () => {
      test.disabled = true;
      test.textContent = "Testing …";
      void this.#examine(["portable", "scalar"]);
    });
    const said = el("p", { class: "note", role: "status" }, words.join("; "));
    this.#host.replaceChildren(el("h3", {}, "This browser"), list, ...helps, test, said);
  }
}
