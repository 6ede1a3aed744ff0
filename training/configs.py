"""The shapes and the schedules: one entry a model that limpet trains. `tiny` shapes serve tests and converters."""

VOCABULARY = 4096
LENGTH = 512

COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "max_position_embeddings": LENGTH,
    "rope_theta": 10000.0,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "torch_dtype": "float32",
}

PLM = COMMON | {
    "model_type": "plm",
    "architectures": ["PLMForCausalLM"],
    "num_key_value_heads": 4,
    "qk_nope_head_dim": 48,
    "qk_rope_head_dim": 16,
    "v_head_dim": 64,
    "kv_lora_rank": 64,
    "q_lora_rank": None,
    "intermediate_size": 768,
    "hidden_act": "relu2",
    "rms_norm_eps": 1e-6,
    "rope_interleave": True,
    "rope_scaling": None,
    "attention_bias": False,
    "tie_word_embeddings": True,
}

LLAMA = COMMON | {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 512,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
}


def memoryformer(code_length, **changes):
    return (
        COMMON
        | {
            "model_type": "memoryformer",
            "architectures": ["MemoryFormerForCausalLM"],
            "num_key_value_heads": 4,
            "head_dim": 64,
            "code_length": code_length,
            "num_tables": 256 // code_length,
            "ffn_code_extra": 2,
            "weight_rule": "score",
            "weight_temperature": 1.0,
            "zero_sign": 1,
            "shared_hash": True,
            "output_projection": False,
            "rms_norm_eps": 1e-8,
            "rms_norm_eps_position": "outside",
            "layer_norm_eps": 1e-5,
            "rotary_pct": 0.25,
            "tie_word_embeddings": False,
        }
        | changes
    )


MODELS = {
    "plm": PLM,
    "llama": LLAMA,
    "memoryformer-t8": memoryformer(8),
    "memoryformer-t4": memoryformer(4),
}

SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64}

TINY = {
    "plm": PLM
    | SMALL
    | {
        "num_key_value_heads": 2,
        "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 8,
        "v_head_dim": 32,
        "kv_lora_rank": 32,
        "intermediate_size": 128,
    },
    "llama": LLAMA | SMALL | {"num_key_value_heads": 1, "head_dim": 32, "intermediate_size": 96},
    "memoryformer-t8": memoryformer(8, **SMALL, num_key_value_heads=2, head_dim=32, num_tables=8),
    "memoryformer-t4": memoryformer(4, **SMALL, num_key_value_heads=2, head_dim=32, num_tables=16),
}
