"""A model as a folder in Hugging Face's layout: config.json, model.safetensors, tokenizer files."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from dense import Dense


def build(config):
    if config["model_type"] == "memoryformer":
        from memory import MemoryFormer

        return MemoryFormer(config)
    return Dense(config)


def write(model, folder, tokenizer_folder, figures=None, dtype=torch.float32):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: p.detach().to("cpu", dtype).contiguous() for name, p in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.config, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(Path(tokenizer_folder) / name, folder / name)
    if figures:
        (folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")


def read(folder):
    folder = Path(folder)
    model = build(json.loads((folder / "config.json").read_text()))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model
