"""The test oracle of encoder-decoders: architectures/NAME.py has their `translate(file, source, ids)`, logits [tokens,
vocabulary]; with --peer Hugging Face's T5ForConditionalGeneration or UMT5's has the word, in float32, on the weights of the
same file.

    python translate.py jobs.json [--peer]

jobs.json: a list of { model, out, source, count }: greedy decoding of `count` tokens. What is written is JSON: ids, the
log probability of each, and the logits of the last step as base64 of little-endian float32.
"""

import argparse
import base64
import json
from importlib import import_module
from pathlib import Path

import numpy as np
from reading import File


def peer(file):
    """Logits [tokens, vocabulary] by Hugging Face's model."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration, UMT5Config, UMT5ForConditionalGeneration

    torch.set_num_threads(1)
    layers = file.number("block_count")
    below = file.number("decoder_block_count", layers)
    each = all(f"enc.blk.{i}.attn_rel_b.weight" in file.tensors for i in range(layers)) and all(
        f"dec.blk.{i}.attn_rel_b.weight" in file.tensors for i in range(below)
    )
    several = each and max(layers, below) > 1
    gated = "enc.blk.0.ffn_gate.weight" in file.tensors
    own_head = "output.weight" in file.tensors
    vocabulary, hidden = file.rows("token_embd.weight").shape
    config = (UMT5Config if several else T5Config)(
        vocab_size=vocabulary,
        d_model=hidden,
        d_kv=file.number("attention.key_length"),
        d_ff=file.number("feed_forward_length"),
        num_layers=layers,
        num_decoder_layers=below,
        num_heads=file.number("attention.head_count"),
        relative_attention_num_buckets=file.number("attention.relative_buckets_count"),
        feed_forward_proj="gated-gelu" if gated else "relu",
        layer_norm_epsilon=file.number("attention.layer_norm_rms_epsilon"),
        tie_word_embeddings=not own_head,
        attn_implementation="eager",
    )
    config.scale_decoder_outputs = not own_head and not gated
    model = (UMT5ForConditionalGeneration if several else T5ForConditionalGeneration)(config).eval()
    names = {"output_norm": "final_layer_norm", "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias"}
    names |= {"attn_norm": "layer.0.layer_norm", "cross_attn_norm": "layer.1.layer_norm"}
    names |= {f"attn_{x}": f"layer.0.SelfAttention.{x}" for x in "qkvo"}
    names |= {f"cross_attn_{x}": f"layer.1.EncDecAttention.{x}" for x in "qkvo"}
    state = {"shared.weight": file.rows("token_embd.weight")}
    state["lm_head.weight"] = file.rows("output.weight" if own_head else "token_embd.weight")
    for name in file.tensors:
        side, *rest = name.removesuffix(".weight").split(".")
        if side not in ("enc", "dec"):
            continue
        last = rest.pop()
        place = {"enc": "encoder", "dec": "decoder"}[side]
        block = f"block.{rest[1]}." if rest else ""
        ffn = f"layer.{1 if side == 'enc' else 2}."
        dense = f"{ffn}DenseReluDense."
        more = {"ffn_norm": f"{ffn}layer_norm", "ffn_down": f"{dense}wo", "ffn_gate": f"{dense}wi_0"}
        more["ffn_up"] = f"{dense}wi_1" if gated else f"{dense}wi"
        state[f"{place}.{block}{(names | more)[last]}.weight"] = file.rows(name)
    state["encoder.embed_tokens.weight"] = state["decoder.embed_tokens.weight"] = state["shared.weight"]
    if own_head:
        model.lm_head.weight = torch.nn.Parameter(torch.zeros(vocabulary, hidden))
    missing, unknown = model.load_state_dict({k: torch.tensor(v) for k, v in state.items()}, strict=False)
    assert not missing and not unknown, (missing, unknown)

    def translate(_, source, ids):
        with torch.no_grad():
            return model(input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([ids])).logits[0].numpy()

    return translate


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--peer", action="store_true")
    options = parser.parse_args()
    for job in json.loads(options.jobs.read_text()):
        file = File(job["model"], np.float32 if options.peer else np.float64)
        translate = peer(file) if options.peer else import_module(f"architectures.{file.architecture}").translate
        start = file.number("decoder_start_token_id")
        ids, logprobs = [start], []
        for _ in range(job["count"]):
            row = translate(file, job["source"], ids)[-1].astype(np.float64)
            chosen = int(row.argmax())
            logprobs.append(float(row[chosen] - row.max() - np.log(np.exp(row - row.max()).sum())))
            ids.append(chosen)
        logits = base64.b64encode(row.astype("<f4").tobytes()).decode()
        Path(job["out"]).write_text(json.dumps({"ids": ids[1:], "logprobs": logprobs, "logits": logits}))


if __name__ == "__main__":
    main()
