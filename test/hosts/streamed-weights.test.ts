/** Weights left in the file and asked for pass by pass: the same bits as weights in memory, whatever the chunks. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { address } from "../../bindings/memory.ts";
import { Form, KvType, Status, Streamed } from "../../bindings/numbers.ts";
import { type Build, loadCore } from "../support/core.ts";
import { feed } from "../support/engine.ts";
import { conform, DECODER_TEXT_NAMES, PROMPT, type Reference, recite, TEXT_TOKENS } from "./conformance.ts";

const { DONE, NEED_DATA, TOKEN } = Status;
const { F16 } = KvType;
const { ABSORBED } = Form;

/** A core with a model whose weights are left in its file. */
function openStreamed(build: Build, path: string) {
  const file = new Uint8Array(readFileSync(path));
  const core = loadCore(build);
  const check = (status: number) => {
    if (status < 0) throw new Error(core.message);
    return status;
  };
  /** Steps until it is done, with a file's data where it is asked for; gives other statuses to `take`. */
  const run = (kind: "model" | "context", handle: number, step = `${kind}_step`, state = handle, take = () => {}) => {
    for (let status = -1; status !== DONE; ) {
      status = check(core.call(step, state));
      if (status === NEED_DATA) feed(core, kind, handle, file);
      else if (status === TOKEN) take();
    }
  };
  const model = address(core.call("model_create", core.core, 1, 0));
  check(core.call("model_stream", model, Streamed.ALL, 0));
  check(core.call("model_set_file_size", model, 0, BigInt(file.length)));
  run("model", model);
  const context = (rows: number, chunk: number, logits: number) =>
    address(core.call("context_create", core.core, model, rows, chunk, logits, 1, F16)) || check(-1);
  return { core, model, check, run, context };
}

/** As logitsHere, the weights left in the file, `chunk` tokens at once. */
function logitsStreamed(build: Build, { path, tokens }: Reference & { path: string }, chunk: number): Uint8Array {
  const { core, model, check, run, ...own } = openStreamed(build, path);
  const context = own.context(tokens.length, chunk, chunk);
  core.call("context_set_form", context, ABSORBED);
  const rows: Uint8Array[] = [];
  for (let first = 0; first < tokens.length; first += chunk) {
    core.memory.write(core.call("context_ids", context), Uint32Array.from(tokens.slice(first, first + chunk)));
    const positions = Int32Array.from({ length: chunk }, (_, i) => first + i);
    core.memory.write(core.call("context_positions", context), positions);
    core.memory.write(core.call("context_wanted", context), new Uint8Array(chunk).fill(1));
    check(core.call("context_begin", context, chunk, 0, core.call("model_layers", model)));
    run("context", context);
    const bytes = chunk * core.call("model_vocabulary", model) * 4;
    rows.push(core.u8(address(core.call("context_logits", context)), bytes));
  }
  return new Uint8Array(Buffer.concat(rows));
}

/** The text of a trained model, its weights left in the file. */
function textStreamed(build: Build, path: string): string {
  const { core, check, run, context: create } = openStreamed(build, path);
  const context = create(128, 8, 1);
  const session = address(core.call("session_create", core.core, context, 0)) || check(-1);
  const prompt = new TextEncoder().encode(PROMPT);
  check(core.call("session_append_text", session, core.put(prompt), prompt.length, 3));
  check(core.call("session_begin", session, TEXT_TOKENS, 0, 0));
  let text = "";
  run("context", context, "session_step", session, () => {
    text += core.text(core.call("session_text", session), core.call("session_text_length", session));
  });
  return text;
}

const host = `Node ${process.versions.node}`;
for (const [build, chunk] of [
  ["portable", 8],
  ["scalar", 1],
] as const) {
  const row = { host, build: `${build}, weights left in the file` };
  conform(row, (model) => logitsStreamed(build, model, chunk));
  recite(row, (path) => textStreamed(build, path), DECODER_TEXT_NAMES);
}

test("whether weights stay in the file is said before loading begins", () => {
  const core = loadCore("portable");
  const model = address(core.call("model_create", core.core, 1, 0));
  core.call("model_set_file_size", model, 0, 100n);
  assert.is(core.call("model_step", model), NEED_DATA);
  core.memory.write(core.call("model_request_destination", model), new Uint8Array(100));
  assert.ok(core.call("model_step", model) < 0);
  assert.is(core.call("model_stream", model, Streamed.ALL, 0), -6);
  assert.match(core.message, /before loading begins/);
});

test.run();
