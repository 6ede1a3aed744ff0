"""Networks through the wheel:  python graphs.py JOB, a file as graphs.mjs has it, with a budget besides where one is set.

Prints, as JSON, the CRC-32 of the outputs of each case, run after run.
"""

import json
import sys
import zlib

import numpy
from limpet import Graph


def outputs(model: str, input: str, memory: "int | None" = None, **_: object) -> str:
    with Graph.load(model, memory=memory) as graph:
        assert memory is None or (graph.plan.values <= memory and graph.plan.patches > 1), graph.plan
        [tensor] = graph.inputs
        runs = numpy.fromfile(input, dtype=tensor.type).reshape(-1, *tensor.shape)
        total = 0
        for values in runs:
            given = graph.run({tensor.name: values})
            for output in graph.outputs:
                array = numpy.asarray(given[output.name])
                assert array.dtype == output.type and array.shape == output.shape, output
                total = zlib.crc32(array.tobytes(), total)
    return f"{total:08x}"


with open(sys.argv[1]) as job:
    print(json.dumps({case["name"]: {"sum": outputs(**case), "sums": []} for case in json.load(job)}))
