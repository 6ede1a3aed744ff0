/** Sound model files made broken, one change at a time. */
import { tensorBytes } from "../../scripts/gguf-writer.mjs";
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

/** Writes the tensors of a layer that have these names, one behind the other, as one of another name. */
export function joined(file: File, names: readonly string[], as: string, layer: number): void {
  const parts = names.map((name) => {
    const found = file.tensors.find((tensor) => tensor.name === `blk.${layer}.${name}`);
    if (!found) throw new Error(`no ${name}`);
    return found;
  });
  const bytes = parts.map(({ type, shape, fill }) => {
    const part = new Uint8Array(tensorBytes(type, shape));
    fill(part);
    return part;
  });
  const whole = Buffer.concat(bytes);
  const [first] = parts;
  const last = first.shape.length - 1;
  const shape = [...first.shape];
  shape[last] = parts.reduce((sum, part) => sum + part.shape[last], 0);
  let at = 0;
  const fill = (chunk: Uint8Array) => {
    chunk.set(whole.subarray(at, at + chunk.length));
    at += chunk.length;
  };
  const rest = file.tensors.filter((tensor) => !parts.includes(tensor));
  file.tensors = [...rest, { name: `blk.${layer}.${as}`, type: first.type, shape, fill }];
}
