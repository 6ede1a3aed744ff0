/**
 * Reads the weights of an ONNX file: its nodes and its initialisers, protocol buffers by hand, and of a small transformer
 * each weight in floats by the name of the module that it belongs to. For tests with trained models, which registries carry
 * in this format; nothing of limpet reads it.
 *
 *     ModelProto   7 graph
 *     GraphProto   1 node · 5 initializer
 *     NodeProto    1 input · 2 output · 3 name · 4 op_type
 *     TensorProto  1 dims · 2 data_type · 4 float_data · 5 int32_data · 8 name · 9 raw_data
 */

/** @typedef {{ op: string, name: string, inputs: string[], outputs: string[] }} Node */
/** @typedef {{ name: string, type: number, shape: number[], bytes: Uint8Array }} Initialiser */
/** @typedef {{ shape: number[], values: Float32Array }} Weight */

const [FLOAT, UINT8, INT8] = [1, 2, 3];
/** Bytes of a value. @type {Record<number, number>} */
const WIDTHS = { [FLOAT]: 4, [UINT8]: 1, [INT8]: 1 };

/** The fields of a message: numbers, or the bytes of what has a length. @param {Uint8Array} bytes */
function* fieldsOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = view.getUint8(at++);
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const [field, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 0) yield { field, number: varint(), bytes: bytes.subarray(0, 0) };
    else {
      const length = wire === 2 ? varint() : wire === 5 ? 4 : 8;
      yield { field, number: Number.NaN, bytes: bytes.subarray(at, at + length) };
      at += length;
    }
  }
}

/** @param {Uint8Array} bytes */
const text = (bytes) => new TextDecoder().decode(bytes);

/** The nodes and initialisers of a file. @param {Uint8Array} bytes */
export function readOnnx(bytes) {
  const nodes = /** @type {Node[]} */ ([]);
  const initialisers = /** @type {Map<string, Initialiser>} */ (new Map());
  for (const { field, bytes: graph } of fieldsOf(bytes)) {
    if (field !== 7) continue;
    for (const part of fieldsOf(graph)) {
      if (part.field === 1) nodes.push(nodeOf(part.bytes));
      if (part.field !== 5) continue;
      const tensor = tensorOf(part.bytes);
      initialisers.set(tensor.name, tensor);
    }
  }
  return { nodes, initialisers };
}

/** @param {Uint8Array} bytes @returns {Node} */
function nodeOf(bytes) {
  const node = { op: "", name: "", inputs: /** @type {string[]} */ ([]), outputs: /** @type {string[]} */ ([]) };
  for (const { field, bytes: value } of fieldsOf(bytes)) {
    if (field === 1) node.inputs.push(text(value));
    if (field === 2) node.outputs.push(text(value));
    if (field === 3) node.name = text(value);
    if (field === 4) node.op = text(value);
  }
  return node;
}

/** @param {Uint8Array} bytes @returns {Initialiser} */
function tensorOf(bytes) {
  const tensor = { name: "", type: 0, shape: /** @type {number[]} */ ([]), bytes: new Uint8Array() };
  for (const { field, number, bytes: value } of fieldsOf(bytes)) {
    // A list of numbers stands there one by one, or packed.
    if (field === 1 && value.length > 0) throw new Error("an ONNX file with packed dimensions");
    if (field === 1) tensor.shape.push(number);
    if (field === 2) tensor.type = number;
    if (field === 4 || field === 9) tensor.bytes = value;
    // Of a single byte alone, as zero points are: one number, below 0 in ten bytes.
    if (field === 5) tensor.bytes = Uint8Array.of(value.length ? (value[0] & 127) | (value[1] << 7) : number);
    if (field === 8) tensor.name = text(value);
  }
  return tensor;
}

/** The values of an initialiser as they stand there. @param {Initialiser} tensor */
function valuesOf({ name, type, shape, bytes }) {
  const count = shape.reduce((product, n) => product * n, 1);
  if (!WIDTHS[type] || bytes.length !== count * WIDTHS[type]) {
    throw new Error(`${name}: ${bytes.length} bytes of type ${type} for ${count} values`);
  }
  const { buffer } = new Uint8Array(bytes);
  if (type === FLOAT) return new Float32Array(buffer);
  return type === INT8 ? new Int8Array(buffer) : new Uint8Array(buffer);
}

const QUANTISED = /_quantized$/;

/**
 * The weights of a transformer by the names of its modules, in floats: integers times their scale, and matrices of
 * products, which have numbers for names and stand as [in, out], by the node that reads them, turned to [out, in].
 * @param {Uint8Array} bytes @returns {Map<string, Weight>}
 */
export function onnxWeights(bytes) {
  const { nodes, initialisers } = readOnnx(bytes);
  const weights = /** @type {Map<string, Weight>} */ (new Map());
  for (const [name, tensor] of initialisers) {
    const plain = name.replace(QUANTISED, "");
    if (!/^onnx::MatMul_\d+$|\.(weight|bias)$/.test(plain)) continue;
    const weight = QUANTISED.test(name) ? dequantised(initialisers, tensor, plain) : floats(tensor);
    if (!plain.startsWith("onnx::")) weights.set(plain, weight);
    else weights.set(`${moduleOf(nodes, name)}.weight`, turned(weight));
  }
  return weights;
}

/** The module whose product reads a matrix, or what is dequantised of it. @param {Node[]} nodes @param {string} name */
function moduleOf(nodes, name) {
  const dequantising = nodes.find(({ op, inputs }) => op === "DequantizeLinear" && inputs[0] === name);
  const matrix = dequantising?.outputs[0] ?? name;
  const product = nodes.find(({ op, inputs }) => /^MatMul/.test(op) && inputs[1] === matrix);
  if (!product) throw new Error(`${name}: no product reads it`);
  return product.name
    .replace(/^\//, "")
    .replace(/\/MatMul(_quant)?$/, "")
    .replaceAll("/", ".");
}

/** @param {Initialiser} tensor @returns {Weight} */
const floats = (tensor) => ({ shape: tensor.shape, values: Float32Array.from(valuesOf(tensor)) });

/**
 * (q − zero point) · scale, of which there is one, or one a column.
 * @param {Map<string, Initialiser>} initialisers @param {Initialiser} tensor @param {string} plain @returns {Weight}
 */
function dequantised(initialisers, tensor, plain) {
  const of = (/** @type {string} */ suffix) => {
    const found = initialisers.get(`${plain}_${suffix}`);
    if (!found) throw new Error(`${plain} has no ${suffix}`);
    return valuesOf(found);
  };
  const [scales, zeros] = [of("scale"), of("zero_point")];
  const at = (/** @type {number} */ i) => (scales.length === 1 ? 0 : i % scales.length);
  const values = Float32Array.from(valuesOf(tensor), (q, i) => (q - zeros[at(i)]) * scales[at(i)]);
  return { shape: tensor.shape, values };
}

/** A matrix whose rows are columns. @param {Weight} weight @returns {Weight} */
function turned({ shape: [rows, columns], values }) {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = values[row * columns + column];
  }
  return { shape: [columns, rows], values: out };
}
