"""
llama.cpp's own quantisers (the libraries that node-llama-cpp brings), called from Python's standard library:

    python3 native_quantize.py rows IN.f32 OUT TYPE_ID COLUMNS        rows of f32 -> blocks
    python3 native_quantize.py values IN OUT.f32 TYPE_ID              blocks -> f32
    python3 native_quantize.py file IN.gguf OUT.gguf FILE_TYPE        a model file, as llama-quantize does it

TYPE_ID is ggml's number of a block format, FILE_TYPE llama.cpp's number of a mix (general.file_type).
"""
import ctypes
import os
import platform
import sys

MACHINE = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
SYSTEM = {"Linux": "linux", "Darwin": "mac"}[platform.system()]
HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(HERE, "..", "node_modules")
PACKAGE = f"{SYSTEM}-{MACHINE}"
FOLDER = os.path.join(MODULES, "@node-llama-cpp", PACKAGE, "bins", PACKAGE)


def library(stem):
    name = next(name for name in sorted(os.listdir(FOLDER)) if name.startswith(stem + "."))
    return ctypes.CDLL(os.path.join(FOLDER, name), mode=ctypes.RTLD_GLOBAL)


def quantize_rows(source, target, type_id, columns):
    base = library("libggml-base")
    base.ggml_row_size.restype = ctypes.c_size_t
    base.ggml_row_size.argtypes = [ctypes.c_int, ctypes.c_int64]
    base.ggml_quantize_chunk.restype = ctypes.c_size_t
    base.ggml_quantize_chunk.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p,
    ]
    with open(source, "rb") as file:
        values = file.read()
    rows = len(values) // (4 * columns)
    blocks = ctypes.create_string_buffer(rows * base.ggml_row_size(type_id, columns))
    floats = ctypes.create_string_buffer(values, len(values))
    base.ggml_quantize_chunk(type_id, floats, blocks, 0, rows, columns, None)
    with open(target, "wb") as file:
        file.write(blocks.raw)


class Traits(ctypes.Structure):
    """The first members of ggml_type_traits."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("elements", ctypes.c_int64),
        ("interleaved", ctypes.c_int64),
        ("bytes", ctypes.c_size_t),
        ("quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    ]


def read_blocks(source, target, type_id):
    base = library("libggml-base")
    base.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
    traits = base.ggml_get_type_traits(type_id).contents
    with open(source, "rb") as file:
        blocks = file.read()
    count = len(blocks) // traits.bytes * traits.elements
    values = ctypes.create_string_buffer(4 * count)
    traits.to_float(ctypes.create_string_buffer(blocks, len(blocks)), values, count)
    with open(target, "wb") as file:
        file.write(values.raw)


class Parameters(ctypes.Structure):
    """The first members of llama_model_quantize_params; the rest stays as the library sets it."""

    _fields_ = [
        ("threads", ctypes.c_int32),
        ("file_type", ctypes.c_int32),
        ("output_type", ctypes.c_int32),
        ("embedding_type", ctypes.c_int32),
        ("allow_requantize", ctypes.c_bool),
        ("rest", ctypes.c_ubyte * 239),
    ]


def quantize_file(source, target, file_type):
    library("libggml-base")
    library("libggml").ggml_backend_load_all_from_path(FOLDER.encode())
    llama = library("libllama")
    llama.llama_model_quantize_default_params.restype = Parameters
    parameters = llama.llama_model_quantize_default_params()
    parameters.threads = 1
    parameters.file_type = file_type
    parameters.allow_requantize = True
    status = llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters))
    if status != 0:
        sys.exit(f"llama_model_quantize ended with {status}")


kind, source, target, *numbers = sys.argv[1:]
{"rows": quantize_rows, "values": read_blocks, "file": quantize_file}[kind](source, target, *map(int, numbers))
