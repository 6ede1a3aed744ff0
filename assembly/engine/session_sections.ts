/**
 * The sections of a saved session (session_file.ts): each has a name, and is as long as it says.
 *
 *     │ header u8[24] │ name u8[8] │ length u64 │ its bytes │ …
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { copyText, sameText } from "../memory/bytes";

export const HEADER: usize = 24;
export const SECTION: usize = 16;
export const NAME: usize = 8;

/** Writes the name and the length of a section; gives where its bytes begin. */
export function beginSection(at: usize, name: string, length: usize): usize {
  memory.fill(at, 0, NAME);
  copyText(at, <u32>NAME, name);
  store<u64>(at, <u64>length, NAME);
  return at + SECTION;
}

export function nameLength(at: usize): u32 {
  let length: u32 = 0;
  while (length < <u32>NAME && load<u8>(at + length)) length += 1;
  return length;
}

@inline
export function isNamed(at: usize, name: string): bool {
  return sameText(at, nameLength(at), name);
}

/** The bytes of a section of a session that was checked; 0: it has none of that name. */
export function findSection(source: usize, length: u32, name: string): usize {
  for (let at = source + HEADER, end = source + length; at < end; at += SECTION + <usize>load<u64>(at, NAME)) {
    if (isNamed(at, name)) return at + SECTION;
  }
  return 0;
}

export function truncated(core: Core): i32 {
  return fail(core, ErrorCode.BAD_FILE, "this session is cut off or longer than it says; save it again");
}
