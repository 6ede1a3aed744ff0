/**
 * Reading a wasm binary for tests of the builds: what it imports and exports, which globals it has, and which features
 * its instructions need.
 */
import binaryen from "binaryen";

/** What every small interpreter runs: the "Lime1" set, which asc emits without further flags. */
export const LIME1 =
  binaryen.Features.MutableGlobals |
  binaryen.Features.SignExt |
  binaryen.Features.NontrappingFPToInt |
  binaryen.Features.BulkMemoryOpt;

export const SIMD = binaryen.Features.SIMD128;

/** True when every instruction of the module belongs to `features`; those that do not are printed. */
export function validates(bytes: Uint8Array, features: number): boolean {
  const module = binaryen.readBinary(bytes);
  try {
    module.setFeatures(features);
    return module.validate() === 1;
  } finally {
    module.dispose();
  }
}

/** The globals of a module by name and whether they may change. */
export function globals(bytes: Uint8Array): { name: string; mutable: boolean }[] {
  const module = binaryen.readBinary(bytes);
  try {
    return Array.from({ length: module.getNumGlobals() }, (_, index) => {
      const { name, mutable } = binaryen.getGlobalInfo(module.getGlobalByIndex(index));
      return { name, mutable };
    });
  } finally {
    module.dispose();
  }
}
