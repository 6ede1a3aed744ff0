/**
 * Batches over many processes, by hand:  npm run hosts:scale [-- MODEL [RAY_ROWS] [DASK_ROWS]]
 *
 * Installs Ray and Dask (680 MB on disk) into build/scale with limpet's wheel, and runs scale.py. Without a model it takes
 * stories260K of ../shared.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { shared } from "../support/shared.ts";
import { ROOT } from "./tools.ts";
import { buildWheel } from "./wheel.ts";

const FOLDER = join(ROOT, "build/scale");
const PYTHON = join(FOLDER, "bin/python");
const PACKAGES = ["ray[data]==2.60.0", "dask[dataframe]==2026.8.0", "distributed==2026.8.0", "hatchling==1.28.0"];

const run = (program: string, ...args: string[]): void => {
  execFileSync(program, args, { stdio: "inherit", env: { ...process.env, RAY_USAGE_STATS_ENABLED: "0" } });
};
const pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install"];

if (!existsSync(PYTHON)) run("python3", "-m", "venv", FOLDER);
run(PYTHON, ...pip, ...PACKAGES);
run(PYTHON, ...pip, "--force-reinstall", "--no-deps", buildWheel(PYTHON));
run(PYTHON, ...pip, "limpet");
const [model = shared("data/stories260K.gguf"), ...rows] = process.argv.slice(2);
if (model !== null) run(PYTHON, join(ROOT, "test/hosts/scale.py"), model, ...rows);
