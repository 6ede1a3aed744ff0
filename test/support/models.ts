/** Small models for tests of the API and the command line, as bytes and as files of this process's own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEMO_TEXT } from "../../scripts/demo-model.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";

export { DEMO_TEXT };

const made = new Map<string, Uint8Array<ArrayBuffer>>();

type Entries = ReturnType<typeof makeModel>["metadata"];

/** The bytes of a model of scripts/make-model.mjs, with more metadata. */
export function modelBytes(kind: string, type?: string, metadata: Entries = []): Uint8Array<ArrayBuffer> {
  const key = JSON.stringify([kind, type, metadata]);
  let bytes = made.get(key);
  if (!bytes) {
    const file = makeModel(kind, type);
    bytes = new Uint8Array(encodeGguf({ ...file, metadata: [...file.metadata, ...metadata] }));
    made.set(key, bytes);
  }
  return bytes;
}

let folder: string | undefined;

/** The path of a file of these bytes, which lives as long as the process. */
export function temporaryFile(name: string, bytes: Uint8Array | string = new Uint8Array(0)): string {
  if (!folder) {
    const parent = fileURLToPath(new URL("../../build/test/", import.meta.url));
    mkdirSync(parent, { recursive: true });
    const made = mkdtempSync(join(parent, "files-"));
    process.on("exit", () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Where the demo's text goes on after some words of it. */
export function demoFrom(words: string): { prompt: string; rest: string } {
  const at = DEMO_TEXT.indexOf(words) + words.length;
  return { prompt: DEMO_TEXT.slice(0, at), rest: DEMO_TEXT.slice(at) };
}

/** The error that a promise or a call ends with. */
export async function errorOf(work: () => unknown): Promise<Error & { code?: unknown }> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("no error came");
}
