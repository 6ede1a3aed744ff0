/** `limpet doctor`: the report of `doctor()` as lines, and exit status 1 where limpet does not compute right. */
import { doctor as examine } from "../api/doctor.ts";
import { LimpetError } from "../host/errors.ts";
import { detectFeatures } from "../host/features.ts";
import type { Arguments } from "./arguments.ts";
import type { Io } from "./io.ts";

export async function doctor(_args: Arguments, io: Io): Promise<void> {
  const say = (what: string, words: string) => io.write(`${what.padEnd(14)}${words}\n`);
  const yes = (value: boolean) => (value ? "yes" : "no");
  const report = await examine({ builds: detectFeatures().simd ? ["portable", "scalar"] : ["scalar"] });
  const { simd, relaxedSimd, threads } = report.features;
  say("host", report.host);
  say("SIMD", yes(simd));
  say("relaxed SIMD", relaxedSimd ? "yes (--build fast)" : "no");
  say("threads", threads ? "yes (--threads N)" : "no");
  say("build", `${report.build}${simd ? "" : " (--build scalar)"}: ${report.why}`);
  say("memory", `WebAssembly grows to ${(report.memoryLimit / 2 ** 30).toFixed(1)} GiB here`);
  for (const { build, right, kernels, ms } of report.selfTests) {
    say("self-test", `${build}: ${right ? "right" : "WRONG"}, ${kernels.length} kernels (${ms.toFixed(0)} ms)`);
  }
  for (const { lack, remedy } of report.advice) say("advice", `${lack}; ${remedy}`);
  if (!report.well) {
    const failed = report.selfTests.filter(({ right }) => !right).map(({ build }) => build);
    throw new LimpetError("HOST", `the kernels compute wrong here: ${failed.join(", ")}`);
  }
}
