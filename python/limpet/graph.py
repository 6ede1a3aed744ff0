"""A graph: a network of a .tflite file, with arrays in and out.

    graph = Graph.load("person_detect.tflite")
    graph.inputs  # (Tensor(name="input", type="int8", shape=(1, 96, 96, 1), scale=0.0078, zero_point=-1),)
    scores = numpy.asarray(graph.run({graph.inputs[0].name: image})[graph.outputs[0].name])
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .core import Core, LimpetError
from .model import _whole
from .numbers import Status, TensorType

if TYPE_CHECKING:
    from wasmtime import Engine

GRAPH_WASM = Path(__file__).with_name("limpet.graph.wasm")

GraphTensorType = Literal[
    "float32", "float16", "int32", "uint8", "int64", "bool", "int16", "int8", "uint32", "uint64", "uint16"
]
"""What values of a tensor are. `float16` comes out as the bits of its halves (`H`)."""


@dataclass(frozen=True)
class Tensor:
    """An input or an output of a graph. A quantised value q stands for scale · (q − zero_point)."""

    name: str
    type: GraphTensorType
    shape: tuple[int, ...]
    scale: float
    """0 where it is not quantised."""
    zero_point: int


@dataclass(frozen=True)
class Memory:
    """What a graph takes of memory [bytes], which is known before it runs and never grows."""

    file: int
    constants: int
    values: int
    state: int
    scratch: int
    inputs: int
    """Inputs that lie whole beside the values: where a graph of patches turns or slices its image first, else 0."""


@dataclass(frozen=True)
class Plan:
    """How a graph is computed within the memory that it was given: whole, or its first operators patch by patch."""

    values: int
    """What values between operators and inputs take [bytes]."""
    patches: int
    """1: all is whole."""
    stage_end: int | None
    """The operator, by its place in the file, that writes the image that is cut into patches."""
    macs: int
    """Multiply-adds of a run."""
    factor: float
    """How many times those of a run without patches that is."""


@dataclass(frozen=True)
class _Slot:
    tensor: Tensor
    format: str
    bytes: int
    data: int
    pointer: int
    """Of the tensor in the core."""
    room: int
    """Fewer bytes of an input that is written part by part."""


# Formats of the buffer protocol, the first of which outputs have. Who has halves may give them as such.
_TYPES: dict[int, tuple[GraphTensorType, str]] = {
    TensorType.F32: ("float32", "f"),
    TensorType.F16: ("float16", "He"),
    TensorType.I32: ("int32", "i"),
    TensorType.U8: ("uint8", "B"),
    TensorType.I64: ("int64", "q"),
    TensorType.BOOL: ("bool", "?"),
    TensorType.I16: ("int16", "h"),
    TensorType.I8: ("int8", "b"),
    TensorType.U32: ("uint32", "I"),
    TensorType.U64: ("uint64", "Q"),
    TensorType.U16: ("uint16", "H"),
}
# What C calls long is one of these two, as the machine has it.
_LONG = {("l", 4): "i", ("l", 8): "q", ("L", 4): "I", ("L", 8): "Q"}
_INPUTS, _OUTPUTS = 0, 1


class Graph:
    """A network, loaded: made by ``Graph.load``. Its memory is its own, and goes with it."""

    def __init__(self, core: Core, pointer: int):
        self._core: Core | None = core
        self._pointer = pointer
        # A wasm instance is of one thread at a time; this says so instead of crashing.
        self._lock = threading.Lock()
        self._inputs = _slots(core, pointer, _INPUTS, "input")
        self._outputs = _slots(core, pointer, _OUTPUTS, "output")
        self.inputs: tuple[Tensor, ...] = tuple(slot.tensor for slot in self._inputs)
        self.outputs: tuple[Tensor, ...] = tuple(slot.tensor for slot in self._outputs)
        of = [int(core.call("graph_bytes", pointer, kind)) for kind in range(10)]
        file, constants, values, state, scratch, macs, inputs, whole, side, stage = of
        self.memory = Memory(file, constants, values, state, scratch, inputs)
        self.plan = Plan(
            values=values,
            patches=max(side, 1) ** 2,
            stage_end=stage - 1 if stage > 0 else None,
            macs=macs,
            factor=macs / whole if whole > 0 else 1.0,
        )

    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str] | bytes | bytearray | memoryview,
        *,
        memory: int | None = None,
        wasm: str | os.PathLike[str] = GRAPH_WASM,
        engine: Engine | None = None,
    ) -> Graph:
        """Loads a .tflite file: its path, or its bytes.

        ``memory`` is the most bytes that values between operators and inputs may take: where they take more, the graph is computed
        patch by patch, with the same outputs to the bit; what no plan fits is refused, with the least that one takes.
        """
        budget = 0 if memory is None else _whole("memory", memory, 1, 2**53 - 1)
        file = _bytes(source)
        core = Core(wasm, engine)
        # Whatever fails, the instance goes and its memory with it.
        pointer = core.handle(core.call("graph_create", core.pointer, len(file), 0))
        core.call("graph_set_budget", pointer, budget)
        core.write(core.call("graph_file", pointer), file)
        while core.check(core.call("graph_step", core.pointer, pointer)) != Status.DONE:
            pass
        return cls(core, pointer)

    def run(self, inputs: Mapping[str, Any]) -> dict[str, memoryview]:
        """Runs the graph with a value for each input, by name, and gives one for each output, as copies.

        An input is an array of numpy, or any buffer, of the tensor's type and shape (or of one dimension, row after row);
        ``bytes`` are its values as they lie in memory, little-endian. An output is a buffer of the tensor's type and
        shape: ``numpy.asarray`` makes an array of it. What state the graph keeps goes on from run to run.
        """
        with self._alone("the next") as core:
            values = self._read_inputs(inputs)
            for slot, value in zip(self._inputs, values):
                if slot.room == slot.bytes:
                    core.write(slot.data, value)
            try:
                while (status := core.check(core.call("graph_run", core.pointer, self._pointer))) != Status.DONE:
                    if status == Status.NEED_DATA:
                        _feed(core, self._inputs, values)
            except BaseException:
                core.call("graph_stop", self._pointer)
                raise
            return {slot.tensor.name: _output(core, slot) for slot in self._outputs}

    def reset(self) -> None:
        """Forgets what it kept from earlier runs, as before the first one."""
        with self._alone("a reset") as core:
            core.call("graph_reset", self._pointer)

    def close(self) -> None:
        """Gives its memory back. It must not be used after it."""
        if self._core is None:
            return
        with self._alone("closing it"):
            self._core = None

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _alone(self, what: str) -> Iterator[Core]:
        if not self._lock.acquire(blocking=False):
            raise LimpetError("WRONG_STATE", f"the graph is running: wait for that run before {what}")
        try:
            if self._core is None:
                raise LimpetError("WRONG_STATE", "the graph was closed: load it anew")
            yield self._core
        finally:
            self._lock.release()

    def _read_inputs(self, inputs: Mapping[str, Any]) -> list[bytes]:
        if not isinstance(inputs, Mapping):
            raise LimpetError("BAD_ARGUMENT", f"inputs are a dict of arrays by name, not {type(inputs).__name__}")
        names = [slot.tensor.name for slot in self._inputs]
        for name in inputs:
            if name not in names:
                words = f"the graph has no input {name!r}; it has {', '.join(names)}"
                raise LimpetError("BAD_ARGUMENT", words)
        return [_input(slot, inputs.get(slot.tensor.name)) for slot in self._inputs]


def _bytes(source: Any) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        try:
            return Path(source).read_bytes()
        except OSError as error:
            raise LimpetError("HOST", f"{os.fspath(source)} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise LimpetError("BAD_ARGUMENT", f"{os.fspath(source)!r} is no path: {error}") from error
    try:
        return source if isinstance(source, bytes) else memoryview(source).tobytes()
    except TypeError as error:
        words = f"a graph is the path of a .tflite file, or its bytes, not {type(source).__name__}"
        raise LimpetError("BAD_ARGUMENT", words) from error


def _slots(core: Core, graph: int, which: int, word: str) -> list[_Slot]:
    tensors = [core.call("graph_tensor", graph, which, i) for i in range(core.call("graph_count", graph, which))]
    names = [
        core.read(core.call("graph_tensor_name", one), core.call("graph_tensor_name_length", one)).decode("utf-8", "replace")
        for one in tensors
    ]
    slots = []
    for i, (tensor, name) in enumerate(zip(tensors, names)):
        number = [core.call("graph_tensor_number", tensor, which) for which in range(7)]
        # A file's own `input 1` might be another one's number.
        is_only = name != "" and names.count(name) == 1 and not re.fullmatch(rf"{word} [0-9]+", name)
        kind, form = _TYPES[int(number[0])]
        shape = tuple(int(core.call("graph_tensor_number", tensor, 8 + d)) for d in range(int(number[1])))
        about = Tensor(name if is_only else f"{word} {i}", kind, shape, number[3], int(number[4]))
        slots.append(_Slot(about, form, int(number[2]), core.call("graph_tensor_data", tensor), tensor, int(number[6])))
    return slots


def _feed(core: Core, slots: list[_Slot], values: list[bytes]) -> None:
    """Writes the parts of inputs that the patch under way wants."""
    for slot, value in zip(slots, values):
        top, bottom, left, right = (core.call("graph_wanted", slot.pointer, side) for side in range(4))
        if top >= bottom:
            continue
        row = slot.bytes // slot.tensor.shape[1]
        pixel = row // slot.tensor.shape[2]
        lines = (value[y * row + left * pixel : y * row + right * pixel] for y in range(top, bottom))
        core.write(slot.data, b"".join(lines))


def _input(slot: _Slot, value: Any) -> bytes:
    """The bytes of an input's value, which has to be of its type and shape."""
    tensor = slot.tensor
    wanted = f"input {tensor.name} wants {tensor.type} {list(tensor.shape)}"
    if isinstance(value, (bytes, bytearray)):
        if len(value) != slot.bytes:
            raise LimpetError("BAD_ARGUMENT", f"{wanted}, {slot.bytes} bytes, not {len(value)}")
        return bytes(value)
    try:
        view = memoryview(value)
    except (TypeError, ValueError, BufferError) as error:
        raise LimpetError("BAD_ARGUMENT", f"{wanted}, as an array or a buffer, not {type(value).__name__}") from error
    form = view.format.lstrip("@=<")
    if _LONG.get((form, view.itemsize), form) not in tuple(slot.format):
        found = getattr(value, "dtype", None) or f"a buffer of format {view.format!r}"
        raise LimpetError("BAD_ARGUMENT", f"{wanted}, not {found}")
    if view.shape != tensor.shape and not (view.ndim == 1 and view.nbytes == slot.bytes):
        raise LimpetError("BAD_ARGUMENT", f"{wanted}, not {list(view.shape or ())}")
    return view.tobytes()


def _output(core: Core, slot: _Slot) -> memoryview:
    view = memoryview(bytearray(core.read(slot.data, slot.bytes)))
    # A view of no values has one dimension.
    return view.cast(slot.format[0], slot.tensor.shape) if slot.bytes > 0 else view.cast(slot.format[0])  # type: ignore
