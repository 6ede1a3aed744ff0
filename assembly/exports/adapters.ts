/**
 * The exports of adapters: thin functions on handles, with the conventions of exports/model.ts.
 */
import { HAS_ADAPTERS } from "../parts";
import { Core, ErrorCode, fail } from "../memory/core";
import { setOfSequence } from "../engine/adapters";
import { createAdapter } from "../engine/load";
import { Model } from "../engine/model";
import { Session } from "../engine/session";
import { setOfSession } from "../engine/session_adapters";
import { Context, adapterBytes } from "../pass/context";

/**
 * An adapter (LoRA, aLoRA) for a model whose weights are known: its handle is one for `model_set_file_size`,
 * `model_step` and `model_request_…`, by which it is loaded as a model is, and for `model_release`, which is refused
 * while a sequence uses it. 0: see the error.
 */
export function adapter_create(core: Core, base: Model): usize {
  return changetype<usize>(createAdapter(core, base));
}

/** Of a loaded adapter: its pairs of matrices, the largest of their ranks, and its α (0: the scale of a pair is 1). */
export function adapter_pairs(adapter: Model): u32 {
  return isAdapter(adapter) ? adapter.adapter.pairCount : 0;
}

export function adapter_rank(adapter: Model): u32 {
  return isAdapter(adapter) ? adapter.adapter.rank : 0;
}

export function adapter_alpha(adapter: Model): f32 {
  return isAdapter(adapter) ? adapter.adapter.alpha : 0;
}

/** u32[adapter_invocation_count]: the tokens that an aLoRA begins with. */
export function adapter_invocation(adapter: Model): usize {
  return isAdapter(adapter) ? adapter.adapter.invocation : 0;
}

export function adapter_invocation_count(adapter: Model): u32 {
  return isAdapter(adapter) ? adapter.adapter.invocationCount : 0;
}

/** Bytes that a context of so many sequences takes besides as soon as one of them has adapters. */
export function adapter_context_bytes(model: Model, sequences: u32): u64 {
  return HAS_ADAPTERS && model.hasProgram ? adapterBytes(model.program, sequences) : 0;
}

/**
 * The tokens of a sequence use u32[count] adapters with f32[count] weights from the next pass on; one with the weight 0
 * is not used at all. u32[tokens] `ids`: the sequence's tokens, in which an aLoRA finds where it begins. Rows that are
 * there stay.
 */
export function sequence_set_adapters(
  c: Context, sequence: u32, adapters: usize, weights: usize, count: u32, ids: usize, tokens: u32,
): i32 {
  return HAS_ADAPTERS ? setOfSequence(c, sequence, adapters, weights, count, ids, tokens) : without(c.core);
}

/**
 * The same of a session, from its next token on. Rows that other adapters have made are made anew, unless `keepRows` is
 * 1: then a generation may change them between two of its tokens. Each generation looks for where its aLoRAs begin.
 */
export function session_set_adapters(s: Session, adapters: usize, weights: usize, count: u32, keepRows: u32): i32 {
  return HAS_ADAPTERS ? setOfSession(s, adapters, weights, count, keepRows != 0) : without(s.core);
}

@inline
function isAdapter(adapter: Model): bool {
  return HAS_ADAPTERS && changetype<usize>(adapter.adapter) != 0;
}

function without(core: Core): i32 {
  return fail(core, ErrorCode.UNSUPPORTED, "this build has no adapters; take limpet.wasm");
}
