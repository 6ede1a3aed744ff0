/**
 * Which architecture a file is of: found in the registry by name, or refused in words that say what there is.
 */
import { Core, ErrorCode, bytesOf, fail, say, sayBytes } from "../memory/core";
import { allocate, release } from "../memory/arena";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
import { Gguf } from "../files/gguf";
import { HAS_NAMES } from "../parts";
import { showArchitectures } from "../models/registry";
import { Search, Want } from "../program/search";

/** Names that share fewer letters at their beginnings are not alike. */
const LIKE: u32 = 4;

/**
 * The index of the function that writes the program of the architecture that `general.architecture` names, or 0 with
 * the error set.
 */
export function findArchitecture(core: Core, gguf: Gguf): u32 {
  if (gguf.architecture == 0) {
    fail(core, ErrorCode.BAD_FILE, "the file has no key general.architecture; convert the model anew");
    return 0;
  }
  const s = changetype<Search>(allocate(core, offsetof<Search>(), "the search for an architecture"));
  if (changetype<usize>(s) == 0) return 0;
  s.core = core;
  s.name = gguf.architecture;
  s.length = gguf.architectureLength;
  showArchitectures(s);
  const found = s.function;
  if (found == 0) refuse(s);
  release(core, changetype<usize>(s));
  return found;
}

function refuse(s: Search): void {
  const core = s.core;
  if (HAS_NAMES && s.isKnown) {
    beginLeftOut(core);
    sayBytes(core, s.name, s.length);
    beginHeld(core);
    s.want = Want.HELD;
    showArchitectures(s);
    endLeftOut(core);
  } else {
    const name = bytesOf(s.name, s.length);
    if (HAS_NAMES) fail(core, ErrorCode.UNSUPPORTED, "the architecture {s} is not supported; limpet runs ", name);
    else fail(core, ErrorCode.UNSUPPORTED, "this build has no architecture {s}; it runs ", name);
    s.want = Want.NAMES;
    showArchitectures(s);
    if (s.shared < LIKE) return;
    say(core, "; nearest is ");
    say(core, changetype<string>(s.nearest));
  }
}
