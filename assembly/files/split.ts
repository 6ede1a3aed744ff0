/**
 * Models split over several GGUF files: each has its own tensors, the first has all other metadata.
 *
 *     parts:  model-00001-of-00003.gguf   split.no 0   split.count 3   split.tensors.count: of all parts
 *             model-00002-of-00003.gguf   split.no 1   …
 */
import { allocateRaw, release } from "../memory/arena";
import { Core, ErrorCode, Status, fail, say, sayNumber } from "../memory/core";
import { numberOr } from "./metadata";
import { Gguf, Tensor } from "./records";
import { sortTensors } from "./tensors";
import { endFailure } from "./type_names";

/** Files that the model is split over by what this part says; 1 when it is whole. Check `g.trouble` after it. */
export function splitCount(core: Core, g: Gguf): u32 {
  return max(numberOr(core, g, "split.count", 1), 1);
}

/**
 * Makes one model of the parsed files at `parts` (a list of `count` pointers, in order): their tensors are looked up in
 * the first from now on, which owns the others. On an error nothing has changed, and the caller releases each part.
 * To be called for a whole model too: it finds out when other parts lack.
 */
export function mergeSplits(core: Core, parts: usize, count: u32): i32 {
  const first = changetype<Gguf>(<usize>load<u32>(parts));
  const expected = splitCount(core, first);
  if (first.trouble) return first.trouble;
  if (expected != count) {
    fail(core, ErrorCode.BAD_ARGUMENT, "the model is split over ");
    sayNumber(core, expected);
    say(core, expected == 1 ? " file, and " : " files, and ");
    sayNumber(core, count);
    say(core, count == 1 ? " was given" : " were given");
    return endFailure(core, "; give all parts of one model, in order");
  }
  let tensors: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const part = changetype<Gguf>(<usize>load<u32>(parts + (<usize>i << 2)));
    const no = numberOr(core, part, "split.no", 0);
    const partCount = splitCount(core, part);
    if (part.trouble) return part.trouble;
    if (no != i || partCount != count) {
      fail(core, ErrorCode.BAD_ARGUMENT, "file ");
      sayNumber(core, <u64>i + 1);
      say(core, " of the split model is part ");
      sayNumber(core, <u64>no + 1);
      say(core, " of ");
      sayNumber(core, partCount);
      return endFailure(core, "; give all parts of one model, in order");
    }
    tensors += part.tensorCount;
  }
  const claimed = numberOr(core, first, "split.tensors.count", <u32>tensors);
  if (first.trouble) return first.trouble;
  if (claimed != tensors) {
    fail(core, ErrorCode.BAD_FILE, "the parts hold ");
    sayNumber(core, tensors);
    say(core, " tensors, but split.tensors.count is ");
    sayNumber(core, claimed);
    return endFailure(core, "; the parts do not belong together, download them again");
  }
  return count == 1 ? Status.DONE : joinTables(core, parts, count, tensors);
}

function joinTables(core: Core, parts: usize, count: u32, tensors: u64): i32 {
  const first = changetype<Gguf>(<usize>load<u32>(parts));
  const table = allocateRaw(core, tensors * (offsetof<Tensor>() + 4), "the table of tensors");
  if (table == 0) return core.errorCode;
  let at = table;
  for (let i: u32 = 0; i < count; i++) {
    const part = changetype<Gguf>(<usize>load<u32>(parts + (<usize>i << 2)));
    const bytes = <usize>part.tensorCount * offsetof<Tensor>();
    memory.copy(at, part.tensors, bytes);
    at += bytes;
  }

  const ownTable = first.tensors;
  const ownOrder = first.tensorOrder;
  const ownCount = first.tensorCount;
  first.tensors = table;
  first.tensorOrder = at;
  first.tensorCount = tensors;
  if (sortTensors(core, first) != Status.DONE) {
    first.tensors = ownTable;
    first.tensorOrder = ownOrder;
    first.tensorCount = ownCount;
    release(core, table);
    return core.errorCode;
  }
  release(core, ownTable);
  let last = first;
  for (let i: u32 = 1; i < count; i++) {
    const part = changetype<Gguf>(<usize>load<u32>(parts + (<usize>i << 2)));
    release(core, part.tensors);
    part.tensors = 0;
    part.tensorCount = 0;
    last.next = changetype<usize>(part);
    last = part;
  }
  return Status.DONE;
}
