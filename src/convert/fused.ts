/** Decoders whose layers have one matrix for queries, keys and values, and a feed-forward network of two matrices. */
import { layerNorm, matrix, vector } from "./decoder.ts";
import type { PlannedTensor } from "./plan.ts";

/** What the checkpoint calls the parts, those of a layer behind `stack` and the layer's number. */
export interface FusedNames {
  readonly stack: string;
  readonly embedding: string;
  readonly outputNorm: string;
  /** Norms of a layer, by what the file calls them. */
  readonly norms: Readonly<Record<string, string>>;
  readonly qkv: string;
  readonly output: string;
  readonly up: string;
  readonly down: string;
}

export interface FusedSizes {
  readonly layers: number;
  readonly hidden: number;
  readonly vocabulary: number;
  readonly ffn: number;
  /** Rows of queries, keys and values together. */
  readonly rows: number;
}

export interface FusedMore {
  /** Whether linears have biases, and whether norms have. */
  readonly biases?: boolean;
  readonly normBiases?: boolean;
  /** Where each row of queries, keys and values lies in the checkpoint. */
  readonly rowOf?: (row: number) => number;
  /** The head, where it is not the embedding. */
  readonly head?: string;
}

/** The tensors of such a decoder. */
export function fusedTensors(sizes: FusedSizes, names: FusedNames, more: FusedMore = {}): PlannedTensor[] {
  const { layers, hidden, vocabulary, ffn, rows } = sizes;
  const { biases = false, normBiases = true, rowOf, head } = more;
  const norm = (name: string, source: string) => layerNorm(name, source, hidden).slice(0, normBiases ? 2 : 1);
  const linear = (name: string, source: string, columns: number, height: number, order?: typeof rowOf) => [
    { ...matrix(`${name}.weight`, `${source}.weight`, columns, height), rowOf: order },
    ...(biases ? [{ ...vector(`${name}.bias`, `${source}.bias`, height), rowOf: order }] : []),
  ];
  const tensors: PlannedTensor[] = [matrix("token_embd.weight", `${names.embedding}.weight`, hidden, vocabulary)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${names.stack}.${layer}.`];
    tensors.push(
      ...Object.entries(names.norms).flatMap(([name, source]) => norm(`${to}${name}`, `${from}${source}`)),
      ...linear(`${to}attn_qkv`, `${from}${names.qkv}`, hidden, rows, rowOf),
      ...linear(`${to}attn_output`, `${from}${names.output}`, hidden, hidden),
      ...linear(`${to}ffn_up`, `${from}${names.up}`, hidden, ffn),
      ...linear(`${to}ffn_down`, `${from}${names.down}`, ffn, hidden),
    );
  }
  tensors.push(...norm("output_norm", names.outputNorm));
  return head ? [...tensors, matrix("output.weight", `${head}.weight`, hidden, vocabulary)] : tensors;
}

/**
 * Where rows of queries, then keys, then values lie in a checkpoint that has of each key first its queries, then it and
 * its value.
 */
export function rowsByKey(head: number, heads: number, kvHeads: number): (row: number) => number {
  const perKey = heads / kvHeads;
  return (row) => {
    const [number, place] = [Math.floor(row / head), row % head];
    if (number < heads) return (Math.floor(number / perKey) * (perKey + 2) + (number % perKey)) * head + place;
    const isValue = number >= heads + kvHeads;
    const key = number - heads - (isValue ? kvHeads : 0);
    return (key * (perKey + 2) + perKey + (isValue ? 1 : 0)) * head + place;
  };
}
