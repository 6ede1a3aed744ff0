/**
 * The Memory Layer on trained tables (test/fixtures), as they are stored and as floats: codes to the bit, every element
 * within 1e-6 of Σ|w·T| of the formula in float64. The first layer hashes what it hashes in the model, the embeddings
 * of all tokens behind its norm; the others values like those.
 */

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kernels } from "../src/kernels.ts";
import { dequantizeTableRows } from "../src/quantize/table-rows.ts";
import { sameBits } from "./support/core.ts";
import { portable, values } from "./support/floats.ts";
import { entriesOf, parse, tensorsOf } from "./support/gguf-reader.ts";
import { closeSum, codesOf, weightsOf } from "./support/memory-layer.ts";
import { generator } from "./support/random.ts";

const FILE = readFileSync(new URL("fixtures/memoryformer-t4-tiny-q8_0.gguf", import.meta.url));
const { g } = parse(portable, FILE);
const keys = entriesOf(portable, g);
const tensors = new Map(tensorsOf(portable, g).map((own) => [own.name, own]));
const number = (key: string) => keys.get(`memoryformer.${key}`) as number;
const [layers, chunks, width] = [number("block_count"), number("memory.table_count"), number("embedding_length")];
const [bits, wideBits] = [number("memory.code_length"), number("memory.ffn_code_length")];
const core = await kernels();
const scalar = await kernels({ build: "scalar" });

const bytesOf = (name: string): Uint8Array => {
  const { offset, bytes } = tensors.get(name)!;
  return new Uint8Array(FILE.subarray(offset, offset + bytes));
};
const floatsOf = (name: string): Float32Array => new Float32Array(bytesOf(name).buffer);

/** What the first layer hashes: RMSNorm of every embedding, ε outside the root. */
function normedEmbeddings(): Float32Array {
  const x = core.dequantize("Q8_0", bytesOf("token_embd.weight"));
  const weight = floatsOf("blk.0.attn_norm.weight");
  for (let at = 0; at < x.length; at += width) {
    const row = x.subarray(at, at + width);
    const root = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / width);
    row.forEach((v, i) => {
      row[i] = (v / (root + 1e-8)) * weight[i];
    });
  }
  return x;
}

const embeddings = normedEmbeddings();

for (let layer = 0; layer < layers; layer++) {
  for (const name of ["attn_q", "attn_k", "attn_v", "ffn_up", "ffn_down"]) {
    test(`layer ${layer}, ${name}`, () => {
      const of = (part: string) => `blk.${layer}.${name}.${part}`;
      const columns = tensors.get(of("table"))!.ne[0];
      const length = name === "ffn_down" ? wideBits : bits;
      const own = layer === 0 && name.startsWith("attn");
      const x = own ? embeddings : values(generator(layer), 64 * chunks * length);
      const [bytes, scales, bias] = [bytesOf(of("table")), floatsOf(of("scale")), floatsOf(of("bias"))];
      const floats = new Float32Array(scales.length * columns);
      dequantizeTableRows("Q8", bytes, columns, scales, floats);
      assert.ok(new Set(bytes).size > 200, "trained values are spread over the codes");

      const input = { x, chunks, bits: length };
      const codes = codesOf(x, length, 1);
      const weights = weightsOf(x, length, "score");
      assert.equal(Array.from(core.hash(input).codes), codes);
      const tables = [{ type: "Q8", bytes, columns, scales } as const, floats];
      const all = core.memoryLayer({ ...input, tables, bias: [bias, bias] });
      const again = scalar.memoryLayer({ ...input, tables, bias: [bias, bias] });
      all.forEach((found, which) => {
        assert.ok(sameBits(found, again[which]), "both builds give the same bits");
        found.forEach((value, at) => {
          const [row, c] = [Math.floor(at / columns), at % columns];
          const terms = Array.from({ length: chunks }, (_, k) => {
            const index = k * 2 ** length + codes[row * chunks + k];
            const code = (bytes[index * columns + c] << 24) >> 24;
            const entry = which ? floats[index * columns + c] : scales[index] * code;
            return weights[row * chunks + k] * entry;
          });
          closeSum(value, [...terms, bias[c]], `${which ? "floats" : "bytes"}, row ${row}, column ${c}`);
        });
      });
    });
  }
}

test.run();
