/** limpet/ai-sdk under the AI SDK itself: `ai` 7, which needs Node 22, and `ai` 6, from the packed package. */
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { modelBytes } from "../support/models.ts";
import { project, run } from "./project.ts";
import { ROOT, withTools } from "./tools.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

withTools(["node24", "npm:ai", "npm:ai6"], (node24) => {
  for (const [sdk, node] of [
    ["ai", node24],
    ["ai6", process.execPath],
  ]) {
    test(`${sdk}: text, streams, objects, vectors, aborts and errors`, async () => {
      const folder = await project(`with-${sdk}`, {});
      const packages = join(folder, "node_modules");
      mkdirSync(packages, { recursive: true });
      symlinkSync(join(ROOT, "build/hosts/npm/node_modules", sdk), join(packages, sdk));
      symlinkSync(join(ROOT, "node_modules/zod"), join(packages, "zod"));
      cpSync(join(ROOT, "test/hosts/ai-sdk.mjs"), join(folder, "main.mjs"));
      const model = join(folder, "tiny.gguf");
      writeFileSync(model, modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]));
      const said = JSON.parse((await run(node, ["main.mjs", sdk, model], folder)).stdout);
      assert.is(said.text, said.expected);
      assert.equal(said.finish, ["length", "length"]);
      assert.equal(said.usage, [said.inputTokens, 12]);
      assert.equal(said.warnings, []);
      assert.is(said.modelId, "tiny");
      assert.equal(said.metadata, ["prefillMs", "decodeMs"]);
      assert.is(said.streamed, said.expected);
      assert.ok(said.pieces > 1);
      assert.is(said.streamFinish, "length");
      assert.is(said.streamUsage, 12);
      assert.ok(said.cached >= said.inputTokens, `${said.cached} of ${said.inputTokens} tokens and more were there`);
      assert.is(said.begun, said.begunExpected);
      for (const object of [said.object, said.streamedObject]) {
        assert.ok(["red", "green"].includes(object.colour));
        assert.ok(Number.isInteger(object.count) && object.count >= 0 && object.count <= 9);
      }
      assert.match(said.settled, /^(yes|no)$/);
      assert.match(said.own, /^(left|right)$/);
      assert.is(said.abort, "AbortError");
      assert.is(said.cut, "abort");
      assert.ok(said.calls.length > 0);
      for (const call of said.calls) assert.equal(call, ["weather", true]);
      for (const result of said.results) assert.ok(result);
      assert.is(said.callFinish, "tool-calls");
      assert.equal(said.callWarnings, []);
      const events = ["tool-call", "tool-input-delta", "tool-input-end", "tool-input-start", "tool-result"];
      assert.equal(said.callEvents.sort(), events);
      assert.is(said.callInput, said.callSame);
      assert.ok(said.callDeltas.replace(/\s/g, "").startsWith(said.callInput));
      assert.ok(said.after > 0);
      assert.ok(said.embedMany);
      assert.ok(said.embed);
      assert.ok(said.embedTokens > 3);
      assert.match(said.image, /file cannot be given/);
      assert.match(said.noFile, /no such file/);
      assert.match(said.ranks, /rank/);
      assert.is(said.byPath, said.expected);
    });
  }
});

test.run();
