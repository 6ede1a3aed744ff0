/**
 * The boundary: instances from every kind of source, and views that outlive growth and reach above 2 GiB.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { instantiate, instantiateSync } from "../bindings/instantiate.ts";
import { address, Memory } from "../bindings/memory.ts";
import { bothCores, sameBits, wasmBytes } from "./support/core.ts";

const wasm = wasmBytes("limpet.wasm");
const response = (type: string, body: BodyInit = wasm, status = 200) =>
  new Response(body, { status, headers: { "content-type": type } });

async function rejects(promise: Promise<unknown>, message: RegExp) {
  const error = await promise.then(
    () => assert.unreachable("should have failed"),
    (reason: Error) => reason,
  );
  assert.match((error as Error).message, message);
}

test("bytes, a module and a response all become an instance", async () => {
  const { module } = instantiateSync(wasm);
  for (const source of [wasm, wasm.buffer, module, response("application/wasm"), response("text/plain")]) {
    const { exports } = await instantiate(source);
    assert.ok(exports.core_create() > 0);
  }
});

test("a page in the place of the wasm is named", async () => {
  const page = "<!doctype html><title>Not here</title>";
  await rejects(instantiate(response("text/html", page)), /got an HTML page: check the path/);
  await rejects(instantiate(response("text/html", page, 404)), /answered 404/);
  await rejects(instantiate(new Uint8Array(3)), /got 3 bytes/);
  assert.throws(() => instantiateSync(new ArrayBuffer(64)), /got 64 bytes that are something else/);
});

test("views are made anew when memory grows", () => {
  const raw = new WebAssembly.Memory({ initial: 1 });
  const memory = new Memory(raw);
  memory.writeU32(16, 0xfeedbeef);
  const before = memory.bytes;
  raw.grow(1);
  assert.is(memory.readU32(16), 0xfeedbeef);
  assert.is(before.length, 0);
  assert.is(memory.bytes.length, 2 * 65536);
  assert.is(memory.size, 2 * 65536);
});

test("pointers above 2 GiB arrive negative and are put right", () => {
  const pages = 0xa000;
  const memory = new Memory(new WebAssembly.Memory({ initial: pages }));
  const pointer = (0x9000_0000 | 0) as number;
  assert.is(address(pointer), 0x9000_0000);
  memory.writeF64(pointer, 1.5);
  memory.writeU64(pointer + 8, 2n ** 63n + 1n);
  assert.is(memory.readF64(pointer), 1.5);
  assert.is(memory.f64(pointer, 1)[0], 1.5);
  assert.is(memory.readU64(pointer + 8), 2n ** 63n + 1n);
  assert.is(memory.bytes[0x9000_0007], 0x3f);
});

test("text is UTF-8 by length: NUL and a BOM are text", () => {
  const [core] = bothCores();
  const text = "\ufeffa\0b – 漢字 🐚";
  const bytes = new TextEncoder().encode(text);
  assert.is(core.text(core.put(text), bytes.length), text);
});

test("an allocation that cannot be is an error with words, and the instance goes on", () => {
  for (const core of bothCores()) {
    assert.throws(() => core.allocate(2 ** 32), /not enough memory/);
    assert.is(core.errorCode, -1);
    const numbers = new Float32Array([1, -0, Number.NaN]);
    assert.ok(sameBits(core.f32(core.put(numbers), 3), numbers));
  }
});

test.run();
