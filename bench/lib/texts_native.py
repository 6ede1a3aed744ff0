"""Native ONNX Runtime on one thread, for bench/texts.mjs:  python texts_native.py MODEL IDS ROUNDS

Prints, as JSON, the milliseconds of each round over all texts by name: the int8 file as it is, and its twin in floats
(test/oracle/trained.py). Texts go one by one or in batches of one length, whichever is faster.
"""

import json
import sys
import time
from itertools import groupby
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

sys.path.insert(0, str(Path(__file__).parents[2] / "test" / "oracle"))
from trained import twin  # noqa: E402


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(running, batches):
    names = [value.name for value in running.get_inputs()]
    for ids in batches:
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        running.run(None, {name: given[name] for name in names})[0].mean(axis=1)


def main():
    path, ids, rounds = sys.argv[1:]
    texts = json.loads(Path(ids).read_text())
    single = [np.array([text], dtype=np.int64) for text in texts]
    groups = [np.array(list(group), dtype=np.int64) for _, group in groupby(sorted(texts, key=len), key=len)]
    found = {}
    for name, model in {"float32": twin(path), "int8": onnx.load(path)}.items():
        running = session(model)
        ways = []
        for batches in (single, groups):
            run(running, batches)
            ms = []
            for _ in range(int(rounds)):
                started = time.perf_counter()
                run(running, batches)
                ms.append(1000 * (time.perf_counter() - started))
            ways.append(ms)
        found[name] = min(ways, key=lambda ms: sorted(ms)[len(ms) // 2])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
