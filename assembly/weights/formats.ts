/**
 * Which block formats this build multiplies with, and the words when a model needs another.
 */
import { tensorTypeName } from "../files/type_names";
import { Type, blockElements } from "../kernels/quant/types";
import { Core, say } from "../memory/core";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
import {
  HAS_ALL_FORMATS, HAS_BF16, HAS_IQ4_NL, HAS_IQ4_XS, HAS_MXFP4, HAS_Q2_K, HAS_Q3_K, HAS_Q4_0, HAS_Q4_1, HAS_Q4_K,
  HAS_Q5_0, HAS_Q5_1, HAS_Q5_K, HAS_Q6_K, HAS_TQ1_0, HAS_TQ2_0,
} from "../parts";

/** Ids of block formats are below. */
const ID_LIMIT: u32 = 64;

/** Status 0, or the error of a block format that this build leaves out. */
@inline
export function checkFormat(core: Core, type: u32): i32 {
  return HAS_ALL_FORMATS || holds(type) ? 0 : failWithout(core, type);
}

function holds(type: u32): bool {
  switch (type) {
    case Type.Q4_0: return HAS_Q4_0;
    case Type.Q4_1: return HAS_Q4_1;
    case Type.Q5_0: return HAS_Q5_0;
    case Type.Q5_1: return HAS_Q5_1;
    case Type.Q2_K: return HAS_Q2_K;
    case Type.Q3_K: return HAS_Q3_K;
    case Type.Q4_K: return HAS_Q4_K;
    case Type.Q5_K: return HAS_Q5_K;
    case Type.Q6_K: return HAS_Q6_K;
    case Type.IQ4_NL: return HAS_IQ4_NL;
    case Type.IQ4_XS: return HAS_IQ4_XS;
    case Type.BF16: return HAS_BF16;
    case Type.TQ1_0: return HAS_TQ1_0;
    case Type.TQ2_0: return HAS_TQ2_0;
    case Type.MXFP4: return HAS_MXFP4;
    default: return true;
  }
}

function failWithout(core: Core, type: u32): i32 {
  beginLeftOut(core);
  say(core, tensorTypeName(type));
  beginHeld(core);
  for (let held: u32 = 0; held < ID_LIMIT; held++) {
    if (blockElements(held) == 0 || !holds(held)) continue;
    say(core, " ");
    say(core, tensorTypeName(held));
  }
  return endLeftOut(core);
}
