/** Where files of the package lie that a tool has taken its scripts away from. */

/** Vite up to 7 moves the scripts of a dependency here in dev, and leaves what they name by `import.meta.url` behind. */
const MOVED = /^(.*\/node_modules)\/\.vite\/deps[^/]*\//;

/**
 * The place of a file of the package: `url`, which is `new URL(path, script)` as bundlers want to read it, or where that
 * file is in truth when the script was moved. `script` is the caller's `import.meta.url`, `path` as from build/js/.
 */
export function inPackage(url: URL, path: string, script: string): URL {
  const folder = script.match(MOVED)?.[1];
  // A tool that knows better has made another URL of it.
  if (folder === undefined || url.href !== new URL(path, script).href) return url;
  return new URL(path, `${folder}/limpet/build/js/`);
}

/** The place of a script of the package that a worker is to run, where this script was moved; else null. */
export function movedWorker(path: string, script: string): URL | null {
  const url = new URL(path, script);
  const there = inPackage(url, path, script);
  return there === url ? null : there;
}
