#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a ModelOpt NVFP4 model directory of a config's shapes, random but valid, with a byte-level BPE tokenizer that
fills the vocabulary: for measuring loading and memory without the model. Standard library only.

    tests/bench/make_checkpoint.py CONFIG.json DIRECTORY
"""
import json
import os
import struct
import sys

BLOCK_BYTES = 16 << 20  # of random bytes, repeated: the values do not matter, only that they are finite
N_SPECIAL = 293  # ids that a tokenizer of this family leaves to special and unused tokens
# ModelOpt names the formats here, too.
QUANTIZATION = {
    "config_groups": {"group_0": {
        "input_activations": {"dynamic": False, "num_bits": 4, "type": "float", "group_size": 16},
        "weights": {"dynamic": False, "num_bits": 4, "type": "float", "group_size": 16},
        "targets": ["Linear"]}},
    "ignore": ["lm_head"], "quant_algo": "NVFP4", "quant_method": "modelopt",
    "producer": {"name": "modelopt", "version": "0"},
}


def bf16_block(high):
    """Random BF16 below 2 in magnitude whose high bytes come from the list `high`."""
    block = bytearray(BLOCK_BYTES)
    block[0::2] = os.urandom(BLOCK_BYTES // 2)
    block[1::2] = os.urandom(BLOCK_BYTES // 2).translate(bytes(high[i % len(high)] for i in range(256)))
    return bytes(block)


BLOCKS = {
    "weights": bf16_block([0x3C, 0xBC]),  # some hundredths
    "norm": b"\x80\x3f" * (1 << 16),
    "codes": os.urandom(BLOCK_BYTES),
    "scales": os.urandom(BLOCK_BYTES).translate(bytes(0x38 + i % 16 for i in range(256))),
    "scale": struct.pack("<f", 0.01),
}


def product(shape):
    n = 1
    for size in shape:
        n *= size
    return n


def tensors(config):
    """(name, dtype, shape, kind of block), in the order of the file."""
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head = config.get("head_dim", hidden // heads)
    yield "model.embed_tokens.weight", "BF16", [config["vocab_size"], hidden], "weights"
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", "BF16", [config["vocab_size"], hidden], "weights"
    yield "model.norm.weight", "BF16", [hidden], "norm"
    linears = {"self_attn.q_proj": (heads * head, hidden), "self_attn.k_proj": (kv_heads * head, hidden),
               "self_attn.v_proj": (kv_heads * head, hidden), "self_attn.o_proj": (hidden, heads * head),
               "mlp.gate_proj": (ffn, hidden), "mlp.up_proj": (ffn, hidden), "mlp.down_proj": (hidden, ffn)}
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", "BF16", [hidden], "norm"
        yield prefix + "post_attention_layernorm.weight", "BF16", [hidden], "norm"
        for name, (rows, cols) in linears.items():
            yield prefix + name + ".weight", "U8", [rows, cols // 2], "codes"
            yield prefix + name + ".weight_scale", "F8_E4M3", [rows, cols // 16], "scales"
            yield prefix + name + ".weight_scale_2", "F32", [], "scale"
            yield prefix + name + ".input_scale", "F32", [], "scale"
            if name[-6:] in ("q_proj", "k_proj", "v_proj") and config["model_type"] == "qwen2":
                yield prefix + name + ".bias", "BF16", [rows], "weights"


def write_weights(config, path):
    header, offset, kinds = {"__metadata__": {"format": "pt"}}, 0, []
    for name, dtype, shape, kind in tensors(config):
        n = product(shape) * {"BF16": 2, "U8": 1, "F8_E4M3": 1, "F32": 4}[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + n]}
        kinds.append((n, BLOCKS[kind]))
        offset += n
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for n, block in kinds:
            for begin in range(0, n, len(block)):
                file.write(block[: n - begin])


def byte_letters():
    """The letter that stands for each byte in a byte-level vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(other)) for b in range(256)]


def write_tokenizer(config, directory):
    """Merges of the shortest tokens with each other, until the vocabulary is as large as a real one."""
    letters = byte_letters()
    vocabulary, merges = {letter: i for i, letter in enumerate(letters)}, []
    n_wanted = config["vocab_size"] - N_SPECIAL
    words = letters[:]
    for left in words:  # grows while it is read
        if len(vocabulary) >= n_wanted:
            break
        for right in letters[::3]:
            if len(vocabulary) < n_wanted and left + right not in vocabulary:
                vocabulary[left + right] = len(vocabulary)
                merges.append([left, right])
                words.append(left + right)
    special = {"id": len(vocabulary), "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": False,
               "normalized": False, "special": True}
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
               r"\s+(?!\S)|\s+")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [special], "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": vocabulary, "merges": merges},
    }
    with open(os.path.join(directory, "tokenizer.json"), "w", encoding="utf-8") as file:
        json.dump(tokenizer, file, ensure_ascii=False, indent=2)
    with open(os.path.join(directory, "tokenizer_config.json"), "w", encoding="utf-8") as file:
        json.dump({"eos_token": "<|end|>", "tokenizer_class": "Qwen2Tokenizer"}, file)
    return special["id"]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    directory = sys.argv[2]
    os.makedirs(directory, exist_ok=True)
    config["eos_token_id"] = write_tokenizer(config, directory)
    config["quantization_config"] = QUANTIZATION
    with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2)
    write_weights(config, os.path.join(directory, "model.safetensors"))


if __name__ == "__main__":
    main()
