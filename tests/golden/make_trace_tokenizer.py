#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the tokenizer of a traces file with the `tokenizers` package, for tests/apps/test_tokenizer_train.c.

    make_trace_tokenizer.py golden TRACES.jsonl N_MERGES OUT_DIR      writes merges.txt and cases.jsonl
    make_trace_tokenizer.py compare TOKENIZER_DIR TEXT.jsonl NIBBLE   same ids from transformers, tokenizers and nibble?

Needs tokenizers (and transformers for `compare`), from PyPI, in an environment of its own.
"""
import json
import re
import subprocess
import sys

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]


def texts_of(path):
    """The texts between special tokens, and the template's words once a line."""
    for line in open(path, encoding="utf-8"):
        entry = json.loads(line)
        for key in ("prompt", "response", "question", "steps"):
            for text in re.split("|".join(map(re.escape, SPECIAL)), entry.get(key, "")):
                if text:
                    yield text
        yield "user\nassistant\n"


def train(path, n_merges):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(vocab_size=256 + n_merges, min_frequency=1, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts_of(path), trainer)
    return tokenizer


def golden(traces, n_merges, out):
    tokenizer = train(traces, int(n_merges))
    state = json.loads(tokenizer.to_str())["model"]
    with open(f"{out}/merges.txt", "w", encoding="utf-8") as file:
        for merge in state["merges"]:
            file.write((merge if isinstance(merge, str) else " ".join(merge)) + "\n")
    cases = ["What is 347 + 285?", "Mia's 12 books cost $3.50 each .", "20 * 4 = 80\n", "3 + ? = 5", "é ÷ 7 × 2  x",
             "528 / 8:\n60 * 8 = 480", "", " ", "1/2 - 1/3"]
    with open(f"{out}/cases.jsonl", "w", encoding="utf-8") as file:
        for case in cases:
            file.write(json.dumps({"text": case, "ids": tokenizer.encode(case).ids}) + "\n")


def compare(directory, path, nibble):
    from transformers import AutoTokenizer
    fast = Tokenizer.from_file(f"{directory}/tokenizer.json")
    auto = AutoTokenizer.from_pretrained(directory)
    entries = [json.loads(line) for line in open(path, encoding="utf-8")]
    texts = [entry.get("prompt") or entry.get("question") for entry in entries]
    texts += [entry[key] for entry in entries for key in ("response", "steps") if key in entry]
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    result = subprocess.run([nibble, "tokenize", directory, "--json"], input=lines, text=True, capture_output=True,
                            check=True)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(found) == len(texts)
    for text, ids in zip(texts, found):
        assert ids == fast.encode(text, add_special_tokens=False).ids, text
        assert ids == auto(text, add_special_tokens=False)["input_ids"], text
        assert auto.decode(ids) == text, text
    chat = [[{"role": "user", "content": text}] for text in texts[:100]]
    result = subprocess.run([nibble, "tokenize", directory, "--template"], input="".join(json.dumps(c) + "\n" for c in chat),
                            text=True, capture_output=True, check=True)
    expected = "".join(auto.apply_chat_template(c, tokenize=False, add_generation_prompt=True) + "\n" for c in chat)
    assert result.stdout == expected
    print(f"{len(texts)} texts: same ids in nibble, tokenizers and transformers")


if __name__ == "__main__":
    {"golden": golden, "compare": compare}[sys.argv[1]](*sys.argv[2:])
