/** The list of the formats with codebooks: the one place that knows them by their type. */
import { HAS_IQ1_M, HAS_IQ1_S, HAS_IQ2_S, HAS_IQ2_XS, HAS_IQ2_XXS, HAS_IQ3_S, HAS_IQ3_XXS } from "../../../parts";
import { IQ1_MWords } from "../formats/iq1_m";
import { IQ1_SWords } from "../formats/iq1_s";
import { IQ2_SWords } from "../formats/iq2_s";
import { IQ2_XSWords } from "../formats/iq2_xs";
import { IQ2_XXSWords } from "../formats/iq2_xxs";
import { IQ3_SWords } from "../formats/iq3_s";
import { IQ3_XXSWords } from "../formats/iq3_xxs";
import { Type } from "../types";
import { expandAs } from "./format";

/** A block of a file, or of a packed row, → its scales and integers (codebooks/format.ts); returns d · factor. */
export function expandBlock(type: u32, file: usize, target: usize, isFinite: bool): f32 {
  if (HAS_IQ1_S && type == Type.IQ1_S) return expandAs<IQ1_SWords>(file, target, isFinite);
  if (HAS_IQ1_M && type == Type.IQ1_M) return expandAs<IQ1_MWords>(file, target, isFinite);
  if (HAS_IQ2_XXS && type == Type.IQ2_XXS) return expandAs<IQ2_XXSWords>(file, target, isFinite);
  if (HAS_IQ2_XS && type == Type.IQ2_XS) return expandAs<IQ2_XSWords>(file, target, isFinite);
  if (HAS_IQ2_S && type == Type.IQ2_S) return expandAs<IQ2_SWords>(file, target, isFinite);
  if (HAS_IQ3_XXS && type == Type.IQ3_XXS) return expandAs<IQ3_XXSWords>(file, target, isFinite);
  if (HAS_IQ3_S && type == Type.IQ3_S) return expandAs<IQ3_SWords>(file, target, isFinite);
  return 0;
}
