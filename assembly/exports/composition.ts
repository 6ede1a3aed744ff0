/**
 * The exports of composed sessions: thin functions on handles, with the conventions of exports/model.ts.
 */
import { beginComposition, stepComposition } from "../engine/compose";
import { Model } from "../engine/model";
import { appendPiece, canCompose } from "../engine/pieces";
import { Session, WHOLE } from "../engine/session";

/** 1 when pieces of the model can be composed: `session_append_piece`. */
export function model_can_compose(model: Model): u32 {
  return model.hasProgram && canCompose(model.program) ? 1 : 0;
}

/**
 * Appends the tokens [from, to) of a saved session, as many as it has, with their rows. Its first `lead` tokens are
 * those that all pieces were read behind, and that the session begins with. Where the session's tokens so far are all
 * those before `from`, that is all; else `session_compose` follows the last piece. Text may be appended between.
 * UNSUPPORTED where `model_can_compose` says no, and with adapters or core neurons.
 */
export function session_append_piece(s: Session, source: usize, length: u32, lead: u32, from: u32, to: u32): i32 {
  return appendPiece(s, source, length, lead, from, to);
}

/**
 * Begins to compute what the rows of joined pieces lack (CacheBlend, arXiv:2405.16444): all of the text between them,
 * and the share `recompute` (0 to 1) of their tokens, those that are attended to most: by the text that has been
 * appended behind them, or by their own last tokens. Whatever else is done with the session before it is through gives
 * the rows up, and their tokens are evaluated as text.
 */
export function session_compose(s: Session, recompute: f32): i32 {
  return beginComposition(s, recompute);
}

/** The next slice of it: 1 more, 0 done, 2 data needed, below 0 an error, which gives the rows up. */
export function session_compose_step(s: Session): i32 {
  return stepComposition(s);
}

/** The tokens that the last composition has computed. */
export function session_recomputed(s: Session): u32 {
  return s.recomputed;
}

/** How many of the first tokens have the rows that evaluating them gives: all, unless pieces were composed. */
export function session_exact(s: Session): u32 {
  return s.exact == WHOLE ? s.count : s.exact;
}
