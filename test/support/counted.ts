/**
 * A core that counts its work: every call of a function, every turn of a loop and every return is a step. So what a call
 * costs can be tested on any machine, however busy. Binaryen puts the steps into the built wasm.
 */
import binaryen from "assemblyscript/binaryen";
import { instantiateSync } from "../../bindings/instantiate.ts";
import { TestCore, type TestExports, wasmBytes } from "./core.ts";

export class CountedCore extends TestCore {
  static #steps = 0;

  constructor() {
    const module = binaryen.readBinary(wasmBytes("limpet.wasm"));
    module.setFeatures(binaryen.Features.All);
    module.runPasses(["log-execution"]);
    const wasm = new WebAssembly.Module(module.emitBinary() as Uint8Array<ArrayBuffer>);
    module.dispose();
    const step = (): void => {
      CountedCore.#steps++;
    };
    super("counted", instantiateSync<TestExports>(wasm, { env: { log_execution: step } }));
  }

  /** The steps of some work. */
  steps(work: () => unknown): number {
    const before = CountedCore.#steps;
    work();
    return CountedCore.#steps - before;
  }
}
