"""The core under wasmtime: its exports as calls that take handles (numbers) and raise what a call refuses."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wasmtime import Config, Engine, Func, Instance, Memory, Module, Store, WasmtimeError

from .numbers import ErrorCode, Status

WASM = Path(__file__).with_name("limpet.wasm")
_CODES = {value: name for name, value in vars(ErrorCode).items() if isinstance(value, int)}
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


class LimpetError(Exception):
    """What goes wrong, in words a user can act on. `code` is one of ABI's (`BAD_FILE`, `CONTEXT_FULL` …) or `HOST`."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def default_engine() -> Engine:
    """An engine that keeps what it has compiled, where the machine lets it: later processes begin at once."""
    config = Config()
    try:
        config.cache = True
    except WasmtimeError:
        config = Config()
    return Engine(config)


class Core:
    """One instance of the core, with memory of its own. It is of one thread at a time."""

    def __init__(self, wasm: str | os.PathLike[str] = WASM, engine: Engine | None = None):
        self.store = Store(engine or default_engine())
        exports = Instance(self.store, Module.from_file(self.store.engine, os.fspath(wasm)), []).exports(self.store)
        self._functions: dict[str, Func] = {name: item for name, item in exports.items() if isinstance(item, Func)}
        memory = exports["memory"]
        assert isinstance(memory, Memory)
        self._memory = memory
        self.pointer = self.handle(self.call("core_create"))

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls an export; its answer is not looked at."""
        return self._functions[name](self.store, *arguments)

    def check(self, status: int) -> int:
        """A status, which is raised where it says that a call has failed."""
        if status >= 0:
            return status
        length = self.call("error_message_length", self.pointer)
        words = self.read(self.call("error_message", self.pointer), length).decode("utf-8", "replace")
        raise LimpetError(_CODES.get(status, "HOST"), words)

    def handle(self, handle: int) -> int:
        """A handle; 0 says that there is none."""
        if handle != 0:
            return handle
        if not hasattr(self, "pointer"):
            raise LimpetError("OUT_OF_MEMORY", "the host gives no memory")
        return self.check(self.call("error_code", self.pointer) or -1)

    def read(self, pointer: int, length: int) -> bytes:
        """Bytes of the core's memory. Pointers are unsigned, and arrive signed."""
        start = pointer & 0xFFFFFFFF
        return bytes(self._memory.read(self.store, start, start + length))

    def write(self, pointer: int, data: bytes) -> None:
        """Writes into the core's memory."""
        self._memory.write(self.store, data, pointer & 0xFFFFFFFF)

    @contextmanager
    def scoped(self) -> Iterator[Callable[[bytes | int], int]]:
        """Gives what puts bytes (or so many zeros) into memory, and takes all of them back at the end."""
        taken: list[int] = []

        def put(data: bytes | int) -> int:
            size = data if isinstance(data, int) else len(data)
            pointer = self.handle(self.call("core_allocate", self.pointer, size))
            taken.append(pointer)
            if not isinstance(data, int):
                self.write(pointer, data)
            return pointer

        try:
            yield put
        finally:
            for pointer in taken:
                self.call("core_release", self.pointer, pointer)

    def load(self, path: str | os.PathLike[str]) -> int:
        """The handle of a model: each step asks for a piece of the file until the weights are in place."""
        files = [open(part, "rb") for part in _parts(os.fspath(path))]
        try:
            model = self.handle(self.call("model_create", self.pointer, len(files), 0))
            for index, file in enumerate(files):
                self.check(self.call("model_set_file_size", model, index, os.fstat(file.fileno()).st_size))
            while (status := self.check(self.call("model_step", model))) != Status.DONE:
                if status == Status.NEED_DATA:
                    file = files[self.call("model_request_file", model)]
                    file.seek(self.call("model_request_offset", model))
                    length = self.call("model_request_length", model)
                    piece = file.read(length)
                    if len(piece) != length:
                        raise LimpetError("BAD_FILE", f"{file.name} has become shorter while it was read")
                    self.write(self.call("model_request_destination", model), piece)
            return model
        finally:
            for file in files:
                file.close()


def _parts(path: str) -> list[str]:
    """All files of a split model, of which one is given; else the file."""
    split = _PART.search(path)
    if not split or int(split[2]) == 0:
        return [path]
    return [f"{path[: split.start()]}-{part + 1:05}-of-{split[2]}.gguf" for part in range(int(split[2]))]
