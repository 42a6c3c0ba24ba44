#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other side of train.sh: the same training step in PyTorch and transformers.

    train_torch.py make FOLDER                            the model (Qwen2, 4 M parameters) and its traces
    train_torch.py run FOLDER packed|padded STEPS BATCH   one line of JSON: tokens/s of each step, peak memory

packed: the documents one after another with a block mask; padded: a row for each. Attention is sdpa, torch.compile is
off, the head computes the positions that count alone. Figures count tokens of documents, not padding.
"""
import json
import os
import random
import resource
import sys
import time

THREADS = int(os.environ.get("THREADS", "2"))
os.environ["OMP_NUM_THREADS"] = str(THREADS)
import torch  # noqa: E402
import transformers  # noqa: E402


def make(folder):
    torch.manual_seed(1)
    config = transformers.Qwen2Config(
        hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2,
        head_dim=64, vocab_size=1024, max_position_embeddings=1024, tie_word_embeddings=True, dtype="float32",
        bos_token_id=None, eos_token_id=1)
    transformers.Qwen2ForCausalLM(config).save_pretrained(folder + "/model")
    chance = random.Random(2)
    with open(folder + "/traces.jsonl", "w") as file:
        for _ in range(256):
            n, n_prompt = chance.randint(100, 300), chance.randint(20, 60)
            json.dump({"ids": [chance.randrange(1024) for _ in range(n)],
                       "mask": [int(i >= n_prompt) for i in range(n)]}, file)
            file.write("\n")


def batch_of(documents, layout):
    """Ids, positions, mask of attention, flat rows whose next token counts, and those tokens."""
    lengths = [len(d["ids"]) for d in documents]
    if layout == "padded":
        width = max(lengths)
        ids = torch.zeros(len(documents), width, dtype=torch.long)
        seen = torch.zeros(len(documents), width, dtype=torch.long)
        starts = [i * width for i in range(len(documents))]
        positions = torch.arange(width).expand(len(documents), width)
    else:
        starts = [sum(lengths[:i]) for i in range(len(lengths))]
        ids = torch.zeros(1, sum(lengths), dtype=torch.long)
        positions = torch.cat([torch.arange(n) for n in lengths])[None]
        owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
        allowed = (owner[:, None] == owner[None]).tril()
        seen = torch.zeros(allowed.shape).masked_fill(~allowed, float("-inf"))[None, None]
    rows, targets = [], []
    for document, start in zip(documents, starts):
        n = len(document["ids"])
        ids.view(-1)[start:start + n] = torch.tensor(document["ids"])
        if layout == "padded":
            seen.view(-1)[start:start + n] = 1
        for i in range(1, n):
            if document["mask"][i]:
                rows.append(start + i - 1)
                targets.append(document["ids"][i])
    return ids, positions, seen, torch.tensor(rows), torch.tensor(targets)


def run(folder, layout, n_steps, batch):
    torch.set_num_threads(THREADS)
    libraries = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder + "/model", dtype=torch.float32, attn_implementation="sdpa")
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0)
    documents = [json.loads(line) for line in open(folder + "/traces.jsonl")]
    speeds = []
    for step in range(n_steps):
        chosen = [documents[(step * batch + i) % len(documents)] for i in range(batch)]
        start = time.perf_counter()
        ids, positions, seen, rows, targets = batch_of(chosen, layout)
        hidden = model.model(input_ids=ids, position_ids=positions, attention_mask=seen,
                             use_cache=False).last_hidden_state
        logits = model.lm_head(hidden.reshape(-1, hidden.shape[-1])[rows])
        loss = torch.nn.functional.cross_entropy(logits, targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        speeds.append(sum(len(d["ids"]) for d in chosen) / (time.perf_counter() - start))
    print(json.dumps({"libraries_bytes": libraries, "tok_s": speeds, "loss": loss.item(), "version": torch.__version__,
                      "rss_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        run(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
