/** The printed programs of the small models, and where their golden text lies. */
import { entryOf } from "../../scripts/architectures.mjs";
import { inspectProgram } from "../../src/load/inspect.ts";
import type { TestCore } from "./core.ts";
import { modelBytes } from "./models.ts";

/** The type of their matrices: one whose products fuse. */
export const PROGRAM_TYPE = "Q4_0";

export const programFile = (name: string): URL => new URL(`../golden/programs/${name}.txt`, import.meta.url);

/** The page without its last line: what a context has beside state and values says nothing of the program. */
export async function programOf(name: string): Promise<string> {
  const page = await inspectProgram(modelBytes(Object.keys(entryOf(name).shapes)[0], PROGRAM_TYPE));
  return page.replace(/^ +other +\d+\n$/m, "");
}

/** The page of a model by the raw exports. */
export function pageOf(core: TestCore, model: number): string {
  const length = core.call("model_program", model, 0, 0);
  const target = core.allocate(length);
  core.call("model_program", model, target, length);
  const page = core.text(target, length);
  core.release(target);
  return page;
}

/** The steps that a whole pass goes through, by a page: those that run with another are left out. */
export function stepsOfPass(page: string): number[] {
  const [input, ...layers] = page.split(/^(?=layers |output)/m);
  const output = layers.pop()!;
  const leaders = (section: string) =>
    section.split("\n").flatMap((line) => {
      const step = /^ +(\d+) /.exec(line);
      return step && !/ {2}with \d+/.test(line) ? [Number(step[1])] : [];
    });
  const perLayer: number[][] = [];
  for (const section of layers) {
    const [, ranges] = /^layers ([-\d, ]*\d)/.exec(section)!;
    for (const range of ranges.split(", ")) {
      const [first, last = first] = range.split("-").map(Number);
      for (let layer = first; layer <= last; layer++) perLayer[layer] = leaders(section);
    }
  }
  return [...leaders(input), ...perLayer.flat(), ...leaders(output)];
}
