/** How the report of `doctor()` comes about: probes, the plan of a model, self-tests, and advice. */
import { hasRelaxedSimd } from "../../bindings/relaxed.ts";
import { threadsLack } from "../../bindings/shared-memory.ts";
import { listOf, type OptionTable, oneOf, readOptions, unchecked } from "../host/arguments.ts";
import { detectFeatures, type Features } from "../host/features.ts";
import type { Build, WasmOption } from "../host/wasm.ts";
import type { ModelSource } from "../load/source.ts";
import { Model } from "./model.ts";
import { LOAD_OPTIONS, type LoadOptions, type MemoryPlan } from "./options.ts";
import { type SelfTest, selfTest } from "./self-test.ts";

/** What `doctor()` is asked to look at. */
export interface DoctorOptions {
  /** A model that is to run here: says whether the memory holds it. Only its header is read. */
  model?: ModelSource;
  /** How it would be loaded: `context` and `kv` count. */
  load?: LoadOptions;
  /** Builds whose kernels are tried; none where it is empty. Default: the build that runs here. */
  builds?: readonly Build[];
  /** Where the wasm of the tried builds comes from. Default: the files beside limpet's scripts. */
  wasm?: WasmOption;
}

/** What each of `DoctorOptions` has to be. */
const DOCTOR_OPTIONS: OptionTable<DoctorOptions> = {
  model: unchecked,
  load: (name, value) => readOptions(value, LOAD_OPTIONS, name),
  builds: listOf(oneOf<Build>("portable", "scalar", "fast")),
  wasm: unchecked,
};

/** What `doctor()` has found out about this host. */
export interface DoctorReport {
  /** The host in words. */
  readonly host: string;
  /** What the host's WebAssembly can do. */
  readonly features: Features;
  /** Whether a page is cross-origin isolated; null outside of browsers. */
  readonly isolated: boolean | null;
  /** The build to run here. */
  readonly build: Build;
  /** Why that build runs here, in words. */
  readonly why: string;
  /** Bytes that a memory of WebAssembly can grow to. */
  readonly memoryLimit: number;
  /** What the model will take, where one was named. */
  readonly plan: MemoryPlan | null;
  /** How the kernels of each tried build computed. */
  readonly selfTests: readonly SelfTest[];
  /** What is short here, and what to do about it. */
  readonly advice: readonly { readonly lack: string; readonly remedy: string }[];
  /** Whether models run here, and right: what remains is speed. */
  readonly well: boolean;
}

const MIB = 2 ** 20;

export async function report(given: DoctorOptions): Promise<DoctorReport> {
  const options = readOptions(given, DOCTOR_OPTIONS);
  const features = detectFeatures();
  const isolated =
    typeof crossOriginIsolated === "boolean" && typeof document !== "undefined" ? crossOriginIsolated : null;
  const build: Build = features.simd ? "portable" : "scalar";
  const why = features.simd ? "this host has SIMD" : "this host has no SIMD";
  const memoryLimit = largestMemory() * MIB;
  const plan =
    options.model === undefined ? null : await Model.plan(options.model, { wasm: options.wasm, ...options.load });
  const selfTests: SelfTest[] = [];
  for (const tried of options.builds ?? [build]) selfTests.push(await selfTest(tried, options.wasm));
  const advice = [...hostAdvice(features, isolated, memoryLimit), ...planAdvice(plan, memoryLimit)];
  for (const { build, right, error, kernels } of selfTests) {
    if (right) continue;
    const wrong = kernels.filter(({ right }) => !right).map(({ name }) => name);
    advice.push(
      error === undefined
        ? {
            lack: `the ${build} build computes wrong here: ${wrong.join(", ")}`,
            remedy: "update the host, and report it",
          }
        : {
            lack: `the ${build} build does not run here: ${error}`,
            remedy: "serve limpet's wasm files beside its scripts",
          },
    );
  }
  const well = selfTests.every(({ right }) => right) && (plan === null || plan.total <= memoryLimit);
  return { host: hostName(), features, isolated, build, why, memoryLimit, plan, selfTests, advice, well };
}

function hostAdvice(features: Features, isolated: boolean | null, memoryLimit: number): DoctorReport["advice"] {
  const advice: { lack: string; remedy: string }[] = [];
  if (!features.simd) {
    advice.push({ lack: "no SIMD: the scalar build runs, several times slower", remedy: 'load with build: "scalar"' });
  }
  if (isolated === false) {
    advice.push({
      lack: "no threads: this page is not cross-origin isolated",
      remedy:
        "serve it, over https or from localhost, with Cross-Origin-Opener-Policy: same-origin and " +
        "Cross-Origin-Embedder-Policy: require-corp",
    });
  } else if (!features.threads) {
    const why = threadsLack() ?? "this host shares no memory";
    advice.push({
      lack: `no threads: ${why}`,
      remedy: "one thread computes, with the same bits; a newer host may have them",
    });
  }
  if (!hasRelaxedSimd()) {
    advice.push({
      lack: "no relaxed SIMD: the fast build is not for this host",
      remedy: "the portable build runs in its place; a newer host may have it",
    });
  }
  if (memoryLimit < 1024 * MIB) {
    advice.push({
      lack: `WebAssembly grows to no more than ${mebibytes(memoryLimit)} here`,
      remedy: "close other pages, or take a smaller model, a coarser block format or a shorter context",
    });
  }
  return advice;
}

function planAdvice(plan: MemoryPlan | null, memoryLimit: number): DoctorReport["advice"] {
  if (plan === null || plan.total <= memoryLimit) return [];
  const lack = `too little memory for this model: it takes ${mebibytes(plan.total)} of ${mebibytes(memoryLimit)}`;
  const rest = plan.total - plan.context;
  const remedy =
    rest < memoryLimit
      ? `shorten the context: ${plan.contextTokens} tokens take ${mebibytes(plan.context)}, and there is ${mebibytes(memoryLimit - rest)}`
      : "take a smaller model or a coarser block format";
  return [{ lack, remedy }];
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`;
}

function hostName(): string {
  if (typeof process === "object" && process.versions?.node && typeof process.arch === "string") {
    const { node, v8, deno } = process.versions as Record<string, string | undefined>;
    return `${deno ? `Deno ${deno}` : `Node ${node}`}, V8 ${v8}, ${process.platform} ${process.arch}`;
  }
  return typeof navigator === "object" ? navigator.userAgent : "unknown";
}

/** MiB that a memory can be grown to: what the host allows, found by halving. */
function largestMemory(): number {
  let [fits, fails] = [0, 4097];
  while (fails - fits > 64) {
    const middle = (fits + fails) >> 1;
    try {
      new WebAssembly.Memory({ initial: 1 }).grow(middle * 16 - 1);
      fits = middle;
    } catch {
      fails = middle;
    }
  }
  return fits;
}
