/** Rows that are not all there, or not a text's own, for the fuzzer of exports: budgets of a cache, and composed pieces. */
import { address } from "../../bindings/memory.ts";
import { KvType, Status } from "../../bindings/numbers.ts";
import type { TestCore } from "../support/core.ts";
import type { Random } from "./random.ts";

/** What these do it with. */
export interface Caller {
  readonly random: Random;
  readonly core: TestCore;
  readonly called: Map<string, number>;
  call(name: string, ...values: (number | bigint)[]): number;
  status(name: string, ...values: (number | bigint)[]): number;
  small(): number;
}

/** Gives a session a policy, sound or not, and looks at what its layers hold. */
export function setPolicy(on: Caller, handle: number): void {
  const { random } = on;
  const recent = random.pick([0, 0.5, 1, 2, -1, Number.NaN]);
  const numbers = [on.small(), random.below(4), on.small(), random.pick([0, 0.5, 1, Number.NaN])] as const;
  on.status("session_set_policy", handle, random.below(2), recent, ...numbers);
  on.call("session_rows", handle, random.below(9));
}

/** Gives a session core neurons, and looks at those that it has. */
export function setNeurons(on: Caller, model: number, handle: number): void {
  const { random } = on;
  const share = random.pick([0, 0.1, 0.4, 1, 1.5, Number.NaN]);
  const [first, end] = [random.below(3), random.below(8)];
  on.called.set("model_neuron_bytes", 1);
  on.core.exports["model_neuron_bytes"](model, share, first, end);
  on.status("session_set_neurons", handle, share, random.pick([0.4, 1, -1]), first, end);
  const layer = random.below(9);
  const count = on.call("session_neuron_count", handle, layer);
  const list = on.call("session_neurons", handle, layer);
  if (count) on.core.u32(list >>> 0, count);
}

/** A context whose layers keep fewer rows than there are tokens, as the fuzzer knows contexts; null where there is none. */
export function makeKept(on: Caller, model: number) {
  const { random } = on;
  const [kept, more, batch] = [random.from(1, 40), random.below(20), random.from(1, 12)];
  const shape = [kept + more, kept, batch, 1, KvType.F16];
  on.called.set("context_kept_bytes", 1);
  const shared = random.below(2);
  on.core.exports["context_kept_bytes"](model, ...shape, random.below(2), shared);
  const handle = address(on.call("context_create_kept", on.core.core, model, ...shape, shared));
  if (handle === 0) return null;
  return { handle, rows: kept + more + batch, batch, logitRows: 1, sequences: 1, taps: 0, buffers: [] };
}

/** Joins a piece of another session's bytes to a session, and composes, for a while or to the end. */
export function composePieces(on: Caller, handle: number, model: number, other: number): void {
  const { random, core } = on;
  on.call("model_can_compose", model);
  const bytes = Number(core.exports["session_save_bytes"](other));
  const at = core.allocate(bytes);
  if (on.status("session_save", other, at) >= 0) {
    if (random.oneIn(4)) core.memory.write(at + random.below(bytes), random.bytes(1));
    const length = random.oneIn(6) ? random.below(bytes + 1) : bytes;
    const numbers = random.oneIn(4) ? [on.small(), on.small(), on.small()] : [0, 0, random.below(12)];
    on.status("session_append_piece", handle, at, length, ...numbers);
  }
  core.release(at);
  on.status("session_compose", handle, random.pick([0, 0.2, 1, -1, Number.NaN]));
  for (let i = random.below(20); i > 0 && on.status("session_compose_step", handle) === Status.MORE; i--);
  on.call("session_recomputed", handle);
  on.call("session_exact", handle);
}
