/** The wheel in an empty venv: pip alone, the texts of other engines and hosts, the vectors of Node bit by bit. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Graph } from "../../src/graph.ts";
import { Model } from "../../src/index.ts";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import { modelBytes } from "../support/models.ts";
import { record, reference } from "./conformance.ts";
import { output, ROOT, withTools } from "./tools.ts";
import { buildWheel, unpackWheel } from "./wheel.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const FOLDER = mkdtempSync(join(tmpdir(), "limpet-python-"));
process.on("exit", () => rmSync(FOLDER, { recursive: true, force: true }));

const NETWORK = join(ROOT, "test/fixtures/sounds-tiny-transformer.tflite");
/** What a piece of work is refused with, in Python. */
const WHY = `def why(work):
    try:
        work()
    except LimpetError as error:
        return [error.code, str(error)]`;
const TEXTS = ["A cat sleeps.", "", "Rates rose again, and nobody was surprised by that at all.", "x", "ÄÖ 猫 👩‍🔬"];
const MESSAGES = [
  { role: "system" as const, content: "Be brief." },
  { role: "user" as const, content: "Hello <|im_end|> there" },
];

/** The path of a made model. */
const made = (kind: string, metadata: Parameters<typeof modelBytes>[2] = []): string => {
  const path = join(FOLDER, `${kind}-${metadata.length}.gguf`);
  writeFileSync(path, modelBytes(kind, undefined, metadata));
  return path;
};

withTools(["python3:hatchling", "python3:wasmtime"], (python) => {
  let venv: string | null = null;
  /** The Python of a venv in which nothing is but the wheel and what it asks for. */
  const installed = (): string => {
    if (venv) return venv;
    output(python, "-m", "venv", join(FOLDER, "venv"));
    const own = join(FOLDER, "venv/bin/python");
    const pip = ["-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-index"];
    output(own, ...pip, "--find-links", join(ROOT, "build/hosts/wheels"), buildWheel(python));
    venv = own;
    return own;
  };
  /** What a program says, as JSON. */
  const say = (program: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(installed(), ["-c", program, ...args], {
      cwd: FOLDER,
      encoding: "utf8",
      timeout: 60_000,
    });
    assert.is(status, 0, stderr);
    return JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
  };
  const hex = (vector: Float32Array): string =>
    Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("hex");

  test("the venv holds the wheel and wasmtime alone", () => {
    const list = output(installed(), "-m", "pip", "--disable-pip-version-check", "list", "--format", "freeze");
    const names = list.split("\n").map((line) => line.split("=")[0]);
    assert.equal(
      names.filter((name) => name && !["pip", "setuptools"].includes(name)),
      ["limpet", "wasmtime"],
    );
  });

  test("generate: llama.cpp's text", () => {
    const { path } = reference("stories260K");
    if (path === null) return;
    const program = `
import json, sys
from limpet import Model
model = Model(sys.argv[1])
pieces = list(model.generate(sys.argv[2], max_tokens=120))
print(json.dumps(["".join(pieces), len(pieces)]))`;
    const [text, pieces] = say(program, path, stories.prompt);
    assert.is(text, stories.text);
    assert.ok(pieces > 60);
    record({ host: "Python (wheel)", build: "portable" }, "stories260K: text", "ok");
  });

  test("generate and chat: Node's text at any temperature, alone and in shared passes", async () => {
    const path = made("llama-tiny", [["tokenizer.chat_template", "string", CHATML]]);
    const program = `
import json, sys
from limpet import Model
model = Model(sys.argv[1])
messages, prompts = json.loads(sys.argv[2]), json.loads(sys.argv[3])
bold = dict(temperature=1.2, top_k=40, min_p=0.01, repeat_penalty=1.1, presence_penalty=0.3, seed=2**64 - 3, max_tokens=40)
alone = [model.generate(prompt, **bold).text() for prompt in prompts]
together = model.generate_all(prompts, together=3, **bold)
chat = model.chat(messages, stop=["e", "zz"], max_tokens=30)
print(json.dumps({
    "alone": alone, "together": [one.text for one in together], "finish": together[0].finish_reason,
    "chat": chat.text(), "why": chat.result.finish_reason, "tokens": model.chat_tokens(messages),
    "mixed": [one.text for one in model.generate_all([messages, prompts[0], [5, 6, 7]], max_tokens=5)],
    "round": model.detokenize(model.tokenize("Grüße, 猫")),
}))`;
    const prompts = ["Hello", "Once upon a time", "A", "The end of the beginning"];
    const said = say(program, path, JSON.stringify(MESSAGES), JSON.stringify(prompts));
    const model = await Model.load(path);
    const bold = { temperature: 1.2, topK: 40, minP: 0.01, repeatPenalty: 1.1, presencePenalty: 0.3, maxTokens: 40 };
    const seed = 2n ** 64n - 3n;
    const here: string[] = [];
    for (const prompt of prompts) here.push(await model.generate(prompt, { ...bold, seed }).text());
    assert.equal(said.alone, here);
    assert.equal(said.together, here);
    assert.is(said.finish, "length");
    const chat = model.chat(MESSAGES, { stop: ["e", "zz"], maxTokens: 30 });
    assert.is(said.chat, await chat.text());
    assert.is(said.why, chat.result!.finishReason);
    assert.equal(said.tokens, await model.chatTokens(MESSAGES));
    const five = { maxTokens: 5 };
    assert.equal(said.mixed, [
      await model.chat(MESSAGES, five).text(),
      await model.generate(prompts[0], five).text(),
      await model.generate([5, 6, 7], five).text(),
    ]);
    assert.is(said.round, "Grüße, 猫");
  });

  test("embed: Node's vectors, bit by bit, of an encoder and of a decoder", async () => {
    const program = `
import json, sys
from limpet import Model
model = Model(sys.argv[1])
texts = json.loads(sys.argv[2])
say = lambda vectors: [vector.tobytes().hex() for vector in vectors]
print(json.dumps([say(model.embed(texts)), say(model.embed(texts, pooling="mean", normalize=False, dimensions=16))]))`;
    const texts = Array.from({ length: 40 }, (_, i) => `${TEXTS[i % TEXTS.length]} ${"word ".repeat(i)}`.trim());
    for (const kind of ["bert-tiny", "llama-tiny"]) {
      const path = made(kind);
      const model = await Model.load(path);
      const [plain, other] = say(program, path, JSON.stringify(texts));
      assert.equal(plain, (await model.embed(texts)).map(hex), kind);
      const options = { pooling: "mean", normalize: false, dimensions: 16 } as const;
      assert.equal(other, (await model.embed(texts, options)).map(hex), kind);
    }
  });

  test("the code of python/README.md runs as it stands", () => {
    const readme = readFileSync(join(ROOT, "python/README.md"), "utf8");
    const [[, code], [, graphs]] = readme.matchAll(/```python\n([\s\S]*?)```/g);
    const model = modelBytes("llama-tiny", undefined, [["tokenizer.chat_template", "string", CHATML]]);
    writeFileSync(join(FOLDER, "model.gguf"), model);
    assert.equal(say(`${code}\nimport json\nprint()\nprint(json.dumps([len(answers), len(vectors)]))`), [3, 2]);
    copyFileSync(NETWORK, join(FOLDER, "sounds.tflite"));
    writeFileSync(join(FOLDER, "features.raw"), new Uint8Array(4 * 49 * 40));
    assert.equal(say(`${graphs}\nimport json\nprint(json.dumps(scores.shape))`), [1, 10]);
  });

  test("graphs: Node's bits without numpy, two at once; what goes wrong is a LimpetError, and closed is closed", async () => {
    const program = `
import array, json, sys, threading
from limpet import Graph, LimpetError
${WHY}
path = sys.argv[1]
file = open(path, "rb").read()
one, other = Graph.load(path), Graph.load(memoryview(file))
name = one.inputs[0].name
flat = array.array("f", (i % 7 / 7 for i in range(1960)))
shaped = memoryview(flat).cast("B").cast("f", one.inputs[0].shape)
run = lambda value, graph=one: next(iter(graph.run({name: value}).values()))
first = run(flat)
same = [run(shaped) == first, run(flat.tobytes()) == first, run(array.array("f", bytes(7840)), other) != first, run(flat) == first]
# Of threads that run one graph, one does and the others are told.
answers = []
def work():
    for _ in range(8):
        try:
            answers.append(run(flat) == first)
        except LimpetError as error:
            answers.append(error.code)
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
wrong = [
    why(lambda: run(array.array("d", bytes(8 * 1960)))), why(lambda: run(array.array("f", bytes(4)))),
    why(lambda: run(memoryview(flat).cast("B").cast("f", (49, 40)))), why(lambda: run(bytes(3))), why(lambda: run([0.5])),
    why(lambda: one.run({})), why(lambda: one.run({name: flat, "no": flat})), why(lambda: one.run(flat)),
]
# A wrong input has changed nothing.
same.append(run(flat) == first)
broken = [why(lambda: Graph.load(file[: len(file) // 2])), why(lambda: Graph.load(b"")), why(lambda: Graph.load("no.tflite"))]
broken += [why(lambda: Graph.load(path, memory=100)), why(lambda: Graph.load(path, memory=-1)), why(lambda: Graph.load(5))]
with one:
    pass
one.close()
closed = [why(lambda: run(flat)), why(one.reset)]
print(json.dumps({
    "bytes": first.tobytes().hex(), "about": [first.format, first.shape], "same": same, "wrong": wrong, "broken": broken,
    "closed": closed, "answers": [all(a in (True, "WRONG_STATE") for a in answers), True in answers], "macs": one.plan.macs,
}))`;
    const said = say(program, NETWORK);
    const graph = await Graph.load(NETWORK);
    const values = Float32Array.from({ length: 1960 }, (_, i) => (i % 7) / 7);
    const [here] = Object.values(await graph.run({ [graph.inputs[0].name]: values })) as Float32Array[];
    assert.is(said.bytes, hex(here));
    assert.equal(said.about, ["f", [1, 10]]);
    assert.equal(said.same, [true, true, true, true, true]);
    assert.equal(said.answers, [true, true]);
    assert.is(said.macs, graph.macs);
    const codes = (some: [string, string][]) => some.map((one) => one?.[0]).join(" ");
    assert.is(codes(said.wrong), Array(8).fill("BAD_ARGUMENT").join(" "), JSON.stringify(said.wrong));
    assert.is(said.wrong[2][1], "input input wants float32 [1, 49, 40], not [49, 40]");
    assert.is(codes(said.broken), "BAD_FILE BAD_FILE HOST OUT_OF_MEMORY BAD_ARGUMENT BAD_ARGUMENT");
    assert.match(said.broken[3][1], /take at least \d+ bytes/);
    assert.is(codes(said.closed), "WRONG_STATE WRONG_STATE");
    graph.dispose();
  });

  test("what goes wrong is a LimpetError with a code and words", () => {
    writeFileSync(join(FOLDER, "broken.gguf"), "not a model");
    const program = `
import json, sys
from limpet import LimpetError, Model
${WHY}
model = Model(sys.argv[1], context=40)
print(json.dumps([
    why(lambda: Model("no-such.gguf")), why(lambda: Model("broken.gguf")), why(lambda: model.generate("x" * 100).text()),
    why(lambda: model.generate("x", max_token=3).text()), why(lambda: model.generate("x", temperature=-1).text()),
    why(lambda: model.chat([{"role": "user", "content": "x"}])), why(lambda: model.embed("text")),
    why(lambda: model.generate([10**9]).text()), why(lambda: model.generate("x", table=b"none").text()),
]))`;
    const said = say(program, made("llama-tiny"));
    const codes = "HOST BAD_FILE CONTEXT_FULL BAD_ARGUMENT BAD_ARGUMENT UNSUPPORTED BAD_ARGUMENT BAD_ARGUMENT BAD_FILE";
    assert.equal(
      said.map((one: [string, string] | null) => one?.[0]),
      codes.split(" "),
      JSON.stringify(said),
    );
    assert.match(said[1][1], /not a GGUF file/);
    assert.match(said[3][1], /max_token/);
  });

  test("a hundred answers leave no memory behind", () => {
    const program = `
import json, sys
from limpet import Model
model = Model(sys.argv[1])
used = lambda: model._core.call("core_used", model._core.pointer)
model.generate("Hello", max_tokens=5).text()
before = used()
for _ in range(100):
    model.generate("Hello", max_tokens=5).text()
    next(model.generate("Hello", max_tokens=5))
    model.embed(["Hello"])
try:
    model.generate("x", temperature=-1).text()
except Exception:
    pass
print(json.dumps([before, used()]))`;
    const [before, after] = say(program, made("llama-tiny"));
    assert.is(after, before);
  });
});

withTools(["python3:mypy", "python3:hatchling"], (python) => {
  test("mypy --strict finds nothing", () => {
    output(python, "-m", "mypy", "--strict", "--cache-dir", join(FOLDER, "mypy"), join(unpackWheel(python), "limpet"));
  });
});

withTools(["python3:numpy", "python3:hatchling", "python3:wasmtime"], (python) => {
  test("Embed and Generate add a column to a batch of columns; they travel without the model", () => {
    const path = made("llama-tiny");
    const program = `
import json, pickle, sys
import numpy
from limpet import Embed, Generate, Model
texts = numpy.array(["Hello", "A cat sleeps.", "x"], dtype=object)
embed = pickle.loads(pickle.dumps(Embed(sys.argv[1])))
batch = embed({"text": texts, "id": numpy.arange(3)})
generate = Generate(sys.argv[1], column="text", output="more", max_tokens=6)
more = generate({"text": texts})["more"]
model = Model(sys.argv[1])
print(json.dumps([
    batch["embedding"].shape[0] == 3 and str(batch["embedding"].dtype) == "float32" and list(batch["id"]) == [0, 1, 2],
    [v.tobytes() for v in batch["embedding"]] == [v.tobytes() for v in model.embed(list(texts))],
    list(more) == [model.generate(text, max_tokens=6).text() for text in texts],
    len(pickle.dumps(embed)) < 1000 and len(pickle.dumps(generate)) < 1000,
]))`;
    process.env.PYTHONPATH = unpackWheel(python);
    assert.equal(JSON.parse(output(python, "-c", program, path)), [true, true, true, true]);
    delete process.env.PYTHONPATH;
  });
});

test.run();
