/**
 * Models split over several GGUF files: each has its own tensors, the first has all other metadata.
 *
 *     parts:  model-00001-of-00003.gguf   split.no 0   split.count 3   split.tensors.count: of all parts
 *             model-00002-of-00003.gguf   split.no 1   …
 */
import { allocateRaw, release } from "../memory/arena";
import { u32At } from "../memory/bytes";
import { Core, ErrorCode, Status, fail, wordsOf } from "../memory/core";
import { numberOr } from "./metadata";
import { Gguf, Tensor } from "./records";
import { sortTensors } from "./tensors";

/** The number of files that the model is split over, as this part says; 1 when it is whole. Check `g.error` then. */
export function splitCount(core: Core, g: Gguf): u32 {
  return max(numberOr(core, g, "split.count", 1), 1);
}

/**
 * Makes one model of the parsed files at `parts` (a list of `count` pointers, in order): their tensors are looked up in
 * the first from now on, which owns the others. On an error nothing has changed, and the caller releases each part.
 * A whole model needs the call too: it finds out when other parts lack.
 */
export function mergeSplits(core: Core, parts: usize, count: u32): i32 {
  const first = partAt(parts, 0);
  const expected = splitCount(core, first);
  if (first.error) return first.error;
  if (expected != count) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT,
      "the model is split over {} {w}, and {} {w} given; give all parts of one model, in order", expected,
      wordsOf(expected == 1 ? "file" : "files"), count, wordsOf(count == 1 ? "was" : "were"),
    );
  }
  let tensors: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const part = partAt(parts, i);
    const no = numberOr(core, part, "split.no", 0);
    const partCount = splitCount(core, part);
    if (part.error) return part.error;
    if (no != i || partCount != count) {
      return fail(
        core, ErrorCode.BAD_ARGUMENT,
        "file {} of the split model is part {} of {}; give all parts of one model, in order", <u64>i + 1, <u64>no + 1,
        partCount,
      );
    }
    tensors += part.tensorCount;
  }
  const claimed = numberOr(core, first, "split.tensors.count", <u32>tensors);
  if (first.error) return first.error;
  if (claimed != tensors) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "the parts hold {} tensors, but split.tensors.count is {}; the parts do not belong together, download them again",
      tensors, claimed,
    );
  }
  return count == 1 ? Status.DONE : joinTables(core, parts, count, tensors);
}

@inline
function partAt(parts: usize, i: u32): Gguf {
  return changetype<Gguf>(<usize>u32At(parts, i));
}

function joinTables(core: Core, parts: usize, count: u32, tensors: u64): i32 {
  const first = partAt(parts, 0);
  const table = allocateRaw(core, tensors * (offsetof<Tensor>() + 4), "the table of tensors");
  if (table == 0) return core.errorCode;
  let at = table;
  for (let i: u32 = 0; i < count; i++) {
    const part = partAt(parts, i);
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
    const part = partAt(parts, i);
    release(core, part.tensors);
    part.tensors = 0;
    part.tensorCount = 0;
    last.next = changetype<usize>(part);
    last = part;
  }
  return Status.DONE;
}
