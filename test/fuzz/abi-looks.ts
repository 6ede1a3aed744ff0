/** What the fuzzer of exports asks a context and its model about themselves. */
import type { TestCore } from "../support/core.ts";
import type { LiveContext } from "./abi.ts";
import type { Random } from "./random.ts";

const TOLD = "layers hidden vocabulary context_length batch state state_bytes vocabulary_only can_shift".split(" ");

/** Who asks: the machine that calls. */
export interface Looks {
  readonly core: TestCore;
  readonly random: Random;
  readonly called: Map<string, number>;
  call(name: string, ...values: (number | bigint)[]): number;
  status(name: string, ...values: (number | bigint)[]): number;
  small(): number;
  with(bytes: Uint8Array, work: (pointer: number) => void): void;
}

/** What a context says of vectors, whether it has any. */
export function lookAtVectors(machine: Looks, { handle, model }: LiveContext): void {
  const { random } = machine;
  const width = machine.call("model_vector_width", model.handle);
  for (const name of ["pooling", "has_logits", "is_within"]) machine.call(`model_${name}`, model.handle);
  machine.call("context_pooling", handle);
  const count = machine.call("context_vector_count", handle);
  const index = random.oneIn(3) ? machine.small() : random.below(Math.max(count, 1));
  const dimensions = random.oneIn(3) ? machine.small() : random.below(width + 2);
  // More than there are is refused, and written nowhere.
  const target = machine.core.allocate(4 * Math.max(1, Math.min(dimensions, width)));
  machine.status("context_put_vector", handle, index, dimensions, random.below(3), target);
  machine.core.release(target);
  const [query, document] = [random.bytes(random.below(20)), random.bytes(random.below(20))];
  const capacity = random.below(40);
  machine.with(query, (from) =>
    machine.with(document, (to) =>
      machine.with(new Uint8Array(4 * capacity), (ids) => {
        const lengths = [from, query.length, to, document.length];
        machine.call("model_tokenize_pair", machine.core.core, model.handle, ...lengths, ids, capacity);
      }),
    ),
  );
}

/** Everything that a context tells of itself. */
export function lookAtContext(machine: Looks, { handle, model, logitRows, batch }: LiveContext): void {
  const { exports } = machine.core;
  for (const name of ["context_cache_bytes", "context_request_offset"]) machine.called.set(name, 1);
  exports["context_cache_bytes"](handle);
  for (const name of ["token_bytes", "at", "layer", "request_count"]) machine.call(`context_${name}`, handle);
  const index = machine.small();
  for (const name of ["file", "length", "destination"]) machine.call(`context_request_${name}`, handle, index);
  exports["context_request_offset"](handle, index);
  for (const name of ["zeros", "activations"])
    machine.core.u32(machine.call(`context_${name}`, handle) >>> 0, 2 * model.layers);
  machine.core.f32(machine.call("context_logits", handle) >>> 0, logitRows * model.vocabulary);
  machine.core.f32(machine.call("context_hidden", handle) >>> 0, batch * model.hidden);
  machine.call("sequence_rows", handle, machine.small(), machine.small());
  const { handle: at } = model;
  for (const name of TOLD) machine.call(`model_${name}`, at);
  for (const name of ["token_bytes", "full_row_bytes"]) machine.call(`model_${name}`, at, machine.small());
  machine.status("model_release", at);
  machine.status("model_step", at);
  machine.status("model_stream", at, machine.small(), machine.random.edge32());
  machine.status("model_stream_experts", at, machine.random.edge32());
  machine.with(new TextEncoder().encode("attn_q"), (name) => {
    machine.status("model_set_operands", at, name, 6, machine.small());
  });
  machine.status("model_set_file_size", at, machine.small(), machine.random.edge());
  const capacity = machine.random.pick([0, 1, 100, 5000]);
  machine.with(new Uint8Array(Math.max(capacity, 1)), (target) => machine.call("model_program", at, target, capacity));
}
