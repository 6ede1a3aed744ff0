/** `limpet pull`, `list` and `rm`: models of a hub, and those that were fetched. */
import { LimpetError } from "../host/errors.ts";
import { keptModels, pull as pullNamed, removeKept } from "../store/by-name.ts";
import type { Arguments } from "./arguments.ts";
import type { Io } from "./io.ts";

export async function pull(args: Arguments, io: Io): Promise<void> {
  const parts = await pullNamed(args.needed("NAME"), { signal: io.signal, onProgress: fetching(io) });
  io.endProgress();
  for (const part of parts) io.write(`${part}\n`);
}

export async function list(_: Arguments, io: Io): Promise<void> {
  const models = await keptModels();
  const width = Math.max(0, ...models.map(({ name }) => name.length));
  for (const { name, bytes, size, complete } of models) {
    const begun = complete ? "" : `, of which ${Math.floor((100 * bytes) / size)} % are there`;
    io.write(`${name.padEnd(width)}  ${megabytes(size)}${begun}\n`);
  }
}

export async function remove(args: Arguments, io: Io): Promise<void> {
  const name = args.needed("NAME");
  const gone = await removeKept(name);
  if (gone.length === 0) throw new LimpetError("HOST", `there is no ${name} here: limpet list shows what is`);
  for (const model of gone) io.write(`${model.name}\n`);
}

/** Shows how far a download is. */
export function fetching(io: Io): (done: number, total: number) => void {
  return (done, total) => io.progress(`fetching ${megabytes(done)} of ${megabytes(total)}`, done, total);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
