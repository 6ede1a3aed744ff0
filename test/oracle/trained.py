"""What others make of texts by trained models: the checkpoints of scripts/fetch-trained.mjs.

    python trained.py jobs.json out.json

jobs.json: a list of { name, folder, kind, texts }. Tokens are those of Hugging Face's tokenizers. `kind`:

* "embedder": pooled vectors, normalised: by onnxruntime on the ONNX file where the folder has one, which is in floats; else
  by Hugging Face's BertModel. Base64 of little-endian float32, one text behind the other.
* "tagger": the last hidden rows of each text, by onnxruntime on the file without its rounding of activations.
* "translator": greedy answers, by onnxruntime on the same of a file whose integers are products' (MatMulInteger).

Wants onnx and onnxruntime beside peers.txt.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

MOST = 40


def tokenizer_of(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # What is fused may be summed otherwise, and integers come back.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def twin(path, more=()):
    """The graph in floats: activations are not rounded, integers of weights are what they stand for."""
    model = onnx.load(path)
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    made = {output: node for node in graph.node for output in node.output}
    readers = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    gone, renamed, nodes = set(), {}, []
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            base = node.input[1].removesuffix("_quantized")
            q, scale, zero = (numpy_helper.to_array(constants[base + end]) for end in ("_quantized", "_scale", "_zero_point"))
            weight = numpy_helper.from_array((q.astype(np.float32) - zero.astype(np.float32)) * scale, base + "_floats")
            graph.initializer.append(weight)
            # MatMulInteger → Cast → Mul by both scales: the last one's name is kept.
            cast = readers[node.output[0]][0]
            mul = readers[cast.output[0]][0]
            rounding = made[node.input[0]]
            nodes.append((id(node), helper.make_node("MatMul", [rounding.input[0], weight.name], [mul.output[0]])))
            gone |= {id(node), id(cast), id(mul)}
        elif node.op_type == "QuantizeLinear" and node.input[0] not in constants:
            for reader in readers[node.output[0]]:
                if reader.op_type == "DequantizeLinear":
                    renamed[reader.output[0]] = node.input[0]
                    gone.add(id(reader))
            gone.add(id(node))
    inserted = dict(nodes)
    kept = []
    for node in graph.node:
        if id(node) in inserted:
            kept.append(inserted[id(node)])
        elif id(node) not in gone:
            kept.append(node)
    for node in kept:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)
    outputs = {renamed.get(output.name) for output in graph.output}
    assert not (outputs - {None}), "an output is rounded"
    ordered = sort(kept, {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer})
    del graph.node[:]
    graph.node.extend(ordered)
    for name in more:
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return model


def sort(nodes, known):
    """Nodes so that what they read is there; what nobody makes any more and nobody reads is left out."""
    known, left, out = set(known) | {""}, list(nodes), []
    while left:
        ready = [node for node in left if all(name in known for name in node.input)]
        if not ready:
            break
        known |= {output for node in ready for output in node.output}
        out += ready
        left = [node for node in left if not any(node is other for other in ready)]
    return out


def encoded(values):
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def inputs_of(running, ids):
    names = {value.name for value in running.get_inputs()}
    row = np.array([ids], dtype=np.int64)
    given = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
    return {name: value for name, value in given.items() if name in names}


def embedder(folder, texts):
    is_cls = json.loads((folder / "1_Pooling/config.json").read_text()).get("pooling_mode_cls_token", False)
    rows_of = rows_by_onnx(folder) if list(folder.glob("*.onnx")) else rows_by_transformers(folder)
    for ids in texts:
        rows = rows_of(ids).astype(np.float64)
        vector = rows[0] if is_cls else rows.mean(axis=0)
        yield vector / np.linalg.norm(vector)


def rows_by_onnx(folder):
    running = session(onnx.load(next(folder.glob("*.onnx"))))
    [name] = [output.name for output in running.get_outputs() if len(output.shape) == 3]
    return lambda ids: running.run([name], inputs_of(running, ids))[0][0]


def rows_by_transformers(folder):
    import torch
    from transformers import BertModel

    torch.set_num_threads(1)
    model = BertModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()

    def rows_of(ids):
        with torch.no_grad():
            return model(torch.tensor([ids])).last_hidden_state[0].numpy()

    return rows_of


def tagger(folder, texts):
    path = next(folder.glob("*.onnx"))
    graph = onnx.load(path).graph
    last = [node for node in graph.node if node.op_type == "LayerNormalization"][-1].output[0]
    running = session(twin(path, [last]))
    for ids in texts:
        yield running.run([last], inputs_of(running, ids))[0][0]


def translator(folder, texts):
    encoder, decoder = session(twin(folder / "encoder.onnx")), session(twin(folder / "decoder.onnx"))
    for ids in texts:
        hidden = encoder.run(None, inputs_of(encoder, ids))[0]
        mask = np.ones((1, len(ids)), dtype=np.int64)
        out, margins = [0], []
        while len(out) <= MOST and out[-1] != 1:
            given = {}
            for value in decoder.get_inputs():
                if "hidden" in value.name:
                    given[value.name] = hidden
                elif "mask" in value.name:
                    given[value.name] = mask
                else:
                    given[value.name] = np.array([out], dtype=np.int64)
            logits = decoder.run(None, given)[0][0, -1]
            best = np.sort(logits)[-2:]
            margins.append(round(float(best[1] - best[0]), 4))
            out.append(int(logits.argmax()))
        yield {"answer": out[1:], "margins": margins, "first": [round(float(v), 5) for v in hidden[0, 0, :4]]}


def main():
    jobs, out = sys.argv[1:]
    rows = []
    for job in json.loads(Path(jobs).read_text()):
        folder = Path(job["folder"])
        tokenizer = tokenizer_of(folder)
        ids = [tokenizer.encode(text).ids for text in job["texts"]]
        row = {"name": job["name"], "kind": job["kind"], "texts": job["texts"], "ids": ids}
        if job["kind"] == "translator":
            row["answers"] = list(translator(folder, ids))
            for answer in row["answers"]:
                answer["text"] = tokenizer.decode(answer["answer"])
        else:
            run = embedder if job["kind"] == "embedder" else tagger
            row["vectors"] = [encoded(values) for values in run(folder, ids)]
        rows.append(row)
    Path(out).write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
