/**
 * Models by name, against a hub on this machine: names that are chosen, downloads that go on, hashes, tokens, several
 * processes, full disks, and folders of three systems.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { join, posix, win32 } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type LimpetError, Model } from "../src/index.ts";
import { keptModels, located, pull, removeKept } from "../src/store/by-name.ts";
import { cacheFolder, fileNameOf } from "../src/store/cache-folder.ts";
import { diskShelf, type Files } from "../src/store/disk.ts";
import { hubName, hubOf } from "../src/store/hub.ts";
import { opfsShelf } from "../src/store/opfs.ts";
import { Hub } from "./support/hub.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";
import { installOpfs } from "./support/opfs.ts";

const FOLDER = temporaryFile("hub-cache");
const MODEL = modelBytes("demo");
/** A file of some pieces, which begins as a model does. */
const LARGE = new Uint8Array((20 << 20) + 4321);
for (let i = 0; i < LARGE.length; i += 997) LARGE[i] = i * 31;
LARGE.set(new TextEncoder().encode("GGUF"));
const REPOSITORIES = {
  "some/tales": {
    "tales-Q8_0.gguf": LARGE,
    "tales-Q4_K_M.gguf": MODEL,
    "tales-Q4_K.gguf": MODEL,
    "mmproj-tales-F16.gguf": MODEL,
    "sub folder/tales+more.gguf": MODEL,
  },
  "some/one": { "one.gguf": MODEL },
  "some/secret": { "secret.gguf": MODEL },
  "some/large": { "large.gguf": LARGE },
  "some/split": {
    "split-Q8_0-00001-of-00003.gguf": MODEL,
    "split-Q8_0-00002-of-00003.gguf": MODEL,
    "split-Q8_0-00003-of-00003.gguf": MODEL,
    "lacking-F16-00001-of-00002.gguf": MODEL,
  },
  "some/none": { "notes.txt": MODEL },
  "some/odd": { "x-IQ2_S.gguf": MODEL, "y-IQ3_S.gguf": MODEL },
};

process.env["LIMPET_CACHE"] = FOLDER;
delete process.env["HF_TOKEN"];

/** Runs `work` with a hub and an empty cache. */
function hubTest(name: string, work: (hub: Hub) => Promise<void>): void {
  test(name, async () => {
    fs.rmSync(FOLDER, { recursive: true, force: true });
    const hub = await new Hub(REPOSITORIES).open();
    process.env["LIMPET_HUB"] = hub.address;
    try {
      await work(hub);
    } finally {
      hub.close();
    }
  });
}

const filesLeft = () =>
  fs.existsSync(FOLDER)
    ? (fs.readdirSync(FOLDER, { recursive: true, withFileTypes: true }) as fs.Dirent[])
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
        .sort()
    : [];

test("names: what they say, and what is none", () => {
  const main = { revision: "main", file: null, format: null };
  for (const [name, said] of Object.entries({
    "hf:a/b": { owner: "a", repository: "b", ...main },
    "hf:Org-1/b.c_d:Q4_K_M": { owner: "Org-1", repository: "b.c_d", ...main, format: "Q4_K_M" },
    "hf:a/b/c.gguf": { owner: "a", repository: "b", ...main, file: "c.gguf" },
    "hf:a/b/c d/e:f.GGUF@v1.0": { owner: "a", repository: "b", revision: "v1.0", file: "c d/e:f.GGUF", format: null },
    "hf:a/b:F16@refs/pr/1": { owner: "a", repository: "b", revision: "refs/pr/1", file: null, format: "F16" },
  })) {
    assert.equal(hubName(name), said, name);
  }
  for (const path of ["model.gguf", "./hf:a/b", "C:\\hf", "https://huggingface.co/a/b"]) assert.is(hubName(path), null);
  const wrong = [
    "hf:",
    "hf:a",
    "hf:a/",
    "hf:/b",
    "hf:../b",
    "hf:a/..",
    "hf:a/b/../../c.gguf",
    "hf:a/b/..\\c.gguf",
    "hf:a/b//c.gguf",
    "hf:a/b/c.txt",
    "hf:a/b@",
    "hf:a/b@../x",
    "hf:a/b@x/../../y",
    "hf:a/b:Q4/x.gguf",
    "hf:a/b:",
    "hf:a b/c",
    "hf:a/b/\0.gguf",
    "hf:a/./c.gguf",
    "hf:a/b/.gguf/../x.gguf",
  ];
  for (const name of wrong) {
    try {
      assert.unreachable(`${name}: ${JSON.stringify(hubName(name))}`);
    } catch (error) {
      assert.is((error as LimpetError).code, "BAD_ARGUMENT", name);
    }
  }
});

hubTest("a name is chosen by its file, its format, or what is there", async (hub) => {
  const shelf = diskShelf();
  const last = async (name: string) => {
    const [first, ...more] = (await located(name, {}, shelf)) as string[];
    return [first.split("/").pop(), more.length];
  };
  assert.equal(await last("hf:some/tales"), ["tales-Q4_K_M.gguf", 0]);
  assert.equal(await last("hf:some/tales:q4_k"), ["tales-Q4_K.gguf", 0]);
  assert.equal(await last("hf:some/tales/sub folder/tales+more.gguf"), ["tales+more.gguf", 0]);
  assert.equal(await last("hf:some/one"), ["one.gguf", 0]);
  assert.equal(await last("hf:some/split:Q8_0"), ["split-Q8_0-00001-of-00003.gguf", 2]);
  for (const [name, code, words] of [
    ["hf:some/tales:IQ1_S", "HOST", /has no IQ1_S; it has tales-Q8_0/],
    ["hf:some/tales/nosuch.gguf", "HOST", /has no nosuch\.gguf/],
    ["hf:some/odd", "BAD_ARGUMENT", /names none of several files; it has x-IQ2_S/],
    ["hf:some/none", "HOST", /has no GGUF file/],
    ["hf:some/split:F16", "HOST", /has not all parts/],
    ["hf:no/such", "HOST", /is not there .*404/],
  ] as const) {
    const error = await errorOf(() => located(name, {}, shelf));
    assert.is(error.code, code, `${name}: ${error.message}`);
    assert.match(error.message, words);
  }
  // Page by page, and with names that lead elsewhere among them.
  hub.page = 2;
  hub.more = [
    { type: "file", path: "../../../evil.gguf", size: 1 },
    { type: "file", path: "/etc/evil.gguf", size: 1 },
    { type: "file", path: "a\\..\\evil.gguf", size: 1 },
    null,
    7,
    { type: "file" },
    { type: "file", path: 5 },
  ];
  assert.equal(await last("hf:some/tales:Q8_0"), ["tales-Q8_0.gguf", 0]);
  assert.not.match((await errorOf(() => pull("hf:some/tales:IQ9", {}, shelf))).message, /evil/);
});

hubTest("Model.load takes a name, and needs no network the second time", async (hub) => {
  const seen: number[][] = [];
  const model = await Model.load("hf:some/tales", { onProgress: (...figures) => void seen.push(figures) });
  assert.is(model.info.name?.includes("limpet demo"), true);
  assert.ok(
    seen.some(([done, all]) => done === MODEL.length && all === MODEL.length),
    "the download is told of",
  );
  const asked = hub.asked.length;
  hub.close();
  for (const name of ["hf:some/tales", "hf:some/tales:Q4_K_M", "hf:some/tales/tales-Q4_K_M.gguf"]) {
    const again = await Model.load(name, { hub: hub.address });
    assert.is(await again.generate("A", { maxTokens: 4 }).text(), await model.generate("A", { maxTokens: 4 }).text());
    again.dispose();
  }
  assert.is((await Model.plan("hf:some/tales")).total > 0, true);
  const worker = await Model.load("hf:some/tales", { worker: true });
  assert.type(await worker.generate("A", { maxTokens: 1 }).text(), "string");
  worker.dispose();
  assert.is(hub.asked.length, asked);
  const error = await errorOf(() => Model.load("hf:some/other"));
  assert.is(error.code, "HOST");
  assert.match(error.message, /cannot be asked for hf:some\/other/);
  model.dispose();
});

hubTest("a download goes on where it broke off, three times and in another process", async (hub) => {
  hub.cuts.push(1 << 20, 9 << 20, 17 << 20);
  const [path] = (await located("hf:some/large", {}, diskShelf())) as string[];
  assert.ok(Buffer.compare(fs.readFileSync(path), LARGE) === 0);
  const ranges = hub.asked.filter(({ where }) => where === "store").map(({ range }) => range);
  assert.equal(ranges, [undefined, `bytes=${1 << 20}-`, `bytes=${9 << 20}-`, `bytes=${17 << 20}-`]);
  assert.equal(filesLeft(), ["large.gguf", "large.gguf.json"]);

  fs.rmSync(FOLDER, { recursive: true, force: true });
  hub.asked.length = 0;
  hub.slow = 20;
  const child = cli("pull", "hf:some/large");
  while (!fs.existsSync(FOLDER) || (begun() ?? 0) < 8 << 20) await new Promise((resolve) => setTimeout(resolve, 20));
  child.process.kill("SIGKILL");
  await child.done;
  hub.slow = 0;
  assert.equal(await keptModels().then((all) => all.map(({ complete }) => complete)), [false]);
  const { status, out } = await cli("pull", "hf:some/large").done;
  assert.is(status, 0);
  assert.ok(Buffer.compare(fs.readFileSync(out.trim()), LARGE) === 0);
  const rest = hub.asked.filter(({ where }) => where === "store").at(-1)!;
  assert.match(rest.range!, /^bytes=[1-9]/, "what the dead one had is not fetched again");
});

/** Bytes of what is begun. */
function begun(): number | null {
  const part = (fs.readdirSync(FOLDER, { recursive: true }) as string[]).find((name) => /gguf\.part$/.test(name));
  return part === undefined ? null : fs.statSync(join(FOLDER, part)).size;
}

const CLI = fileURLToPath(new URL("../src/cli.ts", import.meta.url));

function cli(...words: string[]) {
  const child = spawn(process.execPath, ["--import", "tsx", CLI, ...words], { env: process.env });
  child.stdin.end();
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  const done = new Promise<{ status: number | null; out: string; err: string }>((resolve) => {
    child.on("close", (status) => resolve({ status, out, err }));
  });
  return { process: child, done };
}

hubTest("what has another hash than the hub says is not kept", async (hub) => {
  hub.lie = "0".repeat(64);
  const error = await errorOf(() => located("hf:some/one", {}, diskShelf()));
  assert.is(error.code, "BAD_FILE");
  assert.match(error.message, /has the SHA-256 [0-9a-f]{64} and not 0{64}; it is not kept/);
  assert.equal(filesLeft(), []);
  hub.lie = undefined;
  await located("hf:some/one", {}, diskShelf());
  // The hub has another file by now: pull sees it, load goes on with what there is.
  hub.lie = "1".repeat(64);
  await located("hf:some/one", {}, diskShelf());
  assert.is((await errorOf(() => pull("hf:some/one", {}, diskShelf()))).code, "BAD_FILE");
});

hubTest("models for some want a token, which goes to the hub and to nobody else", async (hub) => {
  hub.gated.set("some/secret", "hf_right");
  const refused = await errorOf(() => located("hf:some/secret", {}, diskShelf()));
  assert.is(refused.code, "HOST");
  assert.match(refused.message, /hf:some\/secret is not there, or not for everybody: .*HF_TOKEN/);
  assert.match((await errorOf(() => pull("hf:some/secret", { token: "hf_wrong" }))).message, /not for everybody/);
  assert.is((await errorOf(() => pull("hf:some/secret", { token: "a\nb: c" }))).code, "BAD_ARGUMENT");
  hub.asked.length = 0;
  process.env["HF_TOKEN"] = "hf_right";
  try {
    await located("hf:some/secret", {}, diskShelf());
    for (const { where, authorization } of hub.asked) {
      assert.is(authorization, where === "hub" ? "Bearer hf_right" : undefined, where);
    }
    assert.is(hub.count("store"), 1);
    // A token of the environment is not for a hub that the program names.
    hub.asked.length = 0;
    await pull("hf:some/one", { hub: hub.address });
    assert.ok(hub.asked.every(({ authorization }) => authorization === undefined));
  } finally {
    delete process.env["HF_TOKEN"];
  }
});

hubTest("a hub that answers what is none: pages, packed pages, lists of other things, loops", async (hub) => {
  const say = (status: number, text: string, headers = {}) => {
    hub.broken = (_, response) => void response.writeHead(status, headers).end(text);
  };
  for (const [status, text, words] of [
    [200, "<html>Log in</html>", /list of files of hf:some\/one cannot be read/],
    [200, '{"error":"x"}', /no list of files/],
    [200, "[]", /has no GGUF file/],
    [500, "", /answers 500: try again later/],
    [404, "<html>", /is not there/],
  ] as const) {
    say(status, text);
    const error = await errorOf(() => located("hf:some/one", {}, diskShelf()));
    assert.is(error.code, "HOST", error.message);
    assert.match(error.message, words);
  }
  hub.broken = (request, response) => void response.writeHead(302, { location: request.url }).end();
  assert.match((await errorOf(() => located("hf:some/one", {}, diskShelf()))).message, /for ever/);
  hub.broken = (_, response) => void response.writeHead(302, { location: "file:///etc/passwd" }).end();
  assert.match((await errorOf(() => located("hf:some/one", {}, diskShelf()))).message, /not fetched/);
  // The list is right, and the file is a page.
  hub.broken = (request, response) => {
    if (request.url?.startsWith("/api/")) {
      response.end(JSON.stringify([{ type: "file", path: "one.gguf", size: 5 }]));
    } else response.writeHead(200, { "content-length": 18 }).end("<html>login</html>");
  };
  const page = await errorOf(() => located("hf:some/one", {}, diskShelf()));
  assert.is(page.code, "BAD_FILE");
  assert.match(page.message, /gives no GGUF file/);
  assert.equal(filesLeft(), []);
  for (const address of ["ftp://x", "nonsense", ""]) {
    assert.is((await errorOf(() => hubOf({ hub: address || "x" }, {}))).code, "BAD_ARGUMENT");
  }
  // What the network has lost is asked for again.
  let lost = 2;
  hub.broken = (_, response) => {
    if (--lost === 0) hub.broken = null;
    response.destroy();
  };
  assert.is((await located("hf:some/one", {}, diskShelf())).length, 1);
  assert.is(hubOf({}, {}).address, "https://huggingface.co");
  assert.is(hubOf({ hub: "https://mirror.example/hf/" }, {}).address, "https://mirror.example/hf");
});

hubTest("of processes that ask at once, one fetches", async (hub) => {
  hub.slow = 5;
  const all = await Promise.all([1, 2, 3].map(() => cli("pull", "hf:some/large").done));
  assert.equal(
    all.map(({ status }) => status),
    [0, 0, 0],
    all.map(({ err }) => err).join(),
  );
  assert.is(hub.count("store"), 1);
  assert.ok(Buffer.compare(fs.readFileSync(all[0].out.trim()), LARGE) === 0);
  assert.equal(filesLeft(), ["large.gguf", "large.gguf.json"]);
});

hubTest("a lock whose holder is dead is taken over, and an abort ends the wait for one that lives", async () => {
  const [path] = (await located("hf:some/one", {}, diskShelf())) as string[];
  fs.rmSync(path);
  fs.writeFileSync(`${path}.lock`, "1 somebody");
  const old = new Date(Date.now() - 60_000);
  fs.utimesSync(`${path}.lock`, old, old);
  await located("hf:some/one", {}, diskShelf());
  assert.equal(filesLeft(), ["one.gguf", "one.gguf.json"]);
  fs.rmSync(path);
  fs.writeFileSync(`${path}.lock`, "1 somebody");
  const signal = AbortSignal.timeout(300);
  const error = await errorOf(() => located("hf:some/one", { signal }, diskShelf()));
  assert.is(error.name, "TimeoutError");
});

hubTest("a full disk is said in words, and what was fetched is kept", async (hub) => {
  let room = 9 << 20;
  const full = new Proxy(fs, {
    get(target, name) {
      if (name !== "writeSync") return target[name as keyof typeof fs];
      return (file: number, bytes: Uint8Array, from: number, length: number, at: number) => {
        if (room < length) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
        room -= length;
        return fs.writeSync(file, bytes, from, length, at);
      };
    },
  }) as unknown as Files;
  const error = await errorOf(() => located("hf:some/large", {}, diskShelf(FOLDER, full)));
  assert.is(error.code, "HOST");
  assert.match(error.message, /the disk is full: make room/);
  room = Number.POSITIVE_INFINITY;
  const [path] = (await located("hf:some/large", {}, diskShelf(FOLDER, full))) as string[];
  assert.ok(Buffer.compare(fs.readFileSync(path), LARGE) === 0);
  assert.is(hub.asked.at(-1)!.range, `bytes=${8 << 20}-`);
});

hubTest("limpet pull, list and rm, and generate by name", async (hub) => {
  const pulled = await cli("pull", "hf:some/tales").done;
  assert.equal([pulled.status, pulled.err], [0, ""]);
  assert.match(pulled.out, /tales-Q4_K_M\.gguf\n$/);
  const text = await cli("generate", "hf:some/tales", "A limpet holds", "--temp", "0", "-n", "8").done;
  assert.equal([text.status, text.out], [0, " on to its rock through every storm.\n"], text.err);
  await cli("pull", "hf:some/one/one.gguf@v2").done;
  const list = await cli("list").done;
  assert.match(list.out, /^hf:some\/one\/one\.gguf@v2 +[\d.]+ MB\nhf:some\/tales\/tales-Q4_K_M\.gguf +[\d.]+ MB\n$/);
  assert.is((await cli("rm", "hf:some/nosuch").done).status, 1);
  const gone = await cli("rm", "hf:some/tales").done;
  assert.equal([gone.status, gone.out], [0, "hf:some/tales/tales-Q4_K_M.gguf\n"]);
  assert.is((await cli("rm", "hf:some/one/one.gguf").done).status, 1, "of another revision");
  assert.is((await cli("rm", "hf:some/one/one.gguf@v2").done).status, 0);
  assert.equal(fs.readdirSync(FOLDER), [], "no empty folder is left");
  assert.equal(await cli("list").done, { status: 0, out: "", err: "" });
  const out = await cli("pull", "hf:some/../x").done;
  assert.is(out.status, 1);
  const hint = await cli("generate", "some/tales", "-p", "a").done;
  assert.match(hint.err, /there is no such file; of a hub it is hf:some\/tales/);
  assert.is(hub.count("store"), 2);
});

test("a page keeps models of a name in its own file system", async () => {
  installOpfs();
  const hub = await new Hub(REPOSITORIES).open();
  process.env["LIMPET_HUB"] = hub.address;
  const shelf = opfsShelf();
  hub.cuts.push(9 << 20);
  const [file] = (await located("hf:some/large", {}, shelf)) as File[];
  assert.is(file.size, LARGE.length);
  assert.ok(Buffer.compare(new Uint8Array(await file.arrayBuffer()), LARGE) === 0);
  assert.is((await located("hf:some/split:Q8_0", {}, shelf)).length, 3);
  const asked = hub.asked.length;
  await located("hf:some/large", {}, shelf);
  assert.is(hub.asked.length, asked);
  assert.is((await keptModels(shelf)).length, 4);
  await removeKept("hf:some/split", shelf);
  assert.equal(
    (await keptModels(shelf)).map(({ name }) => name),
    ["hf:some/large/large.gguf"],
  );
  hub.close();
});

test("the folder of each system, and names that every system holds", () => {
  const win = { platform: "win32", home: "C:\\Users\\a b", path: win32 };
  const folders: [object, string][] = [
    [{ platform: "linux", env: {}, home: "/home/a", path: posix }, "/home/a/.cache/limpet"],
    [{ platform: "linux", env: { XDG_CACHE_HOME: "/c" }, home: "/home/a", path: posix }, "/c/limpet"],
    [{ platform: "linux", env: { XDG_CACHE_HOME: "c" }, home: "/home/a", path: posix }, "/home/a/.cache/limpet"],
    [{ platform: "darwin", env: {}, home: "/Users/a", path: posix }, "/Users/a/Library/Caches/limpet"],
    [{ ...win, env: { LOCALAPPDATA: "D:\\Local" } }, "D:\\Local\\limpet"],
    [{ ...win, env: {} }, "C:\\Users\\a b\\AppData\\Local\\limpet"],
    [{ ...win, env: { LIMPET_CACHE: "E:\\models" } }, "E:\\models"],
  ];
  for (const [system, folder] of folders) assert.is(cacheFolder(system as never), folder);
  const names: [string, string][] = [
    ["model-Q4_K_M.gguf", "model-Q4_K_M.gguf"],
    ["127.0.0.1:8080", "127.0.0.1%3A8080"],
    ["refs/pr/1", "refs%2Fpr%2F1"],
    ["con", "%63on"],
    ["AUX.gguf", "%41UX.gguf"],
    ["com1", "%63om1"],
    ["console", "console"],
    ["a.", "a%2E"],
    ["a ", "a%20"],
    ['<>:"/\\|?*%', "%3C%3E%3A%22%2F%5C%7C%3F%2A%25"],
    ["..", ".%2E"],
    ["é 中", "é 中"],
  ];
  for (const [name, safe] of names) {
    assert.is(fileNameOf(name), safe);
    assert.is(win32.basename(win32.join("C:\\x", safe)), safe, "it leads nowhere else");
  }
  assert.is(new Set(names.map(([name]) => fileNameOf(name))).size, names.length);
});

test.run();
