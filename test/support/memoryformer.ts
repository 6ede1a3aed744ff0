/**
 * A MemoryFormer's forward in float64, whole prompts at once, from the formulas of the paper and of its published code
 * (docs/formats.md names the keys and tensors). For a file whose tensors are all F32, which it uses up.
 */
import { tensorBytes } from "../../scripts/gguf-writer.mjs";
import type { File } from "./changes.ts";

type Row = number[];

/** Logits of each token. */
export function forward(file: File, ids: readonly number[]): Row[] {
  const keys = new Map(file.metadata.map(([name, , value]) => [name, value]));
  const value = <T>(name: string, otherwise: T) => (keys.get(`memoryformer.${name}`) ?? otherwise) as T;
  const tensors = new Map(file.tensors.map((own) => [own.name, own]));
  const read = new Map<string, Float32Array>();
  const values = (name: string): Float32Array | undefined => {
    const own = tensors.get(name);
    if (own && !read.has(name)) {
      const bytes = new Uint8Array(tensorBytes(own.type, own.shape));
      own.fill(bytes);
      read.set(name, new Float32Array(bytes.buffer));
    }
    return read.get(name);
  };
  const vector = (name: string): Float32Array => {
    const found = values(name);
    if (!found) throw new Error(`no tensor ${name}`);
    return found;
  };

  const width = value("embedding_length", 0);
  const heads = value("attention.head_count", 1);
  const tables = value("memory.table_count", 1);
  const bits = value("memory.code_length", 1);
  const middleBits = value("memory.ffn_code_length", bits + 2);
  const epsilon = Math.fround(value("attention.layer_norm_rms_epsilon", 0));
  const layerEpsilon = Math.fround(value("attention.layer_norm_epsilon", 1e-5));
  const turned = value("rope.dimension_count", 0);
  const base = value("rope.freq_base", 1e4);
  const size = width / heads;

  const mean = (x: Row) => x.reduce((sum, v) => sum + v, 0) / x.length;
  const rms = (x: Row, weight: Float32Array): Row => {
    const square = mean(x.map((v) => v * v));
    const outside = value("attention.rms_epsilon_outside", true);
    const root = outside ? Math.sqrt(square) + epsilon : Math.sqrt(square + epsilon);
    return x.map((v, i) => (v / root) * weight[i]);
  };
  const layerNorm = (x: Row, weight: Float32Array, bias: Float32Array): Row => {
    const centre = mean(x);
    const root = Math.sqrt(mean(x.map((v) => (v - centre) ** 2)) + layerEpsilon);
    return x.map((v, i) => ((v - centre) / root) * weight[i] + bias[i]);
  };

  /** For each chunk the row of its table, and that row's weight. */
  const hash = (x: Row, length: number) =>
    Array.from({ length: tables }, (_, k) => {
      const z = x.slice(k * length, (k + 1) * length);
      const zeroIsOne = value("memory.zero_sign", true);
      const code = z.reduce((sum, v) => 2 * sum + (v > 0 || (v === 0 && zeroIsOne) ? 1 : 0), 0);
      const score = value("memory.weight_rule", "score") === "score";
      const temperature = score ? 1 : Math.fround(value("memory.temperature", 1));
      const product = z.reduce((p, v) => p * (1 + Math.exp((-2 * Math.abs(v)) / temperature)), 1);
      const sum = z.reduce((s, v) => s + Math.abs(v), 0);
      return { row: k * 2 ** length + code, weight: (score ? sum : 1) / product };
    });
  const memory = (name: string, columns: number, hashed: ReturnType<typeof hash>): Row => {
    const table = vector(`${name}.table`);
    const bias = values(`${name}.bias`);
    return Array.from({ length: columns }, (_, c) =>
      hashed.reduce((sum, { row, weight }) => sum + weight * table[row * columns + c], bias ? bias[c] : 0),
    );
  };

  const rope = (x: Row, position: number): Row => {
    const out = [...x];
    for (let head = 0; head < width; head += size) {
      for (let i = 0; i < turned / 2; i++) {
        const angle = position * base ** ((-2 * i) / turned);
        const [a, b] = [x[head + i], x[head + i + turned / 2]];
        out[head + i] = a * Math.cos(angle) - b * Math.sin(angle);
        out[head + i + turned / 2] = a * Math.sin(angle) + b * Math.cos(angle);
      }
    }
    return out;
  };
  const attend = (q: Row[], k: Row[], v: Row[], t: number): Row =>
    Array.from({ length: heads }, (_, head) => {
      const part = (x: Row) => x.slice(head * size, (head + 1) * size);
      const query = part(q[t]);
      const scores = k.slice(0, t + 1).map((row) => {
        const own = part(row);
        return Math.exp(query.reduce((sum, x, i) => sum + x * own[i], 0) / Math.sqrt(size));
      });
      const total = scores.reduce((sum, x) => sum + x, 0);
      return Array.from({ length: size }, (_, i) =>
        scores.reduce((sum, score, s) => sum + (score / total) * v[s][head * size + i], 0),
      );
    }).flat();

  const embedding = vector("token_embd.weight");
  let x: Row[] = ids.map((id) => [...embedding.subarray(id * width, (id + 1) * width)]);
  const add = (a: Row[], b: Row[]) => a.map((row, t) => row.map((v, i) => v + b[t][i]));
  for (let layer = 0; layer < value("block_count", 0); layer++) {
    const at = (name: string) => `blk.${layer}.${name}`;
    const hashes = x.map((row) => hash(rms(row, vector(at("attn_norm.weight"))), bits));
    const [q, k, v] = ["attn_q", "attn_k", "attn_v"].map((name) => hashes.map((own) => memory(at(name), width, own)));
    const [turnedQ, turnedK] = [q.map(rope), k.map(rope)];
    x = add(
      x,
      q.map((_, t) => attend(turnedQ, turnedK, v, t)),
    );
    const second = x.map((row) => {
      const up = memory(at("ffn_up"), tables * middleBits, hash(rms(row, vector(at("ffn_norm.weight"))), bits));
      const middle = layerNorm(up, vector(at("ffn_mid_norm.weight")), vector(at("ffn_mid_norm.bias")));
      return memory(at("ffn_down"), width, hash(middle, middleBits));
    });
    x = add(x, second);
  }
  const head = values("output.weight") ?? embedding;
  return x.map((row) => {
    const normed = rms(row, vector("output_norm.weight"));
    return Array.from({ length: head.length / width }, (_, id) =>
      normed.reduce((sum, v, i) => sum + v * head[id * width + i], 0),
    );
  });
}
