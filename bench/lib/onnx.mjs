/** Writes the smallest ONNX models that there are: one node, one constant matrix. Protocol buffers by hand. */

/** @param {number} value */
function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Uint8Array.from([...bytes, value]);
}

/** @typedef {[field: number, value: number | string | Uint8Array | Field[]]} Field */

/** @param {Field[]} fields @returns {Uint8Array} */
function encode(fields) {
  const parts = fields.flatMap(([field, value]) => {
    if (typeof value === "number") return [varint(field * 8), varint(value)];
    const bytes =
      typeof value === "string" ? new TextEncoder().encode(value) : Array.isArray(value) ? encode(value) : value;
    return [varint(field * 8 + 2), varint(bytes.length), bytes];
  });
  return Buffer.concat(parts);
}

const FLOAT = 1;
const UINT8 = 2;

/** @param {string} name @param {number[]} shape @returns {Field[]} */
const tensorInfo = (name, shape) => [
  [1, name],
  [
    2,
    [
      [
        1,
        [
          [1, FLOAT],
          [2, shape.map((size) => /** @type {Field} */ ([1, [[1, size]]]))],
        ],
      ],
    ],
  ],
];

/** @param {string} name @param {number[]} shape @param {Float32Array | Uint8Array} data @returns {Field} */
const constant = (name, shape, data) => [
  5,
  [
    ...shape.map((size) => /** @type {Field} */ ([1, size])),
    [2, data instanceof Float32Array ? FLOAT : UINT8],
    [8, name],
    [9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)],
  ],
];

/** @param {Field[]} node @param {Field[]} constants @param {number[]} input @param {number[]} output */
function model(node, constants, input, output) {
  const graph = /** @type {Field[]} */ ([
    [1, node],
    [2, "g"],
    ...constants,
    [11, tensorInfo("a", input)],
    [12, tensorInfo("y", output)],
  ]);
  const domains = /** @type {Field[]} */ ([
    [
      8,
      [
        [1, ""],
        [2, 17],
      ],
    ],
    [
      8,
      [
        [1, "com.microsoft"],
        [2, 1],
      ],
    ],
  ]);
  return encode([[1, 8], [7, graph], ...domains]);
}

/** y[m, n] = a[m, k] × b[k, n]. @param {number} m @param {number} k @param {number} n @param {Float32Array} b */
export function matMulModel(m, k, n, b) {
  return model(
    [
      [1, "a"],
      [1, "b"],
      [2, "y"],
      [4, "MatMul"],
    ],
    [constant("b", [k, n], b)],
    [m, k],
    [m, n],
  );
}

/**
 * The same with b of 4 bits in blocks of 32: `codes` [n, k / 32, 16], `scales` [n · k / 32].
 * @param {number} m @param {number} k @param {number} n @param {Uint8Array} codes @param {Float32Array} scales
 */
export function matMulNBitsModel(m, k, n, codes, scales) {
  const attribute = (/** @type {string} */ name, /** @type {number} */ value) =>
    /** @type {Field} */ ([
      5,
      [
        [1, name],
        [3, value],
        [20, 2],
      ],
    ]);
  const settings = { K: k, N: n, bits: 4, block_size: 32, accuracy_level: 4 };
  const attributes = Object.entries(settings).map(([name, value]) => attribute(name, value));
  const constants = [constant("b", [n, k / 32, 16], codes), constant("s", [(n * k) / 32], scales)];
  const node = /** @type {Field[]} */ ([
    [1, "a"],
    [1, "b"],
    [1, "s"],
    [2, "y"],
    [4, "MatMulNBits"],
    ...attributes,
    [7, "com.microsoft"],
  ]);
  return model(node, constants, [m, k], [m, n]);
}
