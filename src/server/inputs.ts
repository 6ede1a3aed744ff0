/** Texts as clients give them: one or several, or their token ids. */
import { printable } from "../host/arguments.ts";
import type { Fields } from "./fields.ts";

const MOST_IDS = 1 << 20;
const LARGEST_ID = 2 ** 32 - 1;

/** A text, several, the ids of one, or those of several. */
export function textsOrIds(fields: Fields, name: string, most: number): (string | number[])[] {
  const value = fields.required(name, fields.raw(name));
  if (typeof value === "string") return [value];
  const isIds = Array.isArray(value) && value.length > 0 && value.every((id) => typeof id === "number");
  if (isIds) return [idsOf(fields, name, value)];
  const list = fields.list(name, most)!;
  if (list.length === 0) throw fields.wrong(name, "is empty");
  return list.map((one, i) => {
    if (typeof one === "string") return one;
    if (Array.isArray(one)) return idsOf(fields, `${name}[${i}]`, one);
    throw fields.wrong(`${name}[${i}]`, `is text or a list of token ids, not ${printable(one)}`);
  });
}

function idsOf(fields: Fields, name: string, ids: readonly unknown[]): number[] {
  if (ids.length > MOST_IDS) throw fields.wrong(name, `has ${ids.length} ids, and ${MOST_IDS} are the most`);
  for (const id of ids) {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) <= LARGEST_ID) continue;
    throw fields.wrong(name, `is a list of token ids, and ${printable(id)} is none`);
  }
  return ids as number[];
}
