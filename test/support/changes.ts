/** Sound model files made broken, one change at a time. */
import type { makeModel } from "../../scripts/make-model.mjs";

export type File = ReturnType<typeof makeModel>;
export type Change = (file: File) => void;

/** Sets a key of the metadata, or takes it out. */
export const key =
  (name: string, value?: File["metadata"][number][2], type: File["metadata"][number][1] = "u32"): Change =>
  (file) => {
    const rest = file.metadata.filter(([own]) => own !== name);
    file.metadata = value === undefined ? rest : [...rest, [name, type, value]];
  };

/** Changes a tensor, or takes it out. */
export const tensor =
  (name: string, change?: Partial<File["tensors"][number]>): Change =>
  (file) => {
    file.tensors = file.tensors.flatMap((own) => (own.name !== name ? [own] : change ? [{ ...own, ...change }] : []));
  };

/** Fills a tensor with zeros. */
export const blank = (chunk: Uint8Array): void => void chunk.fill(0);

export const all =
  (...changes: Change[]): Change =>
  (file) => {
    for (const change of changes) change(file);
  };
