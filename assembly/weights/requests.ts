/**
 * What a pass that answers NEED_DATA wants of its host: a list of ranges of the model's files, each with the place in
 * memory where its bytes have to be before the next step. Ranges of one list do not depend on each other, so a host may
 * read them in any order, at once, or merged where they touch.
 *
 * The record holds, too, what the rows are put into: a tile of rows as they lie in the file, a packed one, and the
 * addresses of single rows that were found (table_rows.ts).
 */
import { TABLES_OF_HASH, Weight } from "./weight";

@unmanaged
export class Request {
  offset: u64;
  length: u32;
  /** Shard of a split file. */
  file: u32;
  destination: usize;
}

/** Bytes from one request of a list to the next: offsets of eight bytes stay aligned. */
export const REQUEST_BYTES: u32 = 24;

@unmanaged
export class Requests {
  /** Request[count], and how many there are. */
  list: usize;
  count: u32;
  /** Rows of the tile that were asked for; 0: none. */
  tileRows: u32;
  /** Rows as they lie in the file, and packed. */
  tile: usize;
  packedTile: usize;
  /** usize[tokens, tables, chunks]: where the rows of tables lie that a step wants. */
  rowsFound: usize;
  /** Tokens of a batch at most. */
  batch: u32;
  /** The tables that one hash hits. */
  table0: Weight;
  table1: Weight;
  table2: Weight;

  /** Request `index` of the list. */
  @inline
  at(index: u32): Request {
    return changetype<Request>(this.list + <usize>index * REQUEST_BYTES);
  }

  @inline
  table(index: u32): Weight {
    return load<Weight>(this.tableAt(index));
  }

  @inline
  setTable(index: u32, weight: Weight): void {
    store<Weight>(this.tableAt(index), weight);
  }

  @inline
  private tableAt(index: u32): usize {
    return (
      changetype<usize>(this) + offsetof<Requests>("table0") + <usize>min(index, TABLES_OF_HASH - 1) * sizeof<usize>()
    );
  }

  /** Forgets what was asked. */
  clear(): void {
    this.tileRows = 0;
    this.count = 0;
  }

  /** Adds rows of a weight to the list. */
  ask(weight: Weight, first: u32, rows: u32, destination: usize): void {
    const row = weight.fileRowBytes;
    const request = this.at(this.count++);
    request.file = weight.file;
    request.offset = weight.offset + row * first;
    request.length = <u32>(row * rows);
    request.destination = destination;
  }
}
