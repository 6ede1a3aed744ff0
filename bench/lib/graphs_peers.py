"""Networks of bytes for the peers of bench/graphs.mjs:  python graphs_peers.py NETWORK.tflite INPUT.bin OUT

Writes OUT.onnx, the same network as ONNX (weights, scales and zero points as they are, activations as u8 with 128 more,
which onnxruntime's kernels are made for), and OUT.bin, the answer of tflite-micro to the input.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import tflite
import tflite_micro
from onnx import TensorProto, helper, numpy_helper

OPERATORS = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}


class Converter:
    """Each tensor of the graph becomes one of u8, NCHW; between them nodes of f32 behind DequantizeLinear."""

    def __init__(self, file):
        self.model = tflite.Model.GetRootAs(file, 0)
        self.graph = self.model.Subgraphs(0)
        self.nodes, self.constants, self.pads, self.names = [], [], {}, {}

    def shape(self, index):
        return [int(size) for size in self.graph.Tensors(index).ShapeAsNumpy()]

    def data(self, index, dtype):
        tensor = self.graph.Tensors(index)
        return np.frombuffer(self.model.Buffers(tensor.Buffer()).DataAsNumpy().tobytes(), dtype).reshape(self.shape(index))

    def scales(self, index):
        quantisation = self.graph.Tensors(index).Quantization()
        return quantisation.ScaleAsNumpy(), quantisation.ZeroPointAsNumpy()

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def node(self, kind, inputs, **attributes):
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def real(self, index):
        """The tensor as f32."""
        index = self.pads.get(index, (index, None))[0]
        scale, zero = self.scales(index)
        parts = [self.constant(np.float32(scale[0])), self.constant(np.uint8(zero[0] + 128))]
        return self.node("DequantizeLinear", [self.names[index], *parts])

    def bytes(self, value, index, act=0):
        """f32 as the tensor; what its range does not cut is cut before."""
        scale, zero = (float(part[0]) for part in self.scales(index))
        least, most = [(None, None), (0.0, None), (-1.0, 1.0), (0.0, 6.0)][act]
        if least is not None and (-128 - zero) * scale < least - scale / 2 and act != 3:
            value = self.node("Relu", [value])
        elif most is not None and ((127 - zero) * scale > most + scale / 2 or (-128 - zero) * scale < least - scale / 2):
            value = self.node("Clip", [value, self.constant(np.float32(least)), self.constant(np.float32(most))])
        parts = [self.constant(np.float32(scale)), self.constant(np.uint8(zero + 128))]
        self.names[index] = self.node("QuantizeLinear", [value, *parts])

    def weights(self, index, bias, x, axis, turn):
        scale, _ = self.scales(index)
        each = scale if len(scale) > 1 else np.float32(scale[0])
        attributes = {"axis": axis} if len(scale) > 1 else {}
        array = turn(self.data(index, np.int8))
        zero = self.constant(np.zeros(scale.shape if len(scale) > 1 else (), np.int8))
        w = self.node("DequantizeLinear", [self.constant(array), self.constant(each), zero], **attributes)
        if bias < 0:
            return [w]
        together = self.scales(self.pads.get(x, (x, None))[0])[0][0] * each
        zero = self.constant(np.zeros(scale.shape if len(scale) > 1 else (), np.int32))
        axis = {"axis": 0} if len(scale) > 1 else {}
        b = self.node("DequantizeLinear", [self.constant(self.data(bias, np.int32)), self.constant(together), zero], **axis)
        return [w, b]

    def window(self, x, y, size, stride, dilation, padding):
        """strides, dilations, pads of a convolution or a pool, with the PAD before it."""
        source, pad = self.pads.get(x, (x, None))
        if pad is not None:
            return {"strides": stride, "pads": [pad[1][0], pad[2][0], pad[1][1], pad[2][1]]}
        pads = [0, 0, 0, 0]
        for k in range(2):
            reach = (size[k] - 1) * dilation[k] + 1
            total = max((self.shape(y)[1 + k] - 1) * stride[k] + reach - self.shape(source)[1 + k], 0)
            if padding == 0:
                pads[k], pads[2 + k] = total // 2, total - total // 2
        return {"strides": stride, "pads": pads}

    def step(self, op):
        code = self.model.OperatorCodes(op.OpcodeIndex())
        name = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, y = [int(i) for i in op.InputsAsNumpy()], int(op.Outputs(0))
        x = inputs[0]
        bias = inputs[2] if len(inputs) > 2 else -1

        def options(kind):
            found = kind()
            found.Init(op.BuiltinOptions().Bytes, op.BuiltinOptions().Pos)
            return found

        if name == "CONV_2D" or name == "DEPTHWISE_CONV_2D":
            depthwise = name == "DEPTHWISE_CONV_2D"
            o = options(tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions)
            size = self.shape(inputs[1])[1:3]
            dilation = [o.DilationHFactor(), o.DilationWFactor()]
            more = self.window(x, y, size, [o.StrideH(), o.StrideW()], dilation, o.Padding())
            turn = (lambda w: w.transpose(3, 0, 1, 2)) if depthwise else (lambda w: w.transpose(0, 3, 1, 2))
            group = self.shape(x)[3] if depthwise else 1
            w = self.weights(inputs[1], bias, x, 0, turn)
            value = self.node("Conv", [self.real(x), *w], group=group, dilations=dilation, kernel_shape=size, **more)
            self.bytes(value, y, o.FusedActivationFunction())
        elif name == "FULLY_CONNECTED":
            o = options(tflite.FullyConnectedOptions)
            value = self.real(x)
            if len(self.shape(x)) != 2:
                value = self.node("Flatten", [value])
            value = self.node("Gemm", [value, *self.weights(inputs[1], bias, x, 0, lambda w: w)], transB=1)
            self.bytes(value, y, o.FusedActivationFunction())
        elif name == "ADD":
            value = self.node("Add", [self.real(x), self.real(inputs[1])])
            self.bytes(value, y, options(tflite.AddOptions).FusedActivationFunction())
        elif name == "AVERAGE_POOL_2D":
            o = options(tflite.Pool2DOptions)
            size = [o.FilterHeight(), o.FilterWidth()]
            more = self.window(x, y, size, [o.StrideH(), o.StrideW()], [1, 1], o.Padding())
            self.bytes(self.node("AveragePool", [self.real(x)], kernel_shape=size, **more), y)
        elif name == "MEAN":
            self.bytes(self.node("GlobalAveragePool", [self.real(x)]), y)
        elif name == "SOFTMAX":
            self.bytes(self.node("Softmax", [self.real(x)], axis=-1), y)
        elif name == "RESHAPE":
            assert len(self.shape(x)) != 4 or max(self.shape(x)[1:3]) == 1, "rows before columns would be mixed"
            self.names[y] = self.node("Flatten", [self.names[x]])
        elif name == "PAD":
            self.pads[y] = (x, self.data(inputs[1], np.int32))
        elif name == "TRANSPOSE":
            # From NCHW, as the file's input is, to NHWC: here all are NCHW.
            assert list(self.data(inputs[1], np.int32).ravel()) == [0, 2, 3, 1]
            self.names[y] = self.names[x]
        else:
            raise NotImplementedError(name)

    def run(self):
        given, wanted = int(self.graph.Inputs(0)), int(self.graph.Outputs(0))
        self.names[given] = "x"
        shape = self.shape(given)
        first = self.graph.Operators(0)
        turned = OPERATORS[self.model.OperatorCodes(first.OpcodeIndex()).BuiltinCode()] == "TRANSPOSE"
        if len(shape) == 4 and not turned:
            shape = [shape[0], shape[3], shape[1], shape[2]]
        for i in range(self.graph.OperatorsLength()):
            self.step(self.graph.Operators(i))
        output = helper.make_tensor_value_info(self.names[wanted], TensorProto.UINT8, None)
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)], [output], self.constants
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main():
    path, values, out = sys.argv[1:]
    file = Path(path).read_bytes()
    interpreter = tflite_micro.runtime.Interpreter.from_bytes(file)
    shape = interpreter.get_input_details(0)["shape"]
    interpreter.set_input(np.frombuffer(Path(values).read_bytes(), np.int8).reshape(shape), 0)
    interpreter.invoke()
    Path(f"{out}.bin").write_bytes(interpreter.get_output(0).tobytes())
    onnx.save(Converter(file).run(), f"{out}.onnx")


main()
