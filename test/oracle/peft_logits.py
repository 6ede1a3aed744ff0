"""PEFT's own adapters on Hugging Face's forward: the logits after each token, as raw little-endian float32.

    python peft_logits.py FOLDER --adapter FOLDER=WEIGHT … --tokens 1,2,3 --out logits.f32
"""

import argparse

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--adapter", action="append", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = AutoModelForCausalLM.from_pretrained(
        options.folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True
    )
    model = None
    weights = {}
    for i, given in enumerate(options.adapter):
        folder, weight = given.rsplit("=", 1)
        name = f"adapter{i}"
        weights[name] = float(weight)
        if model is None:
            model = PeftModel.from_pretrained(base, folder, adapter_name=name)
        else:
            model.load_adapter(folder, adapter_name=name)
    model.base_model.set_adapter(list(weights))
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name in module.scaling:
                module.scaling[name] *= weights[name]
    model.eval()
    ids = torch.tensor([[int(id) for id in options.tokens.split(",")]])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
    with open(options.out, "wb") as target:
        target.write(logits.numpy().astype("<f4").tobytes())


if __name__ == "__main__":
    main()
