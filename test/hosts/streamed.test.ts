/** Weights left in the file and asked for pass by pass: the same bits as weights in memory, whatever the chunks. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { address } from "../../bindings/memory.ts";
import { type Build, loadCore } from "../support/core.ts";
import { feed } from "../support/engine.ts";
import { conform, type Reference } from "./conformance.ts";

const [DONE, NEED_DATA] = [0, 2];
const [F16, ABSORBED] = [1, 1];

/** As logitsHere, the weights left in the file, `chunk` tokens at once. */
function logitsStreamed(build: Build, { path, tokens }: Reference & { path: string }, chunk: number): Uint8Array {
  const file = new Uint8Array(readFileSync(path));
  const core = loadCore(build);
  const check = (status: number) => {
    if (status < 0) throw new Error(core.message);
    return status;
  };
  const run = (kind: "model" | "context", handle: number) => {
    for (let status = -1; status !== DONE; ) {
      status = check(core.call(`${kind}_step`, handle));
      if (status === NEED_DATA) feed(core, kind, handle, file);
    }
  };
  const model = address(core.call("model_create", core.core, 1, 0));
  check(core.call("model_stream", model, 1, 0));
  check(core.call("model_set_file_size", model, 0, BigInt(file.length)));
  run("model", model);
  const context =
    address(core.call("context_create", core.core, model, tokens.length, chunk, chunk, 1, F16)) || check(-1);
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

const host = `Node ${process.versions.node}`;
conform({ host, build: "portable, weights left in the file" }, (model) => logitsStreamed("portable", model, 8));
conform({ host, build: "scalar, weights left in the file" }, (model) => logitsStreamed("scalar", model, 1));

test("whether weights stay in the file is said before loading begins", () => {
  const core = loadCore("portable");
  const model = address(core.call("model_create", core.core, 1, 0));
  core.call("model_set_file_size", model, 0, 100n);
  assert.is(core.call("model_step", model), NEED_DATA);
  core.memory.write(core.call("model_request_destination", model), new Uint8Array(100));
  assert.ok(core.call("model_step", model) < 0);
  assert.is(core.call("model_stream", model, 1, 0), -6);
  assert.match(core.message, /before loading begins/);
});

test.run();
