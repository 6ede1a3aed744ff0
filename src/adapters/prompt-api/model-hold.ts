/** The model behind the sessions of a class: loaded by the first of them, with a download that all who wait may watch. */

import { within } from "../../host/wait.ts";
import type { ModelSource } from "../../load/source.ts";
import { type AnyModel, isModel, loadLater, type ModelLoadOptions } from "../models.ts";
import { downloadFailed } from "./errors.ts";

/** Whether there is a model: not at all, after a download, or at once. */
export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

/** Tells how far the download of a model is: events `downloadprogress`, whose `loaded` goes from 0 to 1. */
export interface CreateMonitor extends EventTarget {
  /** Called with each event `downloadprogress`. */
  ondownloadprogress: ((event: Event & { readonly loaded: number; readonly total: number }) => void) | null;
}

/** A loaded model, what `Model.load` takes, or a function that loads one and says how far it is, from 0 to 1. */
export type PromptModelSource =
  | AnyModel
  | ModelSource
  | ((progress: (loaded: number) => void) => AnyModel | Promise<AnyModel>);

/** How the model is loaded: in a worker, unless `worker` is false. */
export interface PromptModelOptions extends Omit<ModelLoadOptions, "signal" | "onProgress"> {}

/** A model that is loaded when it is first needed. */
export class ModelHold {
  readonly #load: () => Promise<AnyModel>;
  readonly #monitors = new Set<(loaded: number) => void>();
  #loading: Promise<AnyModel> | null = null;
  /** Whether it is there, on its way, or neither. */
  state: Exclude<Availability, "unavailable"> = "downloadable";

  constructor(source: PromptModelSource, options: PromptModelOptions) {
    const progress = (loaded: number): void => {
      for (const tell of this.#monitors) tell(loaded);
    };
    if (isModel(source)) {
      this.#load = async () => source;
      this.state = "available";
    } else if (typeof source === "function") this.#load = async () => source(progress);
    else {
      const onProgress = (loaded: number, total: number): void => progress(total > 0 ? loaded / total : 0);
      this.#load = loadLater(source, { worker: true, ...options, onProgress });
    }
  }

  /** The model; `watch` is told how far its download is. Who gives up leaves it to the others. */
  async load(watch: ((monitor: CreateMonitor) => void) | undefined, signal?: AbortSignal): Promise<AnyModel> {
    const tell = watch ? monitorOf(watch) : () => {};
    this.#monitors.add(tell);
    try {
      tell(0);
      this.#loading ??= this.#begin();
      const model = await within(this.#loading, signal);
      tell(1);
      return model;
    } finally {
      this.#monitors.delete(tell);
    }
  }

  async #begin(): Promise<AnyModel> {
    const before = this.state;
    if (before === "downloadable") this.state = "downloading";
    try {
      const model = await this.#load();
      this.state = "available";
      return model;
    } catch (error) {
      this.state = before;
      this.#loading = null;
      throw downloadFailed(error);
    }
  }
}

/** What tells a monitor how far it is: each step once, and never back. */
function monitorOf(watch: (monitor: CreateMonitor) => void): (loaded: number) => void {
  const monitor = Object.assign(new EventTarget(), { ondownloadprogress: null }) as CreateMonitor;
  watch(monitor);
  let last = -1;
  return (loaded) => {
    const share = Math.min(Math.max(loaded, 0), 1);
    if (share <= last) return;
    last = share;
    const event = progressEvent(share);
    monitor.ondownloadprogress?.(event);
    monitor.dispatchEvent(event);
  };
}

function progressEvent(loaded: number): Event & { readonly loaded: number; readonly total: number } {
  const sizes = { lengthComputable: true, loaded, total: 1 };
  // Node has no ProgressEvent.
  if (typeof ProgressEvent === "function") return new ProgressEvent("downloadprogress", sizes);
  return Object.assign(new Event("downloadprogress"), sizes);
}
