#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The evaluation loss of nibble-qat sft, computed by transformers from the directory it wrote: the same tokens, the same
tokenizer and template, the same loss. Needs torch and transformers.

    check_training.py MODEL TRACES.jsonl      MODEL: made by sft --eval-traces TRACES.jsonl; prints both losses
"""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(directory, path):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    end = tokenizer.eos_token
    total = n_targets = 0
    for line in open(path):
        trace = json.loads(line)
        prompt = tokenizer.apply_chat_template([{"role": "user", "content": trace["prompt"]}],
                                               add_generation_prompt=True, tokenize=False)
        response = trace["response"]
        if prompt.endswith("<think>\n"):
            response = response.removeprefix("<think>\n")
        before = tokenizer(prompt, add_special_tokens=False).input_ids
        learnt = tokenizer(response + end, add_special_tokens=False).input_ids
        with torch.no_grad():
            logits = model(torch.tensor([before + learnt])).logits[0].double()
        log_p = torch.log_softmax(logits[len(before) - 1:-1], -1)
        total -= log_p[torch.arange(len(learnt)), torch.tensor(learnt)].sum().item()
        n_targets += len(learnt)
    stage = json.load(open(os.path.join(directory, "training.json")))["stages"][-1]
    print(f"transformers {total / n_targets:.8f} over {n_targets} tokens, nibble-qat {stage['eval_loss']:.8f}")
    return abs(total / n_targets - stage["eval_loss"]) > 1e-5


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
