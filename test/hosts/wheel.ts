/** The wheel of python/, built once and unpacked where a Python that has wasmtime finds it. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { output, ROOT, workFolder } from "./tools.ts";

const PYTHON = ["-m", "pip", "--disable-pip-version-check", "--quiet"];

/** The wheel's file. `python` has pip and hatchling. */
export function buildWheel(python: string): string {
  const folder = workFolder(`wheel-${process.pid}`);
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const words = ["wheel", join(ROOT, "python"), "--no-deps", "--no-build-isolation", "--wheel-dir", folder];
  output(python, ...PYTHON, ...words);
  const [file] = readdirSync(folder).filter((name) => name.endsWith(".whl"));
  return join(folder, file);
}

/** A folder for PYTHONPATH with what is in the wheel. */
export function unpackWheel(python: string): string {
  const wheel = buildWheel(python);
  const folder = join(wheel, "..", "unpacked");
  output(python, ...PYTHON, "install", "--no-deps", "--target", folder, wheel);
  return folder;
}
