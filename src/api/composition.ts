/**
 * Sessions composed of pieces that were read each by itself (CacheBlend, arXiv:2405.16444): their rows are joined, and
 * those that the text behind attends to most are computed anew (assembly/engine/compose.ts).
 */
import { Status } from "../../bindings/numbers.ts";
import { formNumber, type LoadedModel } from "../generate/sequence-pool.ts";
import { requireRoom, rest, type SessionState } from "../generate/session-state.ts";
import { flag, listOf, type OptionTable, real, signal } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { Pace } from "../host/pace.ts";
import { type Chunk, chunkOf } from "./prefix.ts";
import { splitMessages } from "./saved-messages.ts";

/** What a session is composed of: pieces that `Model.chunk` has read, and texts (or ids) before, between and behind. */
export type ComposedPiece = Chunk | string | ArrayLike<number>;

/** How a session is composed. */
export interface ComposeOptions {
  /**
   * The share of the pieces' tokens that is computed anew, those that are attended to most by what stands behind (by the
   * pieces' last tokens, if nothing does). 0: none, and the model has
   * read none of its pieces behind another; from 0.8 on all of them are read as text, which costs no more. Default: 0.16.
   */
  recompute?: number;
  /** Take special tokens in texts as tokens. Default: no. */
  special?: boolean;
  /** Ends the call: the signal's reason is thrown, and the session holds the pieces' tokens, to be read as text. */
  signal?: AbortSignal;
}

/** What each of `ComposeOptions` has to be. */
export const COMPOSE_OPTIONS: OptionTable<ComposeOptions> = { recompute: shareOf, special: flag, signal };

/** What a composition comes to. */
export interface Composed {
  /** Tokens that go, or will go, through all layers: those computed anew, and the texts'. */
  readonly recomputed: number;
  /** Tokens whose rows are used as they were. */
  readonly reused: number;
}

const DEFAULT_SHARE = 0.16;
/** From this share on reading costs no more than looking. */
const WHOLE_SHARE = 0.8;
/** As far as a piece goes. */
const TO_ITS_END = 2 ** 32 - 1;

function shareOf(name: string, value: unknown): number {
  const share = real(name, value);
  if (share >= 0 && share <= 1) return share;
  throw new LimpetError("BAD_ARGUMENT", `${name} is a share of tokens, from 0 to 1`);
}

/** Pieces, checked: a copy. */
export function piecesOf(name: string, value: unknown): readonly ComposedPiece[] {
  const pieces = listOf<ComposedPiece>(chunkOf)(name, value);
  const [first, ...others] = pieces.filter(isChunk);
  if (!first) throw new LimpetError("BAD_ARGUMENT", `${name} has one at least that model.chunk gave`);
  if (others.every((chunk) => chunk.lead === first.lead)) return pieces;
  throw new LimpetError("BAD_ARGUMENT", `the chunks of ${name} were read behind different leads: give all of them one`);
}

function isChunk(piece: ComposedPiece): piece is Chunk {
  return typeof piece === "object" && "bytes" in piece;
}

/** Makes a session's tokens those of the pieces, behind their lead, and their rows good enough to go on from. */
export async function compose(
  state: SessionState,
  pieces: readonly ComposedPiece[],
  { recompute = DEFAULT_SHARE, special, signal }: ComposeOptions,
): Promise<Composed> {
  const { loaded, pointer: before } = state;
  const { core } = loaded;
  const first = pieces.find(isChunk)!;
  const texts = pieces.map((piece) => tokensOfPiece(loaded, piece, special));
  const all = first.lead + texts.reduce((sum, { length }) => sum + length, 0);
  core.exports.session_rewind(before, 0);
  requireRoom(state, 0, all);
  const { pointer, context } = state;
  core.exports.context_set_form(context.pointer, formNumber("auto"));
  const join = (chunk: Chunk, from: number, to: number): void =>
    core.scoped((arena) => {
      const { saved } = splitMessages(chunk.bytes);
      const lead = Math.min(chunk.lead, from);
      core.check(core.exports.session_append_piece(pointer, arena.put(saved), saved.length, lead, from, to));
    });
  const append = (ids: Uint32Array<ArrayBuffer>): void =>
    core.scoped((arena) => void core.check(core.exports.session_append_tokens(pointer, arena.put(ids), ids.length)));
  try {
    join(first, 0, first.lead);
    for (const [i, piece] of pieces.entries()) {
      if (isChunk(piece) && (recompute < WHOLE_SHARE || i === 0)) join(piece, first.lead, TO_ITS_END);
      else append(texts[i]);
    }
    core.check(core.exports.session_compose(pointer, recompute));
  } catch (error) {
    core.exports.session_rewind(pointer, 0);
    throw error;
  }
  await run(state, signal);
  const { exports } = core;
  const computed = exports.session_recomputed(pointer);
  const recomputed = computed + exports.session_count(pointer) - exports.session_evaluated(pointer);
  return { recomputed, reused: all - recomputed };
}

/** Steps a composition to its end. */
async function run(state: SessionState, signal: AbortSignal | undefined): Promise<void> {
  const { loaded, pointer, context } = state;
  const { core } = loaded;
  const turn = state.turn;
  const usable = (): void => {
    if (state.disposed || loaded.disposed) throw new LimpetError("WRONG_STATE", "the session was disposed of");
    if (state.turn !== turn) throw new LimpetError("WRONG_STATE", "another generation of this session has begun");
  };
  // Nobody else gets its context meanwhile.
  state.generates = true;
  try {
    const pace = new Pace(signal);
    for (let status: Status = Status.MORE; status !== Status.DONE; ) {
      const wait = pace.step();
      if (wait) await wait;
      usable();
      status = core.check(core.step(core.exports.session_compose_step, pointer, context.pointer));
      if (status !== Status.NEED_DATA) continue;
      const put = await loaded.source!.read(context.pointer, signal);
      if (!put) continue;
      usable();
      put();
    }
  } finally {
    if (!state.disposed && !loaded.disposed && state.turn === turn) rest(state, false);
  }
}

function tokensOfPiece(
  { tokenizer }: LoadedModel,
  piece: ComposedPiece,
  special: boolean | undefined,
): Uint32Array<ArrayBuffer> {
  if (isChunk(piece)) return Uint32Array.from(piece.tokens.slice(piece.lead));
  return Uint32Array.from(typeof piece === "string" ? tokenizer.tokenize(piece, { special }) : Array.from(piece));
}
