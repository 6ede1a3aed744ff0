/**
 * Speculation (Leviathan et al. 2023, arXiv:2211.17192; ragged as EMS-SD, arXiv:2405.07542): tokens that may follow,
 * the drafts, are evaluated in the pass of the last token, and what follows is drawn from row after row of its logits,
 * as long as what is drawn is the next draft.
 *
 *     pass     │ last token │ draft │ draft │ draft │        a row of logits each
 *     drawn    │ = draft    │ = draft │ another one: it is the next last token, and the rows of drafts behind it go
 *
 * Each draw is the one that plain decoding makes, with its logits, its tokens before it and its random number, so the
 * answer is that of plain decoding to the bit. Drafts come from the host, or are looked up in the tokens so far (LLMA,
 * arXiv:2304.04487): what followed where the last three tokens stood before, or the last two.
 */
import { setU32, u32At } from "../memory/bytes";

/** Drafts of a pass at most. */
export const DRAFT_LIMIT: u32 = 15;
/** Drafts that are tried at first: two more where all were right, one less where one was wrong. */
const FIRST_REACH: u32 = 3;

@unmanaged
export class Speculation {
  /** Drafts of a pass at most; 0: none, though what would have been one is counted. */
  most: u32;
  /** 1: they are looked up, up to `reach` of them; 0: the host gives them. */
  looksUp: u32;
  reach: u32;
  /** How many there are, and which of them is compared with the next token. */
  count: u32;
  next: u32;
  /** How many are in the pass at work, and how many rows of drafts lie behind what is evaluated. */
  offered: u32;
  ahead: u32;
  /** Of this generation: drafts that passes had and that came true; first drafts, in passes or not, and right ones. */
  drafted: u32;
  accepted: u32;
  guessed: u32;
  right: u32;

  @inline
  get drafts(): usize {
    return changetype<usize>(this) + offsetof<Speculation>();
  }
}

export const SPECULATION_BYTES: usize = offsetof<Speculation>() + ((<usize>DRAFT_LIMIT) << 2);

/** A generation begins. */
export function beginSpeculation(s: Speculation): void {
  s.reach = FIRST_REACH;
  s.count = 0;
  s.next = 0;
  s.drafted = 0;
  s.accepted = 0;
  s.guessed = 0;
  s.right = 0;
}

/** The drafts of the next pass, behind u32[count] tokens. */
export function findDrafts(s: Speculation, tokens: usize, count: u32): u32 {
  if (s.looksUp) lookUp(s, tokens, count);
  // Those of the host were for a token that has come.
  else if (s.next != 0) s.count = 0;
  s.next = 0;
  return min(s.count, s.most);
}

function lookUp(s: Speculation, tokens: usize, count: u32): void {
  s.count = 0;
  if (count < 4) return;
  const last = load<u64>(tokens + ((<usize>(count - 2)) << 2));
  const third = u32At(tokens, count - 3);
  let from: u32 = 0;
  for (let i = count - 1; i > 2; i--) {
    if (load<u64>(tokens + ((<usize>(i - 2)) << 2)) != last) continue;
    const isLonger = u32At(tokens, i - 3) == third;
    if (from == 0 || isLonger) from = i;
    if (isLonger) break;
  }
  if (from == 0) return;
  s.count = min(s.reach, DRAFT_LIMIT);
  // What repeats itself goes on with what it has just been given.
  for (let i: u32 = 0; i < s.count; i++) {
    const at = from + i;
    setU32(s.drafts, i, at < count ? u32At(tokens, at) : u32At(s.drafts, at - count));
  }
}

/** A token has come: whether it is the draft that lies there in a row. */
export function isDraft(s: Speculation, token: u32): bool {
  if (s.next == s.count) return false;
  const isRight = u32At(s.drafts, s.next) == token;
  if (s.next == 0) {
    s.guessed += 1;
    if (isRight) s.right += 1;
  }
  s.next += 1;
  if (!isRight) s.count = s.next;
  if (s.ahead == 0) return false;
  if (!isRight) {
    s.reach = max<u32>(s.reach - 1, 1);
    return false;
  }
  s.accepted += 1;
  s.ahead -= 1;
  if (s.ahead == 0) s.reach = min(s.reach + 2, DRAFT_LIMIT);
  return true;
}
