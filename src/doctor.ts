/** `doctor()`: what this host can do, which build runs here and why, whether it computes right, and what would help. */
import type { Features } from "./features.ts";
import type { LoadOptions, MemoryPlan } from "./model.ts";
import type { SelfTest } from "./self-test.ts";
import type { ModelSource } from "./source.ts";
import type { Build, WasmOption } from "./wasm.ts";

export type { Features, SelfTest };

export interface DoctorOptions {
  /** A model that is to run here: says whether the memory holds it. Only its header is read. */
  model?: ModelSource;
  /** How it would be loaded: `context` and `kv` count. */
  load?: LoadOptions;
  /** Builds whose kernels are tried; none where it is empty. Default: the build that runs here. */
  builds?: readonly Build[];
  wasm?: WasmOption;
}

export interface DoctorReport {
  /** The host in words. */
  readonly host: string;
  readonly features: Features;
  /** Whether a page is cross-origin isolated; null outside of browsers. */
  readonly isolated: boolean | null;
  /** The build to run here. */
  readonly build: Build;
  readonly why: string;
  /** Bytes that a memory of WebAssembly can grow to. */
  readonly memoryLimit: number;
  /** What the model will take, where one was named. */
  readonly plan: MemoryPlan | null;
  readonly selfTests: readonly SelfTest[];
  /** What is short here, and what to do about it. */
  readonly advice: readonly { readonly lack: string; readonly remedy: string }[];
  /** Whether models run here, and right: what remains is speed. */
  readonly well: boolean;
}

/** Examines this host. What it takes to do so is loaded when it is called. */
export async function doctor(options: DoctorOptions = {}): Promise<DoctorReport> {
  return (await import("./doctor-report.ts")).report(options);
}
