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
import { multiplyRowAs } from "./multiply_row";

/** Fills the tables of a format: before its first row is packed or dequantised, and threads share them. */
export function fillTables(type: u32): void {
  if (HAS_IQ1_S && type == Type.IQ1_S) return changetype<IQ1_SWords>(0).fillTables();
  if (HAS_IQ1_M && type == Type.IQ1_M) return changetype<IQ1_MWords>(0).fillTables();
  if (HAS_IQ2_XXS && type == Type.IQ2_XXS) return changetype<IQ2_XXSWords>(0).fillTables();
  if (HAS_IQ2_XS && type == Type.IQ2_XS) return changetype<IQ2_XSWords>(0).fillTables();
  if (HAS_IQ2_S && type == Type.IQ2_S) return changetype<IQ2_SWords>(0).fillTables();
  if (HAS_IQ3_XXS && type == Type.IQ3_XXS) return changetype<IQ3_XXSWords>(0).fillTables();
  if (HAS_IQ3_S && type == Type.IQ3_S) return changetype<IQ3_SWords>(0).fillTables();
}

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

/** A row × one token (codebooks/multiply_row.ts); portable and fast builds only. */
export function multiplyRow(type: u32, row: usize, blocks: u32, x: usize, work: usize): f32 {
  if (HAS_IQ1_S && type == Type.IQ1_S) return multiplyRowAs<IQ1_SWords>(row, blocks, x, work);
  if (HAS_IQ1_M && type == Type.IQ1_M) return multiplyRowAs<IQ1_MWords>(row, blocks, x, work);
  if (HAS_IQ2_XXS && type == Type.IQ2_XXS) return multiplyRowAs<IQ2_XXSWords>(row, blocks, x, work);
  if (HAS_IQ2_XS && type == Type.IQ2_XS) return multiplyRowAs<IQ2_XSWords>(row, blocks, x, work);
  if (HAS_IQ2_S && type == Type.IQ2_S) return multiplyRowAs<IQ2_SWords>(row, blocks, x, work);
  if (HAS_IQ3_XXS && type == Type.IQ3_XXS) return multiplyRowAs<IQ3_XXSWords>(row, blocks, x, work);
  if (HAS_IQ3_S && type == Type.IQ3_S) return multiplyRowAs<IQ3_SWords>(row, blocks, x, work);
  return 0;
}
