/** `limpet doctor`: the report of `doctor()` as lines, and exit status 1 where limpet does not compute right. */
import { doctor as examine } from "../api/doctor.ts";
import type { CacheType } from "../generate/kept-rows.ts";
import { LimpetError } from "../host/errors.ts";
import { detectFeatures } from "../host/features.ts";
import type { Arguments } from "./arguments.ts";
import type { Io } from "./io.ts";

export async function doctor(args: Arguments, io: Io): Promise<void> {
  const say = (what: string, words: string) => io.write(`${what.padEnd(14)}${words}\n`);
  const yes = (value: boolean) => (value ? "yes" : "no");
  const report = await examine({
    model: args.argument("MODEL"),
    load: { context: args.numberOrNone("ctx"), kv: args.text("kv") as CacheType, signal: io.signal },
    builds: detectFeatures().simd ? ["portable", "scalar"] : ["scalar"],
  });
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
  if (report.plan) {
    const { weights, context, contextTokens, total } = report.plan;
    say("model", `takes ${mebibytes(total)}: ${mebibytes(weights)} of weights`);
    say("context", `${contextTokens} tokens take ${mebibytes(context)} of it`);
  }
  for (const { lack, remedy } of report.advice) say("advice", `${lack}; ${remedy}`);
  const failed = report.selfTests.filter(({ right }) => !right).map(({ build }) => build);
  if (failed.length > 0) throw new LimpetError("HOST", `the kernels compute wrong here: ${failed.join(", ")}`);
  if (!report.well) throw new LimpetError("OUT_OF_MEMORY", "this model does not fit the memory of this host");
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
