/**
 * Where models lie on a disk, as each system wants its caches: `~/.cache/limpet`, `~/Library/Caches/limpet`,
 * `%LOCALAPPDATA%\limpet`. A name of a hub becomes a path whose parts every system can hold.
 *
 *     hf:owner/repo/sub/model.gguf@main   →   huggingface.co/owner/repo/main/sub/model.gguf
 */
import type * as Os from "node:os";
import type * as Path from "node:path";
import { module } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "../host/errors.ts";

/** The system, its surroundings and its rules for paths. */
export interface System {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly path: Pick<typeof Path, "join" | "isAbsolute">;
}

/** The folder of all models. LIMPET_CACHE names another. */
export function cacheFolder({ platform, env, home, path }: System): string {
  const own = env.LIMPET_CACHE;
  if (own) return own;
  if (platform === "win32") return path.join(env.LOCALAPPDATA || path.join(home, "AppData", "Local"), "limpet");
  if (platform === "darwin") return path.join(home, "Library", "Caches", "limpet");
  const base = env.XDG_CACHE_HOME;
  return path.join(base && path.isAbsolute(base) ? base : path.join(home, ".cache"), "limpet");
}

/** What Windows keeps for its devices, with any ending. */
const DEVICES = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)/i;

/** A part of a path that every system holds: another letter stands as %XX, and no two names become one. */
export function fileNameOf(name: string): string {
  const coded = (text: string): string =>
    Array.from(new TextEncoder().encode(text), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(
      "",
    );
  let safe = name.replace(/[\x00-\x1f<>:"/\\|?*%\x7f]/g, coded).replace(/[. ]$/, coded);
  if (DEVICES.test(safe)) safe = coded(safe[0]) + safe.slice(1);
  if (/^\.{1,2}$/.test(safe)) safe = safe.replaceAll(".", "%2E");
  return safe;
}

/** This system, for `cacheFolder`. */
export function thisSystem(): System {
  try {
    const { LIMPET_CACHE, LOCALAPPDATA, XDG_CACHE_HOME } = process.env;
    return {
      platform: process.platform,
      env: { LIMPET_CACHE, LOCALAPPDATA, XDG_CACHE_HOME },
      home: LIMPET_CACHE ? "" : module<typeof Os>("os").homedir(),
      path: module<typeof Path>("path"),
    };
  } catch (error) {
    // Deno asks for leave.
    const words = `this host does not say where its caches are: ${messageOf(error)}; allow it, or load a path or URL`;
    throw new LimpetError("HOST", words, { cause: error });
  }
}
