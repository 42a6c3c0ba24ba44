#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file of a config's shapes for llama.cpp, random but finite: linears Q4_0, embedding and head BF16, no
vocabulary. The bytes a token reads are those of the NVFP4 model of the same shapes. Needs the PyPI package gguf.

    make_gguf.py CONFIG.json FILE.gguf
"""
import json
import sys

import gguf
import numpy as np


def bf16(rng, rows, cols):
    data = np.empty((rows, cols, 2), np.uint8)
    data[..., 0] = np.resize(rng.integers(0, 256, 1 << 20, dtype=np.uint8), (rows, cols))
    data[..., 1] = np.resize(rng.choice(np.array([0x3C, 0xBC], np.uint8), 1 << 20), (rows, cols))
    return data.reshape(rows, cols * 2)


def q4_0(rng, rows, cols):
    """A block of 32: an f16 scale, 16 bytes of codes."""
    block = rng.integers(0, 256, (1 << 16, 18), dtype=np.uint8)
    block[:, :2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    return np.resize(block, (rows * cols // 32, 18)).reshape(rows, cols // 32 * 18)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    rng = np.random.default_rng(1)
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head, layers = hidden // heads, config["num_hidden_layers"]
    writer = gguf.GGUFWriter(sys.argv[2], "qwen2")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(ffn)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_freq_base(float(config["rope_theta"]))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")

    kinds = gguf.GGMLQuantizationType
    writer.add_tensor("token_embd.weight", bf16(rng, config["vocab_size"], hidden), raw_dtype=kinds.BF16)
    if not config["tie_word_embeddings"]:
        writer.add_tensor("output.weight", bf16(rng, config["vocab_size"], hidden), raw_dtype=kinds.BF16)
    writer.add_tensor("output_norm.weight", np.ones(hidden, np.float32))
    for layer in range(layers):
        linears = {"attn_q": (heads * head, hidden), "attn_k": (kv_heads * head, hidden),
                   "attn_v": (kv_heads * head, hidden), "attn_output": (hidden, heads * head),
                   "ffn_gate": (ffn, hidden), "ffn_up": (ffn, hidden), "ffn_down": (hidden, ffn)}
        for name, (rows, cols) in linears.items():
            writer.add_tensor(f"blk.{layer}.{name}.weight", q4_0(rng, rows, cols), raw_dtype=kinds.Q4_0)
            if name in ("attn_q", "attn_k", "attn_v"):
                writer.add_tensor(f"blk.{layer}.{name}.bias", np.zeros(rows, np.float32))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(hidden, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
