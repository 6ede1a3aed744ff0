/**
 * What a pass that answers NEED_DATA wants of its host: a list of ranges of the model's files, each with the place in
 * memory where its bytes have to be before the next step. Ranges of one list do not depend on each other, so a host may
 * read them in any order, at once, or merged where they touch.
 */
import { Context } from "../pass/context";
import { Weight } from "./weight";

@unmanaged
export class Request {
  offset: u64;
  length: u32;
  /** Part of a split file. */
  file: u32;
  destination: usize;
}

/** Of a list, from one request to the next: offsets of eight bytes stay aligned. */
export const REQUEST_BYTES: u32 = 24;

/** Request `index` of the list. */
@inline
export function requestAt(c: Context, index: u32): Request {
  return changetype<Request>(c.requests + <usize>index * REQUEST_BYTES);
}

/** Adds rows of a weight to the list. */
export function ask(c: Context, weight: Weight, first: u32, rows: u32, destination: usize): void {
  const row = weight.fileRowBytes;
  const request = requestAt(c, c.requestCount++);
  request.file = weight.file;
  request.offset = weight.offset + row * first;
  request.length = <u32>(row * rows);
  request.destination = destination;
}
