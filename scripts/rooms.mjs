/**
 * The arrows of the house:  node scripts/rooms.mjs
 *
 * Holds each import of assembly/, bindings/, page/ and src/ against rooms.json, and refuses files that import each other in a
 * circle. A type's import counts as any other: who needs a name must stand above the file that has it. `npm run check`
 * runs this; by itself it prints what is wrong.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TREES = ["assembly", "bindings", "page", "src"];
const IMPORT = /^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** @typedef {{ above?: string[], also?: string[] }} Room */

/** Every import against the rooms, and no circle of files. @returns {string[]} what is wrong */
export function roomProblems() {
  const rooms = /** @type {Record<string, Room>} */ (JSON.parse(readFileSync(join(ROOT, "rooms.json"), "utf8")));
  delete rooms["//"];
  const imports = importsOf();
  return [...unknownRooms(rooms), ...wrongArrows(rooms, imports), ...circles(imports)];
}

/** What each file imports: paths from the root. @returns {Map<string, string[]>} */
function importsOf() {
  const files = TREES.flatMap((tree) =>
    readdirSync(join(ROOT, tree), { recursive: true })
      .map((name) => join(tree, String(name)))
      .filter((name) => name.endsWith(".ts"))
      .sort(),
  );
  return new Map(files.map((file) => [file, namesIn(file)]));
}

/** @param {string} file */
function namesIn(file) {
  const found = [...readFileSync(join(ROOT, file), "utf8").matchAll(IMPORT)].map(
    (match) => match[1] ?? match[2] ?? match[3],
  );
  // What is not a file of these trees is a package, or a wasm of the build.
  const files = found.filter((name) => name.startsWith(".") && !name.endsWith(".wasm"));
  return [...new Set(files)].map((name) => {
    const path = relative(ROOT, resolve(ROOT, dirname(file), name));
    return path.endsWith(".ts") ? path : `${path}.ts`;
  });
}

/** The room of a file: a folder under assembly/ or src/, all of bindings/, the files of src/ itself. @param {string} file */
function roomOf(file) {
  const [tree, next, ...rest] = file.split("/");
  if (tree === "bindings" || tree === "page" || (tree === "src" && rest.length === 0)) return tree;
  return `${tree}/${next.replace(/\.ts$/, "")}`;
}

/** @param {Record<string, Room>} rooms */
function unknownRooms(rooms) {
  const named = Object.values(rooms).flatMap(({ above = [], also = [] }) => [...above, ...also]);
  return [...new Set(named)]
    .filter((name) => (name.endsWith(".ts") ? !rooms[roomOf(name)] : !rooms[name]))
    .map((name) => `rooms.json: there is no room ${name}`);
}

/** @param {Record<string, Room>} rooms @param {Map<string, string[]>} imports */
function wrongArrows(rooms, imports) {
  const problems = /** @type {string[]} */ ([]);
  /** @type {Map<string, Set<string>>} */
  const known = new Map();
  /** All that a room may import. @param {string} room @returns {Set<string>} */
  const allowed = (room) => {
    let names = known.get(room);
    if (!names) {
      const { above = [], also = [] } = rooms[room] ?? {};
      known.set(room, (names = new Set([room, ...also])));
      for (const lower of above) for (const name of [lower, ...allowed(lower)]) names.add(name);
    }
    return names;
  };
  for (const [file, targets] of imports) {
    const room = roomOf(file);
    if (!rooms[room]) problems.push(`${file}: ${room} is no room of rooms.json`);
    for (const target of targets) {
      if (!existsSync(join(ROOT, target))) problems.push(`${file}: imports ${target}, which is not there`);
      else if (!allowed(room).has(roomOf(target)) && !allowed(room).has(target)) {
        problems.push(`${file}: ${room} may not import ${target}`);
      }
    }
  }
  return problems;
}

/** Tarjan's strongly connected components: those of more than one file are circles. @param {Map<string, string[]>} imports */
function circles(imports) {
  const problems = /** @type {string[]} */ ([]);
  const order = /** @type {Map<string, number>} */ (new Map());
  const lowest = /** @type {Map<string, number>} */ (new Map());
  const stack = /** @type {string[]} */ ([]);
  /** @param {string} file */
  const visit = (file) => {
    order.set(file, order.size);
    let low = order.size - 1;
    stack.push(file);
    for (const target of imports.get(file) ?? []) {
      if (!imports.has(target)) continue;
      if (!order.has(target)) visit(target);
      if (stack.includes(target)) low = Math.min(low, lowest.get(target) ?? order.get(target) ?? low);
    }
    lowest.set(file, low);
    if (low !== order.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) problems.push(`${circle.join(" → ")} → ${file}: import each other in a circle`);
  };
  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = roomProblems();
  console.log(problems.length ? problems.join("\n") : "rooms: all well");
  process.exitCode = problems.length ? 1 : 0;
}
