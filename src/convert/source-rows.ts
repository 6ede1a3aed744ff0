/** Rows of the matrices of a checkpoint, in the order in which they lie there, wherever they are asked for. */
import { type PlannedTensor, sourceShapeOf } from "./plan.ts";
import { type SourceTensor, valueBytes } from "./safetensors.ts";

/** Rows that are read at once lie so far apart at most: what is between them is read for nothing. */
const NEAR = 2;

export class SourceRows {
  readonly rowBytes: number;
  readonly #sources: readonly SourceTensor[];
  readonly #width: number;
  readonly #columns: number;
  /** Rows that lie together: of a source, or of a matrix of it where they are its columns. */
  readonly #together: number;
  readonly #transposed: boolean;
  /** Such groups of rows in a source, and the bytes of each. */
  readonly #groups: number;
  readonly #groupBytes: number;

  constructor(planned: PlannedTensor, sources: readonly SourceTensor[]) {
    const { matrices, singly } = planned;
    const whole = sourceShapeOf(planned);
    const shape = matrices ? [matrices, whole[0] / matrices, ...whole.slice(1)] : whole;
    const values = shape.reduce((product, n) => product * n, 1);
    this.#sources = sources;
    this.#width = valueBytes(sources[0]);
    this.#transposed = planned.transposed === true;
    // A vector's values are rows of one: heads of a bias are put in order as those of its matrix.
    this.#columns = singly || shape.length === 1 ? 1 : this.#transposed ? planned.shape[0] : shape[shape.length - 1];
    this.#together = this.#transposed ? shape[shape.length - 1] : values / this.#columns;
    this.rowBytes = this.#columns * this.#width;
    const group = this.#transposed ? this.#together * shape[shape.length - 2] : values;
    this.#groups = values / group;
    this.#groupBytes = group * this.#width;
  }

  /** Copies the rows from `first` on, as many as `target` has room for. */
  read(first: number, target: Uint8Array): void {
    const end = first + target.length / this.rowBytes;
    for (let row = first; row < end; ) {
      const inside = row % this.#together;
      const count = Math.min(end - row, this.#together - inside);
      const at = (row - first) * this.rowBytes;
      this.#readTogether(row, inside, target.subarray(at, at + count * this.rowBytes));
      row += count;
    }
  }

  /** Copies rows in the order in which they are wanted. Those that are near each other are read at once. */
  gather(wanted: readonly number[], target: Uint8Array): void {
    const { rowBytes } = this;
    const order = [...wanted.keys()].sort((a, b) => wanted[a] - wanted[b]);
    for (let start = 0, end = 0; start < order.length; start = end) {
      while (++end < order.length && wanted[order[end]] - wanted[order[end - 1]] <= NEAR);
      const first = wanted[order[start]];
      const run = new Uint8Array((wanted[order[end - 1]] + 1 - first) * rowBytes);
      this.read(first, run);
      for (const place of order.slice(start, end)) {
        const at = (wanted[place] - first) * rowBytes;
        target.set(run.subarray(at, at + rowBytes), place * rowBytes);
      }
    }
  }

  /** Rows of one source that lie together: row `inside` of it, and what follows. */
  #readTogether(row: number, inside: number, target: Uint8Array): void {
    const [width, columns, together] = [this.#width, this.#columns, this.#together];
    const group = Math.floor(row / together);
    const source = this.#sources[Math.floor(group / this.#groups)];
    const begin = (group % this.#groups) * this.#groupBytes;
    if (!this.#transposed) {
      source.read(begin + inside * this.rowBytes, target);
      return;
    }
    const count = target.length / this.rowBytes;
    const column = new Uint8Array(count * width);
    const words = (bytes: Uint8Array) =>
      width === 4
        ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
        : new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
    const [from, to] = [words(column), words(target)];
    for (let i = 0; i < columns; i++) {
      source.read(begin + (i * together + inside) * width, column);
      for (let r = 0; r < count; r++) to[r * columns + i] = from[r];
    }
  }
}
